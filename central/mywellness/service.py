"""Keeps links and queue true to what we hold: called in the transaction of each change, each visit and each night."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa

from central.changes import Aggregate, Change, Unit
from central.errors import NotFound, Refused
from central.mywellness import store, store_queue
from central.mywellness.evaluation import Evaluation, Facts, Link, evaluate, pending
from central.mywellness.rules import Held, Standing, VisitFacts, missing, visit_withheld, withheld
from central.mywellness.settings import ForwardSettings
from central.mywellness.states import BadTransition, LinkContext, LinkEvent, LinkState, SuspendReason, step
from central.mywellness.store_queue import Row
from central.passages.rules import SUPERSEDED, Visit, VisitPlan
from central.schema import QueueAction, QueueState

CHECK_YOUR_MAIL: Final = "activation pending: check your mail from Mywellness"

NIGHTLY: Final = "mywellness-nightly"


class Mywellness:
    """The use cases around links and queue of one facility."""

    def __init__(self, settings: ForwardSettings) -> None:
        """Work by these settings."""
        self.settings = settings

    # --- what follows from changes ------------------------------------------------------------------------------------

    def react(self, unit: Unit, change: Change) -> None:
        """Re-evaluate whoever a change concerns (D-12, D-21, B-21)."""
        if change.aggregate is Aggregate.PERSON:
            self.reevaluate(unit, [change.key])
        elif change.aggregate is Aggregate.PRODUCT:
            self.reevaluate(unit, store.holders(unit.connection, change.key))

    def nightly(self, unit: Unit) -> bool:
        """Re-evaluate everybody once a day: subscriptions and freezes begin and end by date (D-12, D-24, D-25).

        Returns whether there was anything left to do for today.
        """
        if not store.begin_day(unit.connection, NIGHTLY, self.today(unit.now)):
            return False
        self.reevaluate(unit, None, after_change=False)
        return True

    def today(self, now: datetime) -> date:
        """Return the facility's calendar day."""
        return now.astimezone(self.settings.zone).date()

    def reevaluate(
        self, unit: Unit, people: Iterable[str] | None, *, after_change: bool = True, at_once: bool = False
    ) -> None:
        """Bring links and queue of these people, or of everybody, up to date; `at_once` gathers no further changes."""
        day, settings = self.today(unit.now), self.settings
        due_at = unit.now if at_once else unit.now + settings.coalesce
        for facts in store.load(unit.connection, people).values():
            plan = evaluate(
                facts,
                day,
                settings.policy,
                open_end_accepted=settings.open_end_accepted,
                after_change=after_change,
            )
            _carry_out(unit, facts, plan, due_at)

    # --- visits -------------------------------------------------------------------------------------------------------

    def plan_visits(self, unit: Unit, plans: Sequence[VisitPlan]) -> None:
        """Queue what newly became a visit and take back what is none, for all people of a batch (rulings 17)."""
        superseded = [event for plan in plans for event in plan.superseded]
        if superseded:
            store_queue.skip_waiting(unit.connection, SUPERSEDED, unit.now, visits=superseded)
        visits = [(plan, visit) for plan in plans for visit in plan.queue]
        if not visits:
            return
        people = store.load(unit.connection, {plan.person for plan, _ in visits})
        # A visit that had been taken back and is one after all is judged and queued afresh, behind what came since.
        again = [event for plan in plans for event in plan.again]
        if again:
            store_queue.forget_skipped(unit.connection, SUPERSEDED, again)
        created: set[str] = set()
        rows: list[Row] = []
        for plan, visit in visits:
            facts = people.get(plan.person)
            if facts is not None:
                rows.extend(self._rows_of_visit(unit, plan, visit, facts, created))
        store_queue.add(unit.connection, rows)

    def _rows_of_visit(
        self, unit: Unit, plan: VisitPlan, visit: Visit, facts: Facts, created: set[str]
    ) -> Iterator[Row]:
        """Rows for a new visit, under the event id of its opening passage, or why it is not sent (D-45, D-47).

        Judged once, on the visit's own day (rulings 3). Whoever was eligible that day is created first, even when no
        longer selected today (rulings 21); `created` remembers who that was in this batch.
        """
        was = facts.link or Link()
        held = visit_withheld(
            self.settings.policy,
            VisitFacts(visit.opened_at),
            facts.person,
            facts.subscriptions,
            standing=was.standing,
            zone=plan.zone,
            now=unit.now,
        )
        if held is None and was.facility_user_id is None and not facts.open_person and plan.person not in created:
            created.add(plan.person)
            if was.state is None:
                store.save_link(unit.connection, plan.person, state=LinkState.NEW, missing=[])
            if was.state in (None, LinkState.NEW):
                yield store_queue.row(plan.person, QueueAction.PERSON, now=unit.now, due_at=unit.now)
        yield store_queue.row(
            plan.person,
            QueueAction.VISIT,
            now=unit.now,
            due_at=unit.now,
            visit=visit.id,
            visit_at=visit.opened_at,
            site=plan.site,
            skipped=held.value if held else None,
        )

    # --- operations of staff ------------------------------------------------------------------------------------------

    def operate(self, unit: Unit, person: str, operation: LinkEvent) -> LinkState | None:
        """Synchronise, suspend, enable or delete a link (D-30…D-32).

        Raises `NotFound`, and `Refused`: `BAD_TRANSITION` where the table has no cell, `INCOMPLETE`, `OPTED_OUT` or
        `GENDER_UNMAPPED` for a person who may not be sent.
        """
        facts = store.load(unit.connection, [person]).get(person)
        if facts is None:
            raise NotFound("member", person)
        was = facts.link or Link()
        state = self._next_state(unit, facts, was, operation)
        match operation:
            case LinkEvent.SUSPEND:
                store.save_link(unit.connection, person, state=state, reason=SuspendReason.STAFF)
            case LinkEvent.ENABLE:
                store.save_link(unit.connection, person, state=state, reason=None, pending=False)
                self.reevaluate(unit, [person], at_once=True)
            case LinkEvent.SYNCHRONISE:
                self._refuse_unsendable(facts)
                store.save_link(unit.connection, person, state=state, tombstone=False, reason=None)
                if not facts.open_person:
                    _enqueue(unit, person, QueueAction.PERSON, unit.now)
                self.reevaluate(unit, [person], at_once=True)
                store_queue.hasten(unit.connection, person, unit.now)
            case LinkEvent.DELETE:
                _delete(unit, person, was)
            case _:
                raise Refused("BAD_TRANSITION", f"{operation} is nothing staff can ask for")
        unit.changed(Aggregate.LINK, person)
        return store.link_state(unit.connection, person)

    def _next_state(self, unit: Unit, facts: Facts, was: Link, operation: LinkEvent) -> LinkState | None:
        day, settings = self.today(unit.now), self.settings
        context = LinkContext(
            selected=True,
            tombstoned=was.tombstoned,
            opted_out=not facts.person.allow_sync,
            has_remote=was.facility_user_id is not None,
            pending=pending(facts, day, settings.policy, open_end_accepted=settings.open_end_accepted),
        )
        try:
            return step(was.state, operation, context=context)
        except BadTransition as refusal:
            raise Refused(refusal.code, str(refusal)) from refusal

    def _refuse_unsendable(self, facts: Facts) -> None:
        """A manual synchronisation ignores how people are selected, and nothing else (D-35)."""
        policy = self.settings.policy
        match withheld(policy, facts.person, is_selected=True, standing=Standing()):
            case None:
                return
            case Held.INCOMPLETE:
                lacking = missing(facts.person, email_required=policy.email_required)
                raise Refused("INCOMPLETE", f"fill in {', '.join(lacking)} first", status=422)
            case Held.OPTED_OUT:
                raise Refused("OPTED_OUT", "the member does not allow it; ask the member first")
            case reason:
                raise Refused(reason.upper(), "Mywellness has no word for this gender", status=422)


def _carry_out(unit: Unit, facts: Facts, plan: Evaluation, due_at: datetime) -> None:
    was = facts.link or Link()
    lacking = [attribute.value for attribute in plan.missing]
    if (plan.state, plan.reason, plan.pending, lacking) != (was.state, was.reason, was.pending, list(was.missing)):
        store.save_link(
            unit.connection,
            facts.person.id,
            state=plan.state,
            reason=plan.reason,
            pending=plan.pending,
            missing=lacking,
        )
    if plan.send_person:
        _enqueue(unit, facts.person.id, QueueAction.PERSON, due_at)
    if plan.send_membership:
        _enqueue(unit, facts.person.id, QueueAction.MEMBERSHIP, due_at)


def _enqueue(unit: Unit, person: str, action: QueueAction, due_at: datetime) -> None:
    store_queue.enqueue(unit.connection, person, action, now=unit.now, due_at=due_at)


def _delete(unit: Unit, person: str, was: Link) -> None:
    may_be_there = was.facility_user_id is not None or store_queue.may_be_there(unit.connection, person)
    store_queue.skip_waiting(unit.connection, Held.TO_DELETE, unit.now, person=person)
    if not may_be_there:
        store.save_link(unit.connection, person, state=None, tombstone=True, reason=None, pending=False)
        return
    # Marked until Mywellness has confirmed; the forwarder sends it next and then leaves the tombstone (D-32).
    store.save_link(unit.connection, person, state=LinkState.TO_DELETE)
    _enqueue(unit, person, QueueAction.DELETE, unit.now)


# --- questions --------------------------------------------------------------------------------------------------------


def link_row(connection: sa.Connection, person: str) -> dict[str, Any]:
    """Return a member's link as staff see it; raises `NotFound`."""
    rows = store.link_rows(connection, person=person)
    if not rows:
        raise NotFound("Mywellness link of member", person)
    return _with_activation(rows[0])


def link_rows(connection: sa.Connection, *, after: str, limit: int) -> list[dict[str, Any]]:
    """Return links by person."""
    return [_with_activation(row) for row in store.link_rows(connection, after=after, limit=limit)]


def _with_activation(row: dict[str, Any]) -> dict[str, Any]:
    """Mywellness itself mails whoever is new to it; we send no such mail and only say what to look for (D-17)."""
    return {**row, "activation": CHECK_YOUR_MAIL if row["facility_user_id"] else None}


def queue_rows(
    connection: sa.Connection,
    *,
    state: QueueState | None,
    action: QueueAction | None,
    person: str | None,
    after: int,
    limit: int,
) -> list[dict[str, Any]]:
    """Return rows of the queue by number."""
    return store_queue.queue_rows(connection, state=state, action=action, person=person, after=after, limit=limit)


def waiting(connection: sa.Connection) -> tuple[dict[str, dict[str, int]], datetime | None]:
    """Return how many rows stand where (action → state → rows), and since when the oldest open one waits."""
    return store_queue.counts(connection), store_queue.oldest_open(connection)

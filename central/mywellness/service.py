"""Keeps links and queue true to what we hold: called in the transaction of each change, each visit and each night."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from central.changes import Aggregate, Change, Unit
from central.errors import NotFound, Refused
from central.mywellness import store
from central.mywellness.evaluation import Evaluation, Facts, Link, evaluate, fingerprint, memberships_due
from central.mywellness.rules import Held, VisitFacts, missing, visit_withheld
from central.mywellness.settings import ForwardSettings
from central.mywellness.states import BadTransition, LinkContext, LinkEvent, LinkState, SuspendReason, step
from central.passages.rules import SUPERSEDED, Visit, VisitPlan
from central.schema import QueueAction, QueueState, job, queue, site, subscription

NIGHTLY = "mywellness-nightly"


class Mywellness:
    """The use cases around links and queue of one facility."""

    def __init__(self, settings: ForwardSettings) -> None:
        """Work by these settings."""
        self.settings = settings

    # --- what follows from changes ------------------------------------------------------------------------------------

    def react(self, unit: Unit, change: Change) -> None:
        """Re-evaluate whoever a change concerns (D-12, D-21, B-21)."""
        if change.aggregate is Aggregate.PERSON:
            self._reevaluate(unit, [change.key], after_change=True)
        elif change.aggregate is Aggregate.PRODUCT:
            holders = sa.select(subscription.c.person).where(subscription.c.product == change.key).distinct()
            self._reevaluate(unit, unit.connection.scalars(holders).all(), after_change=True)

    def nightly(self, unit: Unit) -> bool:
        """Re-evaluate everybody once a day: subscriptions and freezes begin and end by date (D-12, D-24, D-25).

        Returns whether there was anything left to do for today.
        """
        today = self.today(unit.now)
        last = unit.connection.execute(sa.select(job.c.last_day).where(job.c.name == NIGHTLY)).scalar_one_or_none()
        if last is not None and last >= today:
            return False
        if last is None:
            unit.connection.execute(job.insert().values(name=NIGHTLY, last_day=today))
        else:
            unit.connection.execute(job.update().where(job.c.name == NIGHTLY).values(last_day=today))
        self._reevaluate(unit, None, after_change=False)
        return True

    def today(self, now: datetime) -> date:
        """Return the facility's calendar day."""
        return now.astimezone(self.settings.zone).date()

    def _reevaluate(self, unit: Unit, people: Iterable[str] | None, *, after_change: bool) -> None:
        day = self.today(unit.now)
        for facts in store.load(unit.connection, people).values():
            plan = evaluate(
                facts,
                day,
                self.settings.policy,
                open_end_accepted=self.settings.open_end_accepted,
                after_change=after_change,
            )
            self._carry_out(unit, facts, plan)

    def _carry_out(self, unit: Unit, facts: Facts, plan: Evaluation) -> None:
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
        due_at = unit.now + self.settings.coalesce
        if plan.send_person:
            self._enqueue(unit, facts.person.id, QueueAction.PERSON, due_at)
        if plan.send_membership:
            self._enqueue(unit, facts.person.id, QueueAction.MEMBERSHIP, due_at)

    @staticmethod
    def _enqueue(unit: Unit, person: str, action: QueueAction, due_at: datetime) -> None:
        store.enqueue(unit.connection, person, action, now=unit.now, due_at=due_at)

    # --- visits -------------------------------------------------------------------------------------------------------

    def plan_visits(self, unit: Unit, plans: Sequence[VisitPlan]) -> None:
        """Queue what newly became a visit and take back what is none, for all people of a batch (rulings 17)."""
        superseded = [event for plan in plans for event in plan.superseded]
        if superseded:
            unit.connection.execute(
                queue.update()
                .where(queue.c.visit.in_(superseded), queue.c.state.in_((QueueState.NEW, QueueState.RETRY)))
                .values(state=QueueState.SKIPPED, detail=SUPERSEDED, done_at=unit.now)
            )
        visits = [(plan, visit) for plan in plans for visit in plan.queue]
        if not visits:
            return
        people = store.load(unit.connection, {plan.person for plan, _ in visits})
        sites = {plan.site for plan, _ in visits}
        zones = {
            key: ZoneInfo(zone)
            for key, zone in unit.connection.execute(sa.select(site.c.id, site.c.zone).where(site.c.id.in_(sites)))
        }
        # A visit that had been taken back and is one after all is judged and queued afresh, behind what came since.
        again = [visit.id for _, visit in visits]
        unit.connection.execute(queue.delete().where(queue.c.visit.in_(again), queue.c.detail == SUPERSEDED))
        created: set[str] = set()
        for plan, visit in visits:
            facts = people.get(plan.person)
            if facts is not None:
                self._queue_visit(unit, plan, visit, zones[plan.site], facts, created)

    def _queue_visit(
        self, unit: Unit, plan: VisitPlan, visit: Visit, zone: ZoneInfo, facts: Facts, created: set[str]
    ) -> None:
        """Queue a new visit under the event id of its opening passage, or note why it is not sent (D-45, D-47).

        Judged once, on the visit's own day (rulings 3). Whoever was eligible that day is created first, even when no
        longer selected today (rulings 21); `created` remembers who that was in this batch.
        """
        person = plan.person
        was = facts.link or Link()
        held = visit_withheld(
            self.settings.policy,
            VisitFacts(visit.opened_at),
            facts.person,
            facts.subscriptions,
            standing=was.standing,
            zone=zone,
            now=unit.now,
        )
        if held is None and was.facility_user_id is None and not facts.open_person and person not in created:
            created.add(person)
            if was.state is None:
                store.save_link(unit.connection, person, state=LinkState.NEW, missing=[])
            if was.state in (None, LinkState.NEW):
                self._enqueue(unit, person, QueueAction.PERSON, unit.now)
        store.enqueue(
            unit.connection,
            person,
            QueueAction.VISIT,
            now=unit.now,
            due_at=unit.now,
            visit=visit.id,
            visit_at=visit.opened_at,
            site=plan.site,
            skipped=held.value if held else None,
        )

    def visit_states(self, connection: sa.Connection, visits: Iterable[str]) -> dict[str, QueueState]:
        """Return how the queue rows of these visits stand; visits without a row, or taken back, are absent."""
        rows = connection.execute(
            sa.select(queue.c.visit, queue.c.state).where(queue.c.visit.in_(list(visits)), queue.c.detail != SUPERSEDED)
        )
        return {visit: QueueState(state) for visit, state in rows}

    # --- operations of staff ------------------------------------------------------------------------------------------

    def operate(self, unit: Unit, person: str, operation: LinkEvent) -> LinkState | None:
        """Synchronise, suspend, enable or delete a link (D-30…D-32); raises `Refused` where the table has no cell."""
        facts = store.load(unit.connection, [person]).get(person)
        if facts is None:
            raise NotFound("member", person)
        was = facts.link or Link()
        changed = (
            was.facility_user_id is not None and fingerprint(facts.person, self.settings.policy) != was.person_sent
        )
        due = memberships_due(facts, self.today(unit.now), open_end_accepted=self.settings.open_end_accepted)
        context = LinkContext(
            selected=True,
            tombstoned=was.tombstoned,
            opted_out=not facts.person.allow_sync,
            has_remote=was.facility_user_id is not None,
            pending=was.pending or changed or bool(due),
        )
        try:
            state = step(was.state, operation, context=context)
        except BadTransition as refusal:
            raise Refused(refusal.code, str(refusal)) from refusal
        match operation:
            case LinkEvent.SUSPEND:
                store.save_link(unit.connection, person, state=state, reason=SuspendReason.STAFF)
            case LinkEvent.ENABLE:
                store.save_link(unit.connection, person, state=state, reason=None, pending=False)
                self._send_all(
                    unit, facts, person_too=state is not LinkState.ENABLED and (changed or not was.facility_user_id)
                )
            case LinkEvent.SYNCHRONISE:
                self._refuse_incomplete(facts)
                store.save_link(unit.connection, person, state=state, tombstone=False, reason=None)
                self._send_all(unit, facts, person_too=True)
            case LinkEvent.DELETE:
                self._delete(unit, facts, was)
            case _:
                msg = f"{operation} is nothing staff can ask for"
                raise Refused("BAD_TRANSITION", msg)
        return state

    def _refuse_incomplete(self, facts: Facts) -> None:
        lacking = missing(facts.person, email_required=self.settings.policy.email_required)
        if lacking:
            raise Refused("INCOMPLETE", f"fill in {', '.join(lacking)} first", status=422)

    def _send_all(self, unit: Unit, facts: Facts, *, person_too: bool) -> None:
        person = facts.person.id
        if person_too and not facts.open_person and fingerprint(facts.person, self.settings.policy) is not None:
            self._enqueue(unit, person, QueueAction.PERSON, unit.now)
        due = memberships_due(facts, self.today(unit.now), open_end_accepted=self.settings.open_end_accepted)
        if due and not facts.open_membership:
            self._enqueue(unit, person, QueueAction.MEMBERSHIP, unit.now)

    def _delete(self, unit: Unit, facts: Facts, was: Link) -> None:
        person = facts.person.id
        unit.connection.execute(
            queue.update()
            .where(queue.c.person == person, queue.c.state.in_((QueueState.NEW, QueueState.RETRY)))
            .values(state=QueueState.SKIPPED, detail=Held.TO_DELETE, done_at=unit.now)
        )
        if was.facility_user_id is None:
            store.save_link(unit.connection, person, state=None, tombstone=True, reason=None, pending=False)
            return
        # Marked until Mywellness has confirmed; the forwarder sends it next and then leaves the tombstone (D-32).
        store.save_link(unit.connection, person, state=LinkState.TO_DELETE)
        self._enqueue(unit, person, QueueAction.DELETE, unit.now)


def link_row(connection: sa.Connection, person: str) -> dict[str, Any]:
    """Return a member's link as staff see it; raises `NotFound`."""
    rows = store.link_rows(connection, person=person)
    if not rows:
        raise NotFound("Mywellness link of member", person)
    return rows[0]

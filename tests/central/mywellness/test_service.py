"""Links and queue rows that follow from changes, visits and nights, in their transactions, on both databases."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from central.changes import Unit
from central.database import Database
from central.errors import Refused
from central.memberships import products
from central.migrate import migrate
from central.mywellness import service, store, store_queue
from central.mywellness.evaluation import fingerprint
from central.mywellness.mapping import Representation
from central.mywellness.rules import Held
from central.mywellness.states import LinkEvent, LinkState, SuspendReason
from central.people import service as people
from central.schema import QueueAction, QueueState, change_event, link, person, product, queue, subscription
from tests.central.mywellness.gym import COMPLETE, Central
from tests.central.passages.builders import local, outcome
from tests.fakes import FakeClock

PERSON, MEMBERSHIP, VISIT = QueueAction.PERSON, QueueAction.MEMBERSHIP, QueueAction.VISIT
NEW, SKIPPED = QueueState.NEW, QueueState.SKIPPED


class RolledBackError(Exception):
    """What went wrong after a save."""


@pytest.mark.req("B-21")
def test_a_save_and_its_queue_rows_commit_together_or_not_at_all(central: Central) -> None:
    central.subscribes()
    before = central.asks(sa.select(change_event.c.id))

    def save(unit: Unit, *, fails: bool) -> None:
        people.change(unit, "M1001", COMPLETE)  # type: ignore[arg-type]
        people.change(unit, "M1001", {"phone": "+468123"})
        unit.settle()
        if fails:
            raise RolledBackError

    with pytest.raises(RolledBackError):
        central.does(save, fails=True)
    assert central.asks(sa.select(change_event.c.id)) == before
    assert central.queued() == []
    central.does(lambda unit: people.change(unit, "M1001", COMPLETE))  # type: ignore[arg-type]
    events = central.asks(sa.select(change_event.c.aggregate, change_event.c.key).offset(len(before)))
    assert [tuple(row) for row in events] == [("person", "M1001")]
    assert central.queued() == [(PERSON, NEW, ""), (MEMBERSHIP, NEW, "")]


def test_a_change_of_a_product_concerns_whoever_holds_it(central: Central) -> None:
    central.joins()
    _knows(central)
    central.does(products.change, "P-GYM", {"name": "Gym and sauna"})
    assert [row[:2] for row in central.queued()] == [(MEMBERSHIP, NEW)]
    assert central.link().state is LinkState.TO_UPDATE


def _knows(central: Central, who: str = "M1001") -> None:
    """Let Mywellness know the person as we do."""
    gym = Representation(date(2025, 6, 1), None, date(2019, 1, 15), frozen=False, ended=False, description="Gym")

    def know(unit: Unit) -> None:
        facts = store.load(unit.connection, [who])[who]
        store.save_link(
            unit.connection,
            who,
            state=LinkState.ENABLED,
            facility_user_id=f"FU-{who}",
            user_id=f"U-{who}",
            person_sent=fingerprint(facts.person, central.mywellness.settings.policy),
            membership_sent=store.representation_to_json(gym),
        )
        unit.connection.execute(queue.delete())

    central.does(know)


# --- visits -----------------------------------------------------------------------------------------------------------


def test_the_first_visit_of_somebody_unknown_brings_the_person_before_it(central: Central) -> None:
    central.clock.set(local("2026-04-02 12:00"))
    central.subscribes(auto_renew=False, bound_through=None, charged_through=date(2026, 3, 31))
    central.completes()
    assert central.queued() == []
    central.reads("2026-03-30 09:00")
    central.reads("2026-03-31 09:00")
    central.arrives()
    assert [action for action, _, _ in central.queued()] == [PERSON, VISIT, VISIT]
    assert central.link().state is LinkState.NEW


@pytest.mark.parametrize(
    ("held", "differs"),
    [
        (Held.OPTED_OUT, {"allow_sync": False}),
        (Held.INCOMPLETE, {"gender": None}),
        (Held.GENDER_UNMAPPED, {"gender": "other"}),
        (Held.ACTIVITY_OPTED_OUT, {"allow_activity_sync": False}),
    ],
)
def test_a_visit_that_is_not_sent_says_why(central: Central, held: Held, differs: dict[str, Any]) -> None:
    central.joins(**differs)
    central.enters("2026-03-10 08:30")
    assert central.visits() == [(SKIPPED, held)]


def test_a_visit_while_staff_have_suspended_the_link_is_skipped(central: Central) -> None:
    central.joins()
    central.operates(LinkEvent.SUSPEND)
    central.enters("2026-03-10 08:30")
    assert central.visits() == [(SKIPPED, "suspended")]


def test_a_visit_older_than_the_limit_is_listed_not_sent(central: Central) -> None:
    central.joins()
    central.clock.set(local("2026-05-10 12:00"))
    central.reads("2026-03-11 10:59:00")  # sixty days and a minute, counted across the change to summer time
    central.reads("2026-03-11 10:59:30", "RD-OUT")
    central.reads("2026-03-11 11:00:00")
    central.arrives()
    assert central.visits() == [(SKIPPED, "too_old"), (NEW, "")]


def test_a_visit_that_proves_none_is_taken_back_and_queued_afresh_if_it_is_one_after_all(central: Central) -> None:
    central.joins()
    central.clock.set(local("2026-03-10 12:00"))
    central.reads("2026-03-10 09:00")
    central.arrives()
    central.edge.add(outcome("2026-03-10 09:00:05", 1, passed=False))
    central.arrives()
    assert central.visits() == [(SKIPPED, "superseded")]
    central.edge.add(outcome("2026-03-10 09:00:06", 1, passed=True))
    central.arrives()
    assert central.visits() == [(NEW, "")]


# --- what staff do ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "status", "differs"),
    [
        ("INCOMPLETE", 422, {"birth_date": None}),
        ("GENDER_UNMAPPED", 422, {"gender": "other"}),
        ("OPTED_OUT", 409, {"allow_sync": False}),
    ],
)
def test_who_may_not_be_sent_is_not_synchronised_by_hand(
    central: Central, code: str, status: int, differs: dict[str, Any]
) -> None:
    central.completes(**differs)
    with pytest.raises(Refused) as refusal:
        central.operates(LinkEvent.SYNCHRONISE)
    assert (refusal.value.code, refusal.value.status) == (code, status)
    assert central.queued() == []


def test_a_manual_synchronisation_ignores_how_people_are_selected(central: Central) -> None:
    central.completes()
    assert central.link().state is None
    assert central.operates(LinkEvent.SYNCHRONISE) is LinkState.NEW
    assert central.queued() == [(PERSON, NEW, "")]


def test_enabling_a_link_whose_changes_were_taken_back_sends_nothing(central: Central) -> None:
    central.joins()
    _knows(central)
    central.operates(LinkEvent.SUSPEND)
    central.changes(city="Solna")
    assert (central.link().pending, central.link().reason) == (True, SuspendReason.STAFF)
    central.changes(city=None)
    assert central.operates(LinkEvent.ENABLE) is LinkState.ENABLED
    assert central.queued() == []


def test_deleting_somebody_mywellness_never_heard_of_needs_no_call(central: Central) -> None:
    central.joins()
    assert central.operates(LinkEvent.DELETE) is None
    assert central.link().tombstoned
    assert [row[1:] for row in central.queued()] == [(SKIPPED, "to_delete")] * 2
    central.changes(city="Solna")
    assert (central.link().state, len(central.queued())) == (None, 2)


def test_an_operation_the_state_does_not_know_is_refused(central: Central) -> None:
    central.joins()
    with pytest.raises(Refused, match="cannot take enable") as refusal:
        central.operates(LinkEvent.ENABLE)
    assert refusal.value.code == "BAD_TRANSITION"


# --- nights -----------------------------------------------------------------------------------------------------------


def test_the_night_works_once_a_day(central: Central) -> None:
    central.joins()
    assert [central.night("2026-03-11 00:05"), central.night("2026-03-11 23:55")] == [True, False]
    assert central.night("2026-03-12 00:00")


def test_a_night_without_changes_asks_few_questions_and_writes_one_row(central: Central) -> None:
    _crowd(central, 400)
    central.night("2026-03-11 00:05")
    assert len(central.queued()) == 800
    statements: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement.split(maxsplit=1)[0])

    engine = central.database._write_engine
    event.listen(engine, "before_cursor_execute", note)
    central.night("2026-03-12 00:05")
    event.remove(engine, "before_cursor_execute", note)
    assert [verb for verb in statements if verb != "SELECT"] in (["UPDATE"], ["BEGIN", "UPDATE"])
    assert statements.count("SELECT") <= 8


def _crowd(central: Central, size: int) -> None:
    def fill(unit: Unit) -> None:
        rows = [
            {**COMPLETE, "id": f"P{n}", "number": f"P{n}", "gender": "female", "roles": [], "created_at": unit.now}
            for n in range(size)
        ]
        unit.connection.execute(person.insert(), rows)
        held = {"product": "P-GYM", "site": "F1", "start": date(2025, 6, 1), "auto_renew": True}
        unit.connection.execute(subscription.insert(), [{**held, "person": f"P{n}"} for n in range(size)])

    central.does(fill)


# --- the queue --------------------------------------------------------------------------------------------------------


def _rows(central: Central, *rows: tuple[str, QueueAction]) -> None:
    def add(unit: Unit) -> None:
        for who, action in rows:
            store_queue.enqueue(unit.connection, who, action, now=unit.now, due_at=unit.now)

    central.does(add)


def _take(central: Central) -> tuple[str, QueueAction] | None:
    row = central.does(lambda unit: store_queue.take(unit.connection, unit.now, "boot-1"))
    return None if row is None else (row.person, row.action)


def test_per_person_one_row_at_a_time_in_order_and_nobody_waits_for_another(central: Central) -> None:
    _rows(central, ("M1001", MEMBERSHIP), ("M1001", VISIT), ("M1002", VISIT))
    assert _take(central) == ("M1001", MEMBERSHIP)
    assert _take(central) == ("M1002", VISIT)
    assert _take(central) is None


def test_a_row_that_creates_the_person_overtakes_what_waits_for_it(central: Central) -> None:
    _rows(central, ("M1001", VISIT), ("M1001", PERSON))
    central.does(
        lambda unit: unit.connection.execute(
            queue.update().where(queue.c.action == VISIT).values(due_at=unit.now + timedelta(hours=1), state="retry")
        )
    )
    assert _take(central) == ("M1001", PERSON)
    assert _take(central) is None


def test_two_processes_never_take_the_same_row_nor_two_of_one_person(fresh_postgres_url: str) -> None:
    central = _central(fresh_postgres_url)
    _rows(central, ("M1001", VISIT), ("M1001", VISIT), ("M1002", VISIT))
    with central.database._write_engine.begin() as first, central.database._write_engine.begin() as second:
        now = central.clock.wall
        taken = [store_queue.take(one, now, boot) for one, boot in ((first, "a"), (second, "b"), (second, "b"))]
    central.database.close()
    assert [row.person if row else None for row in taken] == ["M1001", "M1002", None]


def _central(url: str) -> Central:
    database = Database(url)
    migrate(database)
    return Central(database, FakeClock())


def test_the_row_to_send_next_is_found_by_the_indexes_of_open_rows(tmp_path: Path) -> None:
    central = _central(f"sqlite:///{tmp_path / 'wellgate.db'}")
    literal = store_queue.NEXT.params(now=central.clock.wall).compile(
        central.database._write_engine, compile_kwargs={"literal_binds": False}
    )
    plan = central.does(
        lambda unit: unit.connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN {literal}", tuple(literal.params[name] for name in literal.positiontup or ())
        ).all()
    )
    central.database.close()
    used = " ".join(str(step[3]) for step in plan)
    assert "ix_mywellness_queue_open " in used
    assert "ix_mywellness_queue_open_person" in used


def test_staff_see_what_waits_and_since_when(central: Central) -> None:
    central.joins()
    counts, oldest = central.database.sync_read(service.waiting)
    assert counts == {"person": {"new": 1}, "membership": {"new": 1}}
    assert oldest == central.clock.wall
    (row,) = central.database.sync_read(
        lambda connection: service.queue_rows(
            connection, state=None, action=MEMBERSHIP, person="M1001", after=0, limit=10
        )
    )
    assert (row["state"], row["attempts"], row["due_at"]) == (NEW, 0, central.clock.wall + timedelta(seconds=30))
    assert central.asks(sa.select(link.c.state)) == [("New",)]
    assert central.asks(sa.select(product.c.name)) == [("Gym",)]

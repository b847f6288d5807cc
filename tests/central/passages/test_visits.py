"""Passages become visits at central, whatever the edges believed, whenever the entries came."""

import pytest
import sqlalchemy as sa

from central.database import Database
from central.schema import passage, person
from protocol.decision import PassageKind, Reason
from tests.central.passages.builders import Central, Writer, denied, local, outcome, seed

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def central(database: Database) -> Central:
    seed(database)
    return Central(database)


@pytest.mark.req("A-35")
def test_a_second_entry_at_17_00_without_exit_is_no_new_visit(central: Central) -> None:
    edge = Writer()
    edge.read("2026-03-10 09:00")
    edge.read("2026-03-10 17:00", new_visit=False)
    central.deliver(edge)
    assert central.visits() == [("09:00", None)]
    assert central.passages() == [("09:00", "OK", True), ("17:00", "OK", False)]


@pytest.mark.req("A-36")
def test_after_an_exit_at_10_00_the_entry_at_17_00_is_a_second_visit(central: Central) -> None:
    edge = Writer()
    edge.read("2026-03-10 09:00")
    edge.read("2026-03-10 10:00", "RD-OUT")
    edge.read("2026-03-10 17:00")
    central.deliver(edge)
    assert central.visits() == [("09:00", "10:00"), ("17:00", None)]
    assert central.queued() == [("09:00", "new"), ("17:00", "new")]


@pytest.mark.req("A-37")
def test_an_inner_reader_is_an_entrance_for_who_is_not_inside(central: Central) -> None:
    edge = Writer()
    edge.read("2026-03-10 09:00", "RD-INNER")
    edge.read("2026-03-10 09:05", "RD-INNER")
    central.deliver(edge)
    assert central.visits() == [("09:00", None)]
    assert central.passages() == [("09:00", "OK", True), ("09:05", "OK", False)]


def test_a_two_way_reader_alternates(central: Central) -> None:
    edge = Writer()
    for time in ("09:00", "10:00", "17:00"):
        edge.read(f"2026-03-10 {time}", "RD-IO")
    central.deliver(edge)
    assert central.visits() == [("09:00", "10:00"), ("17:00", None)]


def test_a_double_tap_at_an_unlocked_two_way_door_ends_no_visit(central: Central) -> None:
    edge = Writer()
    edge.read("2026-03-10 09:00", "RD-IO")
    edge.read(
        "2026-03-10 09:01",
        "RD-IO",
        passage=PassageKind.OUT,
        all_reasons=(Reason.TOO_SOON,),
        new_visit=False,
    )
    central.deliver(edge)
    assert central.visits() == [("09:00", None)]
    edge.read("2026-03-10 10:00", "RD-IO", passage=PassageKind.OUT, new_visit=False)
    central.deliver(edge)
    assert central.visits() == [("09:00", "10:00")]


@pytest.mark.req("A-39")
@pytest.mark.parametrize(
    ("rollover", "visits"),
    [
        pytest.param(0, [("23:30", None), ("00:30", None)], id="rollover at midnight: two visits"),
        pytest.param(4 * 3600, [("23:30", None)], id="rollover 04:00: one visit over midnight"),
    ],
)
def test_an_open_visit_ends_at_the_rollover(database: Database, rollover: int, visits: list[tuple[str, None]]) -> None:
    seed(database, rollover=rollover)
    central = Central(database)
    edge = Writer()
    edge.read("2026-03-10 23:30")
    edge.read("2026-03-11 00:30")
    central.deliver(edge)
    assert central.visits() == visits


@pytest.mark.req("A-40")
def test_a_refused_read_moves_the_last_attempt_and_not_the_last_visit(central: Central) -> None:
    central.database.sync_write(
        lambda connection: connection.execute(
            person.update().where(person.c.id == "M1001").values(last_visit_at=local("2026-02-01 10:00"))
        )
    )
    edge = Writer()
    edge.add(denied("2026-03-10 09:00"))
    central.deliver(edge)
    where = sa.select(person.c.last_visit_at, person.c.last_attempt_at).where(person.c.id == "M1001")
    assert central.rows(where) == [(local("2026-02-01 10:00"), local("2026-03-10 09:00"))]
    assert central.visits() == []


def test_the_last_visit_follows_a_visit_that_is_moved_and_one_that_is_undone(central: Central) -> None:
    where = sa.select(person.c.last_visit_at).where(person.c.id == "M1001")
    late, prompt = Writer("edge-a"), Writer("edge-b")
    prompt.read("2026-03-10 09:30")
    central.deliver(prompt)
    assert central.rows(where) == [(local("2026-03-10 09:30"),)]
    first = late.read("2026-03-10 09:00")
    central.deliver(late)
    assert central.rows(where) == [(local("2026-03-10 09:00"),)]
    late.add(outcome("2026-03-10 09:00", first, passed=False))
    central.deliver(late)
    assert central.rows(where) == [(local("2026-03-10 09:30"),)]


@pytest.mark.req("A-50")
def test_an_event_delivered_three_times_is_one_passage_one_visit_and_one_queue_row(central: Central) -> None:
    edge = Writer()
    edge.read("2026-03-10 09:00")
    acks = [central.store(edge.batch()).ack for _ in range(3)]
    assert len(set(acks)) == 1
    assert central.passages() == [("09:00", "OK", True)]
    assert central.visits() == [("09:00", None)]
    assert central.queued() == [("09:00", "new")]


@pytest.mark.req("A-51")
def test_a_late_entry_at_09_00_takes_over_the_visit_of_09_30_that_was_forwarded(central: Central) -> None:
    door_a, door_b = Writer("edge-a"), Writer("edge-b")
    door_b.read("2026-03-10 09:30")
    central.deliver(door_b)
    central.send()
    door_a.read("2026-03-10 09:00")
    central.deliver(door_a)
    assert central.visits() == [("09:00", None)]
    assert central.passages() == [("09:00", "OK", True), ("09:30", "OK", False)]
    assert central.queued() == [("09:30", "done")]  # known to Mywellness by this one; no second is sent


def test_a_late_entry_replaces_a_visit_that_still_waits(central: Central) -> None:
    door_a, door_b = Writer("edge-a"), Writer("edge-b")
    door_b.read("2026-03-10 09:30")
    central.deliver(door_b)
    door_a.read("2026-03-10 09:00")
    central.deliver(door_a)
    assert central.queued() == [("09:30", "skipped"), ("09:00", "new")]


def test_a_late_exit_splits_a_forwarded_visit_and_only_the_new_half_is_queued(central: Central) -> None:
    door_a, door_b = Writer("edge-a"), Writer("edge-b")
    door_b.read("2026-03-10 09:00")
    door_b.read("2026-03-10 17:00")
    central.deliver(door_b)
    central.send()
    door_a.read("2026-03-10 10:00", "RD-OUT")
    central.deliver(door_a)
    assert central.visits() == [("09:00", "10:00"), ("17:00", None)]
    assert central.queued() == [("09:00", "done"), ("17:00", "new")]


def test_a_visit_that_was_held_back_stays_held_back_when_the_day_is_recomputed(central: Central) -> None:
    edge = Writer()
    edge.read("2026-03-10 09:00")
    central.units.run_sync(_store_without_queue, edge.batch())
    edge.read("2026-03-10 10:00", "RD-OUT")
    central.store(edge.batch(2))
    assert central.visits() == [("09:00", "10:00")]
    assert central.queued() == []


def test_an_entry_nobody_walked_through_is_no_visit_and_its_queue_row_is_taken_back(central: Central) -> None:
    edge = Writer()
    granted = edge.read("2026-03-10 09:00")
    central.deliver(edge)
    edge.add(outcome("2026-03-10 09:00", granted, passed=False))
    central.deliver(edge)
    assert central.visits() == []
    assert central.queued() == [("09:00", "skipped")]
    assert central.rows(sa.select(passage.c.passed)) == [(False,)]


def test_a_late_entry_of_another_day_leaves_the_other_days_alone(central: Central) -> None:
    edge, other = Writer("edge-a"), Writer("edge-b")
    edge.read("2026-03-10 09:00")
    edge.read("2026-03-11 09:00")
    central.deliver(edge)
    central.plans.clear()
    other.read("2026-03-09 23:59")
    central.deliver(other)
    assert [str(plan.day) for plan in central.plans] == ["2026-03-09"]
    assert len(central.visits()) == 3


def test_a_reader_that_gives_no_visits_opens_none_and_an_open_door_counts_for_nobody(central: Central) -> None:
    edge = Writer()
    edge.read("2026-03-10 09:00", "RD-SHOP")
    edge.read("2026-03-10 09:10", all_reasons=(Reason.NOT_CHARGED,))
    edge.add(denied("2026-03-10 09:20"))
    central.deliver(edge)
    assert central.visits() == []


def test_a_person_central_does_not_know_gets_a_visit_and_no_queue_row(central: Central) -> None:
    edge = Writer()
    edge.read("2026-03-10 09:00", person="gone")
    central.deliver(edge)
    assert central.visits() == [("09:00", None)]
    assert central.queued() == []


def test_what_took_longer_than_two_minutes_is_marked_late(central: Central) -> None:
    central.clock.wall = local("2026-03-10 09:02")
    edge = Writer()
    edge.read("2026-03-10 09:00")
    edge.read("2026-03-10 08:59", person="M1002")
    central.deliver(edge)
    assert central.rows(sa.select(passage.c.late).order_by(passage.c.sequence)) == [(False,), (True,)]


def _store_without_queue(unit: object, payload: bytes) -> None:
    from central.passages.service import store_batch

    store_batch(unit, "edge-a", payload, lambda _unit, _plan: None)  # type: ignore[arg-type]

"""Visits and the real queue to Mywellness: what two doors and repeated deliveries make of one member's morning."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from central.database import Database
from central.mywellness.rules import Mode, SyncPolicy
from central.mywellness.service import Mywellness
from central.mywellness.settings import ForwardSettings
from central.schema import person, product, queue, subscription
from tests.central.passages.builders import Central, Writer, clock, seed


@pytest.fixture
def central(database: Database) -> Central:
    """Central with the real queue, and M1001 whom Mywellness is told of."""
    seed(database)
    database.sync_write(_complete)
    one = Central(database, "2026-03-10 12:00")
    forwarding = ForwardSettings(zone=ZoneInfo("Europe/Stockholm"), policy=SyncPolicy(mode=Mode.ALL_MEMBERS))
    one.enqueue = Mywellness(forwarding).plan_visits  # type: ignore[method-assign]
    return one


def _complete(connection: sa.Connection) -> None:
    connection.execute(
        person.update()
        .where(person.c.id == "M1001")
        .values(
            last_name="Lind",
            birth_date=date(1990, 5, 15),
            gender="female",
            email="evelina@example.com",
            allow_sync=True,
            allow_activity_sync=True,
        )
    )
    connection.execute(
        product.insert(), {"id": "P-GYM", "number": "1", "name": "Gym", "type": "subscription", "sites": []}
    )
    connection.execute(
        subscription.insert(),
        {
            "person": "M1001",
            "product": "P-GYM",
            "site": "F1",
            "start": date(2025, 6, 1),
            "charged_through": date(2026, 3, 31),
            "auto_renew": True,
        },
    )


def rows(central: Central) -> list[tuple[str, str]]:
    """Return time and state of every visit in the queue."""
    question = sa.select(queue.c.visit_at, queue.c.state).where(queue.c.action == "visit").order_by(queue.c.id)
    return [(clock(at), str(state)) for at, state in central.rows(question)]


@pytest.mark.req("A-51")
def test_two_doors_that_both_saw_a_new_visit_make_one_visit_and_one_call(central: Central) -> None:
    door_a, door_b = Writer("edge-a"), Writer("edge-b")
    door_b.read("2026-03-10 09:30")
    door_a.read("2026-03-10 09:00", offline=True)
    central.deliver(door_b)
    central.send(door_b.event(1))
    central.deliver(door_a)
    assert central.visits() == [("09:00", None)]
    assert rows(central) == [("09:30", "done")]


@pytest.mark.req("A-50")
def test_the_same_event_delivered_three_times_is_one_row_of_the_real_queue(central: Central) -> None:
    door = Writer()
    door.read("2026-03-10 09:00")
    for _ in range(3):
        central.deliver(door)
    assert len(central.passages()) == 1
    assert central.visits() == [("09:00", None)]
    assert rows(central) == [("09:00", "new")]


def test_an_edge_that_was_offline_from_08_00_to_12_00_has_its_visits_queued_in_order_with_their_times(
    central: Central,
) -> None:
    door = Writer()
    door.read("2026-03-10 09:00", offline=True)
    door.read("2026-03-10 09:30", "RD-OUT", offline=True)
    door.read("2026-03-10 11:00", offline=True)
    central.deliver(door)
    assert rows(central) == [("09:00", "new"), ("11:00", "new")]
    creations = sa.select(sa.func.count()).where(queue.c.action == "person")
    assert central.rows(creations) == [(1,)]


def test_a_visit_taken_back_and_found_again_is_queued_again_once(central: Central) -> None:
    door_a, door_b = Writer("edge-a"), Writer("edge-b")
    door_b.read("2026-03-10 09:30")
    central.deliver(door_b)
    door_a.read("2026-03-10 09:00")
    central.deliver(door_a)
    assert rows(central) == [("09:30", "skipped"), ("09:00", "new")]
    door_a.read("2026-03-10 09:10", "RD-OUT")
    central.deliver(door_a)
    assert central.visits() == [("09:00", "09:10"), ("09:30", None)]
    assert sorted(rows(central)) == [("09:00", "new"), ("09:30", "new")]

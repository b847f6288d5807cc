"""The same passages give the same visits, in whatever order and however often they come; none is forwarded twice."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from central.passages.rules import Seen, day_of, is_late, settle, visits_of
from protocol.identity import EventId
from protocol.policy import ReaderKind

STOCKHOLM = ZoneInfo("Europe/Stockholm")
MIDNIGHT = datetime(2026, 3, 10, tzinfo=UTC)


def read(minute: int, kind: str = "IN", *, counts: bool = True, passed: bool | None = None, edge: str = "a") -> Seen:
    at = MIDNIGHT + timedelta(minutes=minute)
    return Seen(EventId(f"{edge}{minute}"), at, edge, "e", minute, ReaderKind(kind), counts, passed)


@st.composite
def days(draw: st.DrawFn, kinds: Sequence[str], *, sensors: bool) -> list[Seen]:
    minutes = draw(st.lists(st.integers(0, 1439), unique=True, max_size=12))
    return [
        read(
            minute,
            draw(st.sampled_from(kinds)),
            counts=draw(st.booleans()) or draw(st.booleans()),
            passed=draw(st.sampled_from([None, True, False])) if sensors else None,
            edge=draw(st.sampled_from("ab")),
        )
        for minute in minutes
    ]


@given(day=days(["IN", "OUT", "INNER", "IN_OUT"], sensors=True), seed=st.integers(0, 2**32))
def test_order_and_repetition_of_arrival_do_not_change_the_visits(day: list[Seen], seed: int) -> None:
    shuffled = [*day, *day[::2]]
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - a property needs a repeatable order
    assert visits_of(shuffled) == visits_of(day)


class Queue:
    """The queue of one day, and a forwarder that sends when told."""

    def __init__(self) -> None:
        self.waiting: list[EventId] = []
        self.sent: list[EventId] = []
        self.day: list[Seen] = []

    def arrive(self, *seen: Seen) -> None:
        self.day = [*(one for one in self.day if one.event not in {other.event for other in seen}), *seen]
        order = {one.event: one.at for one in self.day}
        decided = sorted(self.sent, key=order.__getitem__)
        settlement = settle(visits_of(self.day), decided=decided, waiting=self.waiting)
        self.waiting = [one for one in self.waiting if one not in settlement.superseded]
        self.waiting += [visit.id for visit in settlement.queue]
        assert {one.sent_as for one in settlement.visits} <= {*self.waiting, *self.sent}

    def send(self) -> None:
        self.sent += self.waiting
        self.waiting = []


@given(
    day=days(["IN", "OUT", "INNER"], sensors=False),
    cuts=st.lists(st.tuples(st.integers(1, 4), st.booleans())),
    seed=st.integers(0, 2**32),
)
def test_each_visit_of_the_settled_day_was_forwarded_exactly_once(
    day: list[Seen], cuts: list[tuple[int, bool]], seed: int
) -> None:
    arrivals = list(day)
    random.Random(seed).shuffle(arrivals)  # noqa: S311 - a property needs a repeatable order
    queue = Queue()
    for size, sends in [*cuts, *[(1, True)] * len(arrivals)]:
        taken, arrivals = arrivals[:size], arrivals[size:]
        queue.arrive(*taken)
        if sends:
            queue.send()
    queue.send()
    forwarded = [len(set(visit.passages) & set(queue.sent)) for visit in visits_of(day)]
    assert forwarded == [1] * len(visits_of(day))
    assert len(queue.sent) == len(set(queue.sent))


@given(
    day=days(["IN", "OUT", "INNER", "IN_OUT"], sensors=True),
    seed=st.integers(0, 2**32),
    sends=st.lists(st.booleans(), max_size=12),
)
def test_with_sensors_that_speak_late_no_id_is_sent_twice_and_nothing_that_waits_is_no_visit(
    day: list[Seen], seed: int, sends: list[bool]
) -> None:
    arrivals = [one._replace(passed=None) for one in day]
    rng = random.Random(seed)  # noqa: S311 - a property needs a repeatable order
    rng.shuffle(arrivals)
    queue = Queue()
    for place, one in enumerate(arrivals):
        queue.arrive(one)
        if place < len(sends) and sends[place]:
            queue.send()
    for one in day:
        queue.arrive(one)
    visits = {visit.id for visit in visits_of(day)}
    assert set(queue.waiting) <= visits
    queue.send()
    assert len(queue.sent) == len(set(queue.sent))


def test_a_visit_whose_sent_opening_was_undone_counts_for_the_next_one() -> None:
    first, second = read(540, passed=False), read(541)
    settlement = settle(visits_of([first, second]), decided=[first.event], waiting=[])
    assert [(one.visit.id, one.sent_as) for one in settlement.visits] == [(second.event, first.event)]
    assert settlement.queue == ()


def test_a_visit_without_exit_ends_with_the_day_and_keeps_its_passages() -> None:
    ((visit,), opened, inner) = visits_of([read(540), read(545, "INNER")]), read(540), read(545, "INNER")
    assert visit.closed_at is None
    assert visit.passages == (opened.event, inner.event)


@pytest.mark.parametrize(
    ("instant", "rollover", "day"),
    [
        pytest.param("2026-03-10T22:59:59+00:00", 0, date(2026, 3, 10), id="a second before local midnight"),
        pytest.param("2026-03-10T23:00:00+00:00", 0, date(2026, 3, 11), id="local midnight"),
        pytest.param("2026-03-11T02:59:59+00:00", 14400, date(2026, 3, 10), id="a second before rollover 04:00"),
        pytest.param("2026-03-11T03:00:00+00:00", 14400, date(2026, 3, 11), id="rollover 04:00"),
        pytest.param("2026-10-25T00:29:59+00:00", 9000, date(2026, 10, 24), id="before 02:30 comes the first time"),
        pytest.param("2026-10-25T00:30:00+00:00", 9000, date(2026, 10, 25), id="02:30 comes the first time"),
        pytest.param("2026-10-25T01:10:00+00:00", 9000, date(2026, 10, 25), id="02:10 again: the day does not go back"),
        pytest.param("2026-10-25T01:30:00+00:00", 9000, date(2026, 10, 25), id="02:30 again: the same day"),
        pytest.param("2027-03-28T00:59:59+00:00", 9000, date(2027, 3, 27), id="before the hour that spring leaves out"),
        pytest.param("2027-03-28T01:00:00+00:00", 9000, date(2027, 3, 28), id="after it: 03:00 is past 02:30"),
    ],
)
def test_the_visit_day_of_an_instant(instant: str, rollover: int, day: date) -> None:
    assert day_of(datetime.fromisoformat(instant), STOCKHOLM, rollover) == day


@pytest.mark.parametrize(("seconds", "late"), [(120, False), (121, True), (-5, False)])
def test_late_is_more_than_two_minutes(seconds: int, late: bool) -> None:  # noqa: FBT001 - a column of the table
    assert is_late(MIDNIGHT, MIDNIGHT + timedelta(seconds=seconds)) is late

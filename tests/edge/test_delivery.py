"""The delivery protocol against a broker that drops, doubles and reorders, and sides that restart."""

import random
from itertools import pairwise

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge.delivery import MAX_PATIENCE_MS, PATIENCE_MS, WINDOW, Delivery, Span

BATCH = 3


class Middle(random.Random):
    """Dice without luck: jitter is nought."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


def delivery(acknowledged: int = 0) -> Delivery:
    one = Delivery(acknowledged, Middle())
    one.connected()
    return one


def fill(one: Delivery, committed: int, now_ms: int = 0) -> list[Span]:
    """Send what may be sent, in batches of three."""
    sent: list[Span] = []
    while (first := one.next(committed)) is not None:
        span = Span(first, min(first + BATCH - 1, committed))
        one.sent(*span, now_ms)
        sent.append(span)
    return sent


def test_nothing_is_sent_without_a_connection() -> None:
    assert Delivery(0, Middle()).next(10) is None


def test_two_batches_are_sent_and_the_third_waits_for_an_acknowledgement() -> None:
    one = delivery()
    assert fill(one, 10) == [(1, 3), (4, 6)]
    one.acknowledge(3, 10)
    assert fill(one, 10) == [(7, 9)]
    one.acknowledge(9, 20)
    assert fill(one, 10) == [(10, 10)]
    one.acknowledge(10, 30)
    assert (fill(one, 10), one.due_ms()) == ([], None)


def test_a_fresh_entry_goes_at_once_while_the_window_has_room() -> None:
    one = delivery()
    assert fill(one, 1) == [(1, 1)]
    assert fill(one, 2) == [(2, 2)]
    assert fill(one, 3) == []


def test_an_acknowledgement_inside_a_batch_leaves_the_batch_under_way() -> None:
    one = delivery()
    fill(one, 6)
    one.acknowledge(2, 5)
    assert (one.acknowledged, one.under_way) == (2, ((1, 3), (4, 6)))


@pytest.mark.parametrize(("now_ms", "again"), [(PATIENCE_MS - 1, False), (PATIENCE_MS, True), (PATIENCE_MS + 1, True)])
def test_without_progress_everything_goes_again_after_five_seconds(now_ms: int, *, again: bool) -> None:
    one = delivery()
    fill(one, 6, now_ms=0)
    assert one.tick(now_ms) is again
    assert fill(one, 6, now_ms) == ([(1, 3), (4, 6)] if again else [])


def test_the_patience_doubles_up_to_a_minute_and_progress_resets_it() -> None:
    one, now_ms, waits = delivery(), 0, []
    for _ in range(6):
        fill(one, 3, now_ms)
        due = one.due_ms()
        assert due is not None
        waits.append(due - now_ms)
        now_ms = due
        assert one.tick(now_ms)
    assert waits == [5_000, 10_000, 20_000, 40_000, MAX_PATIENCE_MS, MAX_PATIENCE_MS]
    fill(one, 6, now_ms)
    one.acknowledge(3, now_ms)
    assert one.due_ms() == now_ms + PATIENCE_MS


def test_the_jitter_stays_within_a_fifth() -> None:
    dues = []
    for seed in range(200):
        one = Delivery(0, random.Random(seed))  # noqa: S311 – jitter
        one.connected()
        fill(one, 1)
        dues.append(one.due_ms() or 0)
    assert min(dues) >= PATIENCE_MS * 0.8
    assert max(dues) <= PATIENCE_MS * 1.2
    assert len(set(dues)) > 100


def test_a_reconnect_starts_from_the_first_unacknowledged_entry() -> None:
    one = delivery()
    fill(one, 6)
    one.acknowledge(3, 1)
    one.disconnected()
    assert one.next(6) is None
    one.connected()
    assert fill(one, 6) == [(4, 6)]


def test_a_rewind_goes_back_and_never_forward() -> None:
    one = delivery(acknowledged=10)
    one.rewind(4)
    assert fill(one, 10) == [(4, 6), (7, 9)]
    one.rewind(9)
    assert fill(one, 10) == [(4, 6), (7, 9)]


def test_when_nobody_was_there_the_first_word_of_central_sends_again_at_once() -> None:
    one = delivery()
    fill(one, 6)
    one.acknowledge(0, 1)
    assert fill(one, 6) == []
    one.refused(unheard=True)
    one.acknowledge(0, 2)
    assert fill(one, 6) == [(1, 3), (4, 6)]


def test_a_refusal_waits_for_the_patience_to_end() -> None:
    one = delivery()
    fill(one, 6)
    one.refused(unheard=False)
    one.acknowledge(0, 1)
    assert fill(one, 6) == []
    assert one.tick(PATIENCE_MS)


class Chaos(RuleBasedStateMachine):
    """An edge and a central with a broker between them that does everything a broker can do wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.committed = 0
        self.saved_acknowledged = 0
        self.stored: list[int] = []
        self.up: list[Span] = []
        self.down: list[int] = []
        self.now_ms = 0
        self.edge = Delivery(0, random.Random(7))  # noqa: S311 – jitter
        self.edge.connected()

    @rule(count=st.integers(1, 8))
    def commit(self, count: int) -> None:
        self.committed += count

    @rule()
    def send(self) -> None:
        self.up += fill(self.edge, self.committed, self.now_ms)

    @precondition(lambda self: self.up)
    @rule(data=st.data(), keep=st.booleans())
    def deliver_up(self, data: st.DataObject, *, keep: bool) -> None:
        """Any batch on the way arrives: early, late, or twice."""
        place = data.draw(st.integers(0, len(self.up) - 1))
        span = self.up[place] if keep else self.up.pop(place)
        if span.first <= len(self.stored) + 1:
            self.stored += range(len(self.stored) + 1, span.last + 1)
        self.down.append(len(self.stored))

    @precondition(lambda self: self.down)
    @rule(data=st.data(), keep=st.booleans())
    def deliver_down(self, data: st.DataObject, *, keep: bool) -> None:
        place = data.draw(st.integers(0, len(self.down) - 1))
        through = self.down[place] if keep else self.down.pop(place)
        self.edge.acknowledge(through, self.now_ms)

    @rule()
    def broker_dies(self) -> None:
        self.up, self.down = [], []
        self.edge.disconnected()
        self.edge.connected()

    @precondition(lambda self: self.up)
    @rule()
    def broker_drops_silently(self) -> None:
        self.up.pop()

    @rule()
    def acknowledged_is_saved(self) -> None:
        self.saved_acknowledged = self.edge.acknowledged

    @rule()
    def edge_dies(self) -> None:
        self.edge = Delivery(self.saved_acknowledged, random.Random(7))  # noqa: S311 – jitter
        self.edge.connected()

    @rule(lost=st.integers(1, 5))
    def central_is_restored_from_a_backup(self, lost: int) -> None:
        del self.stored[max(0, len(self.stored) - lost) :]
        self.down = []  # the retained acknowledgement is published anew
        self.saved_acknowledged = min(self.saved_acknowledged, len(self.stored))
        self.edge.rewind(len(self.stored) + 1)

    @rule(ms=st.integers(1, 70_000))
    def time_passes(self, ms: int) -> None:
        self.now_ms += ms
        self.edge.tick(self.now_ms)

    @invariant()
    def central_has_everything_up_to_a_point_once_and_in_order(self) -> None:
        assert self.stored == list(range(1, len(self.stored) + 1))

    @invariant()
    def the_edge_forgets_only_what_central_has(self) -> None:
        assert self.edge.acknowledged <= len(self.stored) <= self.committed

    @invariant()
    def the_window_is_kept_and_without_gaps(self) -> None:
        spans = self.edge.under_way
        assert len(spans) <= WINDOW
        assert all(later.first == earlier.last + 1 for earlier, later in pairwise(spans))

    def teardown(self) -> None:
        """When the chaos ends, everything arrives, and within a few minutes."""
        for _ in range(self.committed + 20):
            self.up += fill(self.edge, self.committed, self.now_ms)
            while self.up:
                span = self.up.pop(0)
                if span.first <= len(self.stored) + 1:
                    self.stored += range(len(self.stored) + 1, span.last + 1)
                self.edge.acknowledge(len(self.stored), self.now_ms)
            self.now_ms += MAX_PATIENCE_MS * 2
            self.edge.tick(self.now_ms)
        assert self.stored == list(range(1, self.committed + 1))
        assert self.edge.acknowledged == self.committed


TestChaos = Chaos.TestCase
TestChaos.settings = settings(max_examples=150, stateful_step_count=60)

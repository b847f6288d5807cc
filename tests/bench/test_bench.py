"""Every figure of the benchmark can be taken, and the promises with a gate hold even on a busy machine."""

from pathlib import Path

import pytest

from tests.bench import append, decision, delivery, door
from tests.bench.measure import Effort, Figure, Outcome, Skipped, Target, figure, interleaved, percentile, ratios

QUICK = Effort(rounds=2, quick=True)
BUSY = 2.0
"""How much slower than its gate a figure may be here: other tests run on the same cores."""


def figures(taken: list[Outcome]) -> list[Figure]:
    return [one for one in taken if isinstance(one, Figure)]


def test_a_ratio_is_the_median_over_rounds_with_its_range() -> None:
    one = ratios("P1", "x", [([2.0], [1.0]), ([9.0], [3.0]), ([8.0], [2.0])], 0.5, Target(3.0))
    assert (one.value, one.low, one.high, one.met) == (3.0, 2.0, 4.0, True)
    assert figure("P6", "x", "×", [2.0], Target(2.5, at_least=True)).met is False
    assert (percentile([3.0, 1.0, 2.0], 0.5), percentile([1.0, 2.0], 0.99)) == (2.0, 2.0)


def test_sides_take_turns_and_the_first_round_only_warms_up() -> None:
    calls: list[str] = []

    def side(name: str) -> list[float]:
        calls.append(name)
        return [float(len(calls))]

    rounds = list(interleaved(2, lambda: side("a"), lambda: side("b"), slices=2))
    assert "".join(calls) == "abba" * 3
    assert rounds == [([5.0, 8.0], [6.0, 7.0]), ([9.0, 12.0], [10.0, 11.0])]


def test_decisions_are_measured_at_every_size(tmp_path: Path) -> None:
    taken = figures(list(decision.run(QUICK, tmp_path)))
    assert len(taken) == 3 * 3 + 2
    assert all(0 < one.low <= one.value <= one.high for one in taken)


def test_appends_are_measured_alone_and_in_company(tmp_path: Path) -> None:
    taken = figures(list(append.run(QUICK, tmp_path)))
    assert len(taken) == 2 * len(append.WAITING)
    assert all(one.low > 0 for one in taken)


@pytest.mark.timeout(120)
def test_cards_open_the_relay_on_a_fast_a_slow_and_a_stalled_disk(tmp_path: Path) -> None:
    taken = list(door.run(QUICK, tmp_path))
    shown = {one.what: one.value for one in figures(taken)}
    assert len(shown) == 9 or any(isinstance(one, Skipped) for one in taken)
    assert shown.get("disk stalled for 1 s: relay", 160.0) < 160.0 * BUSY
    assert shown.get("disk stalled for 1 s: entries marked", 1.0) == 1.0


@pytest.mark.timeout(120)
def test_entries_are_stored_and_acknowledged_soon_and_never_stall(tmp_path: Path) -> None:
    taken = list(delivery.run(QUICK, tmp_path))
    if any(isinstance(one, Skipped) for one in taken):
        pytest.skip("service missing: mosquitto")
    gates = [one for one in figures(taken) if one.target is not None and one.target.gate]
    assert [one.id for one in gates] == ["P13", "P14", "P14"]
    for one in gates:
        assert one.target is not None
        assert one.low < one.target.limit * BUSY, one

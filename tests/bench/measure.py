"""Rounds, percentiles, ratios and what they are held against."""

import gc
import os
import platform
import sqlite3
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

Samples = list[float]
"""Seconds, one per event."""

FEWEST_ROUNDS: Final = 5


class Effort(NamedTuple):
    """How much of everything is measured."""

    rounds: int = 7
    quick: bool = False
    """Sizes that show only that a figure can be taken; its value means little."""

    def of(self, full: int, quick: int) -> int:
        """Choose a size."""
        return quick if self.quick else full


class Target(NamedTuple):
    """The line a figure must not cross."""

    limit: float
    at_least: bool = False
    gate: bool = False
    """An ordinary test holds it too."""

    def met_by(self, value: float) -> bool:
        """Tell whether `value` is on the right side."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        """As in the list of targets."""
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


class Figure(NamedTuple):
    """One line of the table: the median over rounds with its range, and the times behind it."""

    id: str
    what: str
    unit: str
    value: float
    low: float
    high: float
    target: Target | None = None
    detail: str = ""
    """The times themselves: of this run, on this machine."""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; `None` where there is none."""
        return None if self.target is None else self.target.met_by(self.value)


class Skipped(NamedTuple):
    """A figure that cannot be taken here."""

    id: str
    what: str
    why: str


Outcome = Figure | Skipped


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least `share` of all do not exceed."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def figure(
    id_: str, what: str, unit: str, rounds: Sequence[float], target: Target | None = None, detail: str = ""
) -> Figure:
    """Median and range of what each round gave."""
    return Figure(id_, what, unit, statistics.median(rounds), min(rounds), max(rounds), target, detail)


def ratios(
    id_: str,
    what: str,
    rounds: Sequence[tuple[Samples, Samples]],
    share: float,
    target: Target | None = None,
) -> Figure:
    """Compare a percentile of product and floor (in this order) round by round; `detail` tells both medians."""
    pairs = [(percentile(product, share), percentile(floor, share)) for product, floor in rounds]
    ours, bare = (statistics.median(side) for side in zip(*pairs, strict=True))
    return figure(id_, what, "×", [a / b for a, b in pairs], target, f"{span(ours)} : {span(bare)}")


def span(seconds: float) -> str:
    """Seconds in a unit that reads well."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g} µs"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def interleaved(rounds: int, *sides: Callable[[], Samples], slices: int = 1) -> Iterator[tuple[Samples, ...]]:
    """Run the sides by turns, there and back; the first, unheard round warms everything up.

    A round calls each side `slices` times: the finer the slices, the more alike what the machine does beside.
    """
    order = list(range(len(sides)))
    with steady():
        for turn in range(-1, rounds):
            taken: list[Samples] = [[] for _ in sides]
            for _ in range(slices):
                for side in order:
                    taken[side] += sides[side]()
                order.reverse()
            if turn >= 0:
                yield tuple(taken)


@contextmanager
def steady() -> Iterator[None]:
    """No garbage of one side is collected at the other's expense."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Machine(NamedTuple):
    """What the figures were taken on."""

    processor: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    sqlite: str
    load_before: tuple[float, float, float]
    load_after: tuple[float, float, float]


def machine(load_before: tuple[float, float, float]) -> Machine:
    """Look at the machine after a run."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Machine(
        _first_value(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        os.cpu_count() or 1,
        round(memory, 1),
        platform.release(),
        platform.python_version(),
        sqlite3.sqlite_version,
        load_before,
        os.getloadavg(),
    )


def _first_value(path: Path, key: str) -> str | None:
    lines: Iterable[str] = path.read_text().splitlines() if path.exists() else ()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)

"""P6: an entry on the medium, one by one and with others waiting, against one file and one fdatasync per entry.

Who waits is a thread that does nothing else, as in the table the targets were taken from: the journal is measured, not
an event loop. What waiting on the loop makes of it, as the lanes do, stands beside it.
"""

import asyncio
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from edge.clock import SystemClock
from edge.store.journal import Journal
from protocol.identity import EdgeId
from tests.bench.measure import Effort, Outcome, Samples, Target, figure, interleaved
from tests.central.passages.builders import taken

WAITING: Final = {1: 0.85, 4: 2.5, 16: 5.0, 64: 8.0}
"""How many wait for their entry at the same time, and the target for it."""
_BODY: Final = taken(datetime(2026, 3, 10, 9, tzinfo=UTC) + timedelta(seconds=1)).model_dump_json()

Side = Callable[[], Samples]


def run(effort: Effort, folder: Path) -> Iterator[Outcome]:
    """Take the figures of P6."""
    count = effort.of(200, 24)
    with tempfile.TemporaryDirectory(dir=folder) as name, asyncio.Runner() as runner:
        home = Path(name)
        journal = Journal.open(home / "journal.db", edge=EdgeId("edge-1"), clock=SystemClock())
        file = os.open(home / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        sizes = {waiting: count * min(waiting, 8) for waiting in WAITING}
        threads: list[Side] = [partial(_by_threads, journal, waiting, sizes[waiting]) for waiting in WAITING]
        tasks: list[Side] = [partial(_on_a_loop, runner, journal, waiting, sizes[waiting]) for waiting in WAITING]
        try:
            floor = partial(_synced, file, count)
            rounds = list(interleaved(effort.rounds, floor, *threads, *tasks, slices=effort.of(3, 1)))
        finally:
            os.close(file)
            journal.close()
    for place, (waiting, limit) in enumerate(WAITING.items(), 1):
        what = f"durable append, {waiting} waiting" if waiting > 1 else "durable append, one per commit"
        yield _compared(what, rounds, place, Target(limit, at_least=True))
    for place, waiting in enumerate(WAITING, 1 + len(WAITING)):
        yield _compared(f"the same with {waiting} waiting on an event loop", rounds, place)


def _compared(what: str, rounds: list[tuple[Samples, ...]], place: int, target: Target | None = None) -> Outcome:
    ratios = [_rate(one[place]) / _rate(one[0]) for one in rounds]
    rates = [statistics.median(_rate(one[side]) for one in rounds) for side in (place, 0)]
    return figure("P6", what, "×", ratios, target, f"{rates[0]:,.0f} : {rates[1]:,.0f} /s".replace(",", " "))


def _rate(samples: Samples) -> float:
    """Entries per second; each sample is the share of one entry in the time of its slice."""
    return len(samples) / sum(samples)


def _by_threads(journal: Journal, waiting: int, count: int) -> Samples:
    """Let `waiting` threads append one entry after the other, each when its last one is on the medium."""
    in_order, start = threading.Lock(), threading.Barrier(waiting + 1)

    def producer() -> None:
        start.wait()
        for _ in range(count // waiting):
            with in_order:  # a journal has one caller at a time
                committed = journal.append(_body).committed
            committed.result()

    producers = [threading.Thread(target=producer) for _ in range(waiting)]
    for one in producers:
        one.start()
    start.wait()
    started = time.perf_counter()
    for one in producers:
        one.join()
    return _shares(started, count // waiting * waiting)


def _on_a_loop(runner: asyncio.Runner, journal: Journal, waiting: int, count: int) -> Samples:
    """The same with tasks of one event loop."""

    async def producer() -> None:
        for _ in range(count // waiting):
            await asyncio.wrap_future(journal.append(_body).committed)

    async def producers() -> None:
        await asyncio.gather(*(producer() for _ in range(waiting)))

    started = time.perf_counter()
    runner.run(producers())
    return _shares(started, count // waiting * waiting)


def _body(_sequence: int, _event: str) -> str:
    return _BODY


def _synced(file: int, count: int) -> Samples:
    """The floor."""
    line = _BODY.encode() + b"\n"
    started = time.perf_counter()
    for _ in range(count):
        os.write(file, line)
        os.fdatasync(file)
    return _shares(started, count)


def _shares(started: float, entries: int) -> Samples:
    return [(time.perf_counter() - started) / entries] * entries

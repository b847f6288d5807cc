"""P6: an entry on the medium, one by one and with others waiting, against one file and one fdatasync per entry."""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
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


def run(effort: Effort, folder: Path) -> Iterator[Outcome]:
    """Take the figures of P6."""
    count = effort.of(200, 24)
    with tempfile.TemporaryDirectory(dir=folder) as name, asyncio.Runner() as runner:
        home = Path(name)
        journal = Journal.open(home / "journal.db", edge=EdgeId("edge-1"), clock=SystemClock())
        file = os.open(home / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:

            def product(waiting: int) -> Samples:
                return runner.run(_appended(journal, waiting, count * min(waiting, 8)))

            rounds = list(
                interleaved(
                    effort.rounds,
                    lambda: _synced(file, count),
                    *(lambda waiting=waiting: product(waiting) for waiting in WAITING),
                    slices=effort.of(3, 1),
                )
            )
        finally:
            os.close(file)
            journal.close()
    for place, (waiting, limit) in enumerate(WAITING.items(), 1):
        ratios = [_rate(one[place]) / _rate(one[0]) for one in rounds]
        what = f"durable append, {waiting} waiting" if waiting > 1 else "durable append, one per commit"
        rates = [statistics.median(_rate(one[side]) for one in rounds) for side in (place, 0)]
        detail = f"{rates[0]:,.0f} : {rates[1]:,.0f} /s".replace(",", " ")
        yield figure("P6", what, "×", ratios, Target(limit, at_least=True), detail)


def _rate(samples: Samples) -> float:
    """Entries per second; each sample is the share of one entry in the time of its slice."""
    return len(samples) / sum(samples)


async def _appended(journal: Journal, waiting: int, count: int) -> Samples:
    """Let `waiting` tasks append one entry after the other, each when its last one is on the medium."""

    async def member(entries: int) -> None:
        for _ in range(entries):
            await asyncio.wrap_future(journal.append(lambda _sequence, _event: _BODY).committed)

    started = time.perf_counter()
    await asyncio.gather(*(member(count // waiting) for _ in range(waiting)))
    entries = count // waiting * waiting
    return [(time.perf_counter() - started) / entries] * entries


def _synced(file: int, count: int) -> Samples:
    """The floor."""
    line = _BODY.encode() + b"\n"
    started = time.perf_counter()
    for _ in range(count):
        os.write(file, line)
        os.fdatasync(file)
    return [(time.perf_counter() - started) / count] * count

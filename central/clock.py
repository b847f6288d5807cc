"""The only reader of the wall clock and of sleep on central's side."""

import asyncio
import mmap
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from protocol.clock import RECORD_SIZE, Clock, Reading, Trust, read_record

_POLL_SECONDS: Final = 0.005


class SystemClock:
    """The machine's own clock; a server is kept on time by its system, so it is trusted."""

    def read(self) -> Reading:
        """Return wall and boot time."""
        return Reading(datetime.now(UTC), time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000, Trust.TRUSTED)


class SharedClock:
    """A clock that another process holds the hands of: replays, chaos runs and journeys (rulings 1)."""

    def __init__(self, path: Path) -> None:
        """Map the clock file at `path`; raises `OSError` when it is not there."""
        with path.open("rb") as file:
            self._memory = mmap.mmap(file.fileno(), RECORD_SIZE, prot=mmap.PROT_READ)

    def read(self) -> Reading:
        """Return the injected time."""
        while (reading := read_record(self._memory[:])) is None:
            time.sleep(0)
        return reading


def make_clock(file: Path | None) -> Clock:
    """Return the injected clock kept in `file`, or the machine's own."""
    return SharedClock(file) if file else SystemClock()


async def sleep(clock: Clock, seconds: float) -> None:
    """Sleep until `clock` has moved on by `seconds`."""
    if isinstance(clock, SystemClock):
        await asyncio.sleep(seconds)
        return
    due = clock.read().mono_ms + round(seconds * 1000)
    while clock.read().mono_ms < due:  # noqa: ASYNC110 - nobody tells when another process moves the hands
        await asyncio.sleep(_POLL_SECONDS)


async def first_of(*waits: Callable[[], Awaitable[object]]) -> None:
    """Return when the first of these waits is over; the others are given up."""
    tasks = [asyncio.ensure_future(wait()) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()

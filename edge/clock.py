"""The clocks of an edge: the machine's own, or a file that a replay plays the day into. Nobody else here reads a clock.

`sleep` waits on the injected clock (pulse, presence window, nightly work); `pause` is for waits on the outside world (a
broker that is away), which ends by the injected clock or by real time, whichever comes first: a replay whose clock
stands still must not keep an edge from its broker.
"""

import asyncio
import contextlib
import ctypes
import mmap
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from protocol.clock import RECORD_SIZE, Clock, Reading, Trust, read_record

BUILD_FLOOR: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""No edge of this version has ever run before this instant: an earlier wall clock is unset (security.md §7)."""

_POLL_SECONDS: Final = 0.005
_TRUST_MS: Final = 1_000
_TIMEX_BYTES: Final = 512  # struct timex is 208 bytes on 64-bit Linux; `modes` = 0 only reads
_TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronised


class SystemClock:
    """The machine's clock: wall time, CLOCK_BOOTTIME (goes on in sleep) and how far to trust them."""

    def __init__(self, floor: datetime = BUILD_FLOOR) -> None:
        self._floor = floor
        self._trust = Trust.UNSET
        self._asked_ms = -_TRUST_MS

    def read(self) -> Reading:
        """Return the present reading; trust is asked of the kernel once a second."""
        mono_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        wall = datetime.now(UTC)
        if mono_ms - self._asked_ms >= _TRUST_MS:
            self._asked_ms = mono_ms
            self._trust = Trust.TRUSTED if _is_synchronised() else Trust.DRIFTING
        return Reading(wall, mono_ms, self._trust if wall >= self._floor else Trust.UNSET)

    def raise_floor(self, known: datetime) -> None:
        """Remember that it is at least as late as `known`: the last persisted time, or the newest signed message."""
        self._floor = max(self._floor, known)


class SharedClock:
    """Reads the record another process writes (`protocol.clock`). The file must exist and hold a whole record."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < RECORD_SIZE:
                raise ValueError(
                    f"clock file {path} is shorter than {RECORD_SIZE} bytes; start whoever plays the day first"
                )
            self._map = mmap.mmap(file.fileno(), RECORD_SIZE, access=mmap.ACCESS_READ)

    def read(self) -> Reading:
        """Return the reading last written; a write under way takes nanoseconds, so it is waited out."""
        while (reading := read_record(self._map[:])) is None:
            time.sleep(0)
        return reading


def make_clock(spec: str | Path | None) -> Clock:
    """Return the clock of the settings: a file's, or with `None` the machine's own. Raises ValueError."""
    if spec is None:
        return SystemClock()
    try:
        return SharedClock(Path(spec))
    except OSError as fault:
        why = f"cannot be read ({fault.strerror}); leave [clock] out to go by the machine's own clock"
        raise ValueError(f"clock.file: {spec} {why}") from fault


async def sleep(clock: Clock, seconds: float) -> None:
    """Wait until `clock` has advanced by `seconds`; cancellable."""
    if isinstance(clock, SystemClock):
        await asyncio.sleep(seconds)
        return
    until = clock.read().mono_ms + seconds * 1000
    while clock.read().mono_ms < until:  # noqa: ASYNC110 – another process moves it
        await asyncio.sleep(_POLL_SECONDS)


async def pause(clock: Clock, seconds: float) -> None:
    """Wait `seconds` of the injected clock or of real time, whichever passes first; cancellable."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await sleep(clock, seconds)


def _is_synchronised() -> bool:
    """Ask the kernel whether something keeps the wall clock right. Where it cannot be asked, the clock may drift."""
    if not _adjtimex:
        return False
    state: int = _adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return 0 <= state < _TIME_ERROR


_adjtimex = getattr(ctypes.CDLL(None, use_errno=True), "adjtimex", None)

"""The hands of the injected clock: whoever plays the day moves them, every process reads them (rulings 1)."""

import mmap
from datetime import UTC, datetime, timedelta
from pathlib import Path

from protocol.clock import RECORD_SIZE, Reading, Trust, write_record


class ClockHands:
    """Owns the clock file. Time stands still until somebody moves the hands."""

    def __init__(self, path: Path, start: datetime) -> None:
        """Make the file at `path` and set it to `start`, aware; monotonic time begins at an hour after boot."""
        path.write_bytes(bytes(RECORD_SIZE))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), RECORD_SIZE)
        self.path = path
        self._reading = Reading(start.astimezone(UTC), 3_600_000, Trust.TRUSTED)
        self._write()

    @property
    def now(self) -> datetime:
        """What the clock shows, UTC."""
        return self._reading.wall

    def move_to(self, when: datetime) -> None:
        """Set the clock to `when`; it never runs backwards."""
        self.advance(when - self._reading.wall)

    def advance(self, by: timedelta) -> None:
        """Move on by `by`; nothing happens when that is not positive."""
        if by > timedelta():
            wall, mono_ms, trust = self._reading
            self._reading = Reading(wall + by, mono_ms + by // timedelta(milliseconds=1), trust)
            self._write()

    def advance_seconds(self, seconds: float) -> None:
        """Move on by that many seconds."""
        self.advance(timedelta(seconds=seconds))

    def _write(self) -> None:
        write_record(memoryview(self._memory), self._reading)

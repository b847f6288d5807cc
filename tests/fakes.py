"""Fakes that behave: a clock that a test sets."""

import threading
from datetime import UTC, datetime, timedelta

from protocol.clock import Reading, Trust


class FakeClock:
    """Stands still until told otherwise; wall and monotonic time advance together, or apart where a test steps one."""

    def __init__(self, wall: datetime = datetime(2026, 3, 10, 8, 0, tzinfo=UTC), mono_ms: int = 1_000_000) -> None:
        self.wall = wall
        self.mono_ms = mono_ms
        self.trust = Trust.TRUSTED
        self._lock = threading.Lock()

    def read(self) -> Reading:
        """Return the time as it was set."""
        with self._lock:
            return Reading(self.wall, self.mono_ms, self.trust)

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        with self._lock:
            self.wall += by
            self.mono_ms += by // timedelta(milliseconds=1)

    def set(self, wall: datetime) -> None:
        """Go forward to `wall`, or step the wall clock back without turning back monotonic time."""
        with self._lock:
            self.mono_ms += max(0, (wall - self.wall) // timedelta(milliseconds=1))
            self.wall = wall

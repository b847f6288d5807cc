"""The one question the sandbox asks a clock."""

from datetime import datetime
from typing import Protocol

from protocol.clock import Clock


class HasNow(Protocol):
    """Anything that tells the time; the caller decides whether it is the wall or a replay (rulings.md 1)."""

    def now(self) -> datetime:
        """Return the present moment, aware."""
        ...


class WallOf:
    """The wall time of one of the project's clocks, the machine's own or an injected one."""

    def __init__(self, clock: Clock) -> None:
        """Ask `clock` from now on."""
        self._clock = clock

    def now(self) -> datetime:
        """Return the clock's wall time."""
        return self._clock.read().wall

"""The one question the sandbox asks a clock."""

from datetime import datetime
from typing import Protocol


class HasNow(Protocol):
    """Anything that tells the time; the caller decides whether it is the wall or a replay (rulings.md 1)."""

    def now(self) -> datetime:
        """Return the present moment, aware."""
        ...

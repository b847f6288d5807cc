"""What an edge sends central next, and when it sends again: pure rules of the delivery protocol (security.md §6).

A window of two batches, cumulative acknowledgements, a rewind when central has forgotten, and a re-send when nothing
moves. The broker's receipt means nothing here: only central's acknowledgement does.
"""

import random
from typing import Final, NamedTuple

WINDOW: Final = 2
"""Batches under way at the most (rulings 16)."""
PATIENCE_MS: Final = 5_000
"""Without progress for this long, everything unacknowledged is sent again."""
MAX_PATIENCE_MS: Final = 60_000
"""What the patience grows to, doubling with each re-send in vain."""

_JITTER: Final = 0.2


class Span(NamedTuple):
    """Consecutive entries under way in one batch."""

    first: int
    last: int


class Delivery:
    """The state of one edge's delivery. Time is an argument, milliseconds of any clock that never goes back."""

    def __init__(self, acknowledged: int, rng: random.Random) -> None:
        self.acknowledged = acknowledged
        """Up to where central has stored the journal."""
        self._rng = rng
        self._connected = False
        self._under_way: list[Span] = []
        self._vain = 0
        self._due_ms: int | None = None
        self._unheard = False

    @property
    def under_way(self) -> tuple[Span, ...]:
        """What has been sent and not yet acknowledged, oldest first."""
        return tuple(self._under_way)

    def connected(self) -> None:
        """There is a connection: send from the first unacknowledged entry on."""
        self._connected = True
        self._start_over()

    def disconnected(self) -> None:
        """The connection is gone, and with it whatever was under way."""
        self._connected = False
        self._start_over()

    def next(self, committed: int) -> int | None:
        """Return the first entry of the batch to send now, or `None` when the window is full or nothing waits."""
        if not self._connected or len(self._under_way) >= WINDOW:
            return None
        first = self._under_way[-1].last + 1 if self._under_way else self.acknowledged + 1
        return first if first <= committed else None

    def sent(self, first: int, last: int, now_ms: int) -> None:
        """A batch with these entries is on its way."""
        self._under_way.append(Span(first, last))
        if self._due_ms is None:
            self._due_ms = now_ms + self._patience_ms()

    def acknowledge(self, through: int, now_ms: int) -> None:
        """Central has stored everything up to `through`; whether that can be is for the caller to know."""
        if through > self.acknowledged:
            self.acknowledged = through
            self._vain = 0
            self._unheard = False
            self._under_way = [span for span in self._under_way if span.last > through]
            self._due_ms = now_ms + self._patience_ms() if self._under_way else None
        elif self._unheard:
            self._start_over()  # nobody was there to take what we sent, now somebody speaks: no need to wait

    def refused(self, *, unheard: bool) -> None:
        """The broker did not pass a batch on; `unheard`: only because central was not there."""
        self._unheard = self._unheard or unheard

    def rewind(self, resume: int) -> None:
        """Central wants everything from `resume` on again."""
        self.acknowledged = min(self.acknowledged, resume - 1)
        self._start_over()

    def due_ms(self) -> int | None:
        """When `tick` must be called next, or `None` when nothing is under way."""
        return self._due_ms

    def tick(self, now_ms: int) -> bool:
        """Send again if nothing has moved for too long; tell whether that is so."""
        if self._due_ms is None or now_ms < self._due_ms:
            return False
        self._vain += 1
        self._under_way = []
        self._due_ms = None
        self._unheard = False
        return True

    def _start_over(self) -> None:
        self._under_way = []
        self._vain = 0
        self._due_ms = None
        self._unheard = False

    def _patience_ms(self) -> int:
        patience = min(PATIENCE_MS << min(self._vain, 8), MAX_PATIENCE_MS)
        return round(patience * (1 + self._rng.uniform(-_JITTER, _JITTER)))

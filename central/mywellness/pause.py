"""When a facility's queue stands still: pure, and forgotten with the process (rulings 22)."""

from __future__ import annotations

from datetime import datetime, timedelta

from central.mywellness.settings import ForwardSettings


class Pause:
    """Stands after an outage, and after answers were lost one after the other.

    A gateway that only times out would else leave every visit of the queue with an unknown outcome.
    """

    def __init__(self, settings: ForwardSettings) -> None:
        """Begin without a pause."""
        self._settings = settings
        self.until: datetime | None = None
        self._outages = 0
        self._lost = 0

    def stands(self, now: datetime) -> bool:
        """Say whether nothing may be sent at `now`."""
        return self.until is not None and now < self.until

    @property
    def doubtful(self) -> bool:
        """Whether so many answers were lost in a row that the next visit is not to be risked without a question."""
        return self._lost >= self._settings.lost_answers

    def outage(self, now: datetime, wait: timedelta | None = None) -> datetime:
        """Pause after a call that no other call would have survived; return until when."""
        self._outages += 1
        longest = min(self._settings.backoff(self._outages), self._settings.pause_limit)
        self.until = now + max(wait or timedelta(), longest)
        return self.until

    def lost(self, now: datetime) -> datetime | None:
        """Count a lost answer; return until when the queue stands, if that was one too many."""
        self._lost += 1
        return self.outage(now) if self.doubtful else None

    def answered(self) -> None:
        """Go on: an answer came, whatever it said."""
        self.until = None
        self._outages = self._lost = 0

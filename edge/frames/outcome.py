"""What every framer hands out: cards, counters and one line per malformed frame, each with a ceiling."""

from collections import deque

from edge.frames import Read

MAX_WAITING_CARDS = 64
MAX_WAITING_PROBLEMS = 32


class Outcome:
    """The side of a framer that faces its adapter."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.frames_ok = 0
        self.frames_bad = 0
        self.dropped = 0
        self._cards: deque[Read] = deque()
        self._problems: deque[str] = deque()
        self._unreported = 0

    def next_card(self) -> Read | None:
        """Return the oldest card not yet taken, or None."""
        return self._cards.popleft() if self._cards else None

    def problems(self) -> list[str]:
        """Return the lines for the log since the last call, and forget them."""
        lines = list(self._problems)
        if self._unreported:
            lines.append(f"{self._unreported} more bad frames; check the reader's wiring and power")
        self._problems.clear()
        self._unreported = 0
        return lines

    def _deliver(self, read: Read) -> None:
        if len(self._cards) >= MAX_WAITING_CARDS:
            self._reject(f"{MAX_WAITING_CARDS} cards wait to be taken, a further one is dropped; the lane hangs")
            return
        self.frames_ok += 1
        self._cards.append(read)

    def _reject(self, problem: str, *, dropped: int = 0) -> None:
        self.frames_bad += 1
        self.dropped += dropped
        if len(self._problems) < MAX_WAITING_PROBLEMS:
            self._problems.append(problem)
        else:
            self._unreported += 1


class Silence:
    """Tells how long a line has been still, for framers that get their bytes without a time.

    The clock starts at the first ``lasts`` after ``broken``, so it never ends early.
    """

    def __init__(self) -> None:
        """Start a silence whose beginning is not known yet."""
        self._since: float | None = None

    def broken(self) -> None:
        """Note that something was received."""
        self._since = None

    def lasts(self, now_mono: float) -> float:
        """Return for how many seconds nothing was received."""
        if self._since is None:
            self._since = now_mono
        return now_mono - self._since

"""Session tokens and call limits, both by the injected clock (contract §1.3, §1.13)."""

import math
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

EXPIRE_IN_S = 1800
DAILY_LIMIT = 5500


@dataclass(frozen=True, slots=True)
class Session:
    """One login at one facility."""

    number: int
    facility: str


class Sessions:
    """Which tokens are good. Each success hands out a new one; the old one's fate is a switch."""

    def __init__(self) -> None:
        """Start with nobody logged in."""
        self._tokens: dict[str, tuple[Session, datetime]] = {}
        self._logins = 0

    def log_in(self, facility: str, now: datetime) -> str:
        """Begin a session and return its first token; tokens that ran out are dropped on the way."""
        self._tokens = {token: entry for token, entry in self._tokens.items() if entry[1] > now}
        self._logins += 1
        return self._issue(Session(self._logins, facility), now)

    def find(self, token: str, now: datetime) -> Session | None:
        """Return the session of a token that is still good."""
        session, until = self._tokens.get(token, (None, now))
        return session if now < until else None

    def renew(self, token: str, now: datetime, *, spend: bool) -> str:
        """Return the next token of the session; `spend` ends the one that was shown."""
        session, _ = self._tokens[token]
        if spend:
            del self._tokens[token]
        return self._issue(session, now)

    def end(self, token: str) -> None:
        """End the session a token belongs to, with all its tokens."""
        if token in self._tokens:
            ended = self._tokens[token][0]
            self._tokens = {t: entry for t, entry in self._tokens.items() if entry[0] != ended}

    def _issue(self, session: Session, now: datetime) -> str:
        token = secrets.token_urlsafe(24)
        self._tokens[token] = (session, now + timedelta(seconds=EXPIRE_IN_S))
        return token


class Allowance:
    """Calls per window and per day, windows aligned to the full hour (:00/:15/:30/:45 at 900 s)."""

    def __init__(self) -> None:
        """Start with nothing spent."""
        self._window = self._day = -1
        self._in_window = self._in_day = 0

    def spend(self, now: datetime, *, calls: int, window_s: int) -> int:
        """Take one call. Return 0 if it is allowed, else the seconds until the next window."""
        second = now.timestamp()
        window, day = int(second // window_s), int(second // 86400)
        if window != self._window:
            self._window, self._in_window = window, 0
        if day != self._day:
            self._day, self._in_day = day, 0
        if self._in_day >= DAILY_LIMIT:
            return math.ceil((day + 1) * 86400 - second)
        if self._in_window >= calls:
            return math.ceil((window + 1) * window_s - second)
        self._in_window += 1
        self._in_day += 1
        return 0

"""Reader protocols as sans-IO framers: bytes or pulses in, cards out (hardware.md §2, §3, §5).

A framer knows no port and no clock. It stays usable after any input: a malformed frame costs one counter and one line
in ``problems()``, and the next good frame is read as if nothing had been.
"""

from abc import abstractmethod
from typing import NamedTuple, Protocol

from protocol.credential import Credential


class Read(NamedTuple):
    """One card seen by a reader: its credential, and the frame's text or bits as received (mask it in logs)."""

    credential: Credential
    raw: str


class Framer(Protocol):
    """What the serial adapter needs of a byte framer."""

    frames_ok: int
    frames_bad: int
    dropped: int
    """Bytes that belonged to no good frame."""

    @abstractmethod
    def receive(self, data: bytes) -> None:
        """Take in bytes as they came, cut anywhere."""

    @abstractmethod
    def tick(self, now_mono: float) -> None:
        """Say what time it is (monotonic seconds), after all bytes at hand were received."""

    @abstractmethod
    def next_card(self) -> Read | None:
        """Return the oldest card not yet taken, or None for «need more bytes»."""

    @abstractmethod
    def problems(self) -> list[str]:
        """Return the lines for the log since the last call, and forget them."""

    @abstractmethod
    def reset(self) -> None:
        """Forget a half frame, because the port was closed."""

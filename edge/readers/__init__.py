"""Readers: threads and devices on one side, cards on the event loop on the other (hardware.md §11)."""

from typing import Protocol

from edge.frames import Read
from protocol.identity import ReaderId
from protocol.messages import ReaderHealth


class Sink(Protocol):
    """Who is told what a reader sees; every method is called on the event loop."""

    def card(self, reader: ReaderId, read: Read, /) -> None:
        """A card was presented."""

    def lost(self, reader: ReaderId, detail: str, /) -> None:
        """The reader has fallen silent."""

    def back(self, reader: ReaderId, detail: str, /) -> None:
        """The reader can be heard again."""


class Reader(Protocol):
    """One reader of a lane."""

    @property
    def id(self) -> ReaderId:
        """The id in the settings and in the access list."""
        ...

    async def run(self, sink: Sink) -> None:
        """Read until cancelled; what is plugged out is waited for."""

    async def opened(self) -> bool:
        """Wait for the first try to open the device; tell whether it worked."""
        ...

    def health(self) -> ReaderHealth:
        """Counters since the start."""
        ...

"""A reader without a device: for `wellgate-edge simulate` and for tests."""

import asyncio

from edge.frames import Read
from edge.readers import Sink
from protocol.identity import ReaderId
from protocol.messages import ReaderHealth


class SimulatedReader:
    """Hands over the cards somebody presents in the program itself."""

    def __init__(self, reader: ReaderId) -> None:
        self.id = reader
        self._cards: asyncio.Queue[Read] = asyncio.Queue()
        self._reads = 0

    def present(self, read: Read) -> None:
        """Present one card."""
        self._cards.put_nowait(read)

    async def run(self, sink: Sink) -> None:
        """Hand over cards until cancelled."""
        while True:
            read = await self._cards.get()
            self._reads += 1
            sink.card(self.id, read)

    async def opened(self) -> bool:
        """Always."""
        return True

    def health(self) -> ReaderHealth:
        """Counters since the start."""
        return ReaderHealth(connected=True, reads=self._reads, frames_bad=0, reconnects=0)

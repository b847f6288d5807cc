"""A network cable that can be pulled: a small proxy between one edge and the broker."""

import asyncio
import contextlib
from typing import Final

_CHUNK: Final = 65_536


class Cable:
    """Carries bytes from a port of its own to another, as long as it is plugged in."""

    def __init__(self, target: int) -> None:
        """Lead to the loopback port `target`; `open` gives the near end its port."""
        self._target = target
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._plugged = True
        self.port = 0

    async def open(self) -> None:
        """Listen at a free loopback port."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def pull(self) -> None:
        """Cut every connection and let none through."""
        self._plugged = False
        for link in self._links:
            link.cancel()

    def plug(self) -> None:
        """Let connections through again."""
        self._plugged = True

    async def close(self) -> None:
        """Give the port up."""
        self.pull()
        if self._server is not None:
            self._server.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if not self._plugged or task is None:
            writer.transport.abort()
            return
        self._links.add(task)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        finally:
            self._links.discard(task)
        both = [asyncio.ensure_future(_pump(reader, far_writer)), asyncio.ensure_future(_pump(far_reader, writer))]
        self._links.update(both)
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in both:
                each.cancel()
                self._links.discard(each)
            writer.transport.abort()
            far_writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()

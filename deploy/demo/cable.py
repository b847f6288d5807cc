"""A network cable that can be pulled: a small proxy between one edge and the broker."""

import asyncio
import contextlib
from typing import Final, NoReturn

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
        """Give the port up, and wait until nothing is carried any more."""
        self.pull()
        if self._server is not None:
            self._server.close()
        while self._links:
            await asyncio.wait(self._links)
            await asyncio.sleep(0)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if not self._plugged or task is None:
            writer.transport.abort()
            return
        self._links.add(task)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                async with asyncio.TaskGroup() as both:
                    for near, far in ((reader, far_writer), (far_reader, writer)):
                        both.create_task(_pump(near, far))
            finally:
                far_writer.transport.abort()
        except (OSError, asyncio.CancelledError, _Ended, BaseExceptionGroup):
            pass  # either end has gone, or the cable was pulled: the connection is over
        finally:
            writer.transport.abort()
            self._links.discard(task)


class _Ended(Exception):  # noqa: N818 - one direction has ended, so the other one ends too
    pass


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> NoReturn:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    raise _Ended

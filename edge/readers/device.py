"""What readers on devices share: a thread that opens, listens, and opens again after the device was pulled out.

Drivers block, so each has its thread; what it hears is handed over with `call_soon_threadsafe`. A change is told once:
when a device goes, and when it is back. Waiting for a device is real time, whatever clock is injected: plugs are pulled
by people.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from edge.frames import Read
from edge.readers import Sink
from protocol.clock import Clock
from protocol.identity import ReaderId
from protocol.messages import ReaderHealth

log = logging.getLogger(__name__)

FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 2.0
_JOIN_S: Final = 2.0


class DeviceError(Exception):
    """The device cannot be opened, or has gone. The text says what to look at."""


class Framer(Protocol):
    """What is common to byte framers and pulse framers."""

    frames_bad: int

    def next_card(self) -> Read | None:
        """Return the oldest card not yet taken."""

    def problems(self) -> list[str]:
        """Return lines for the log."""
        ...

    def reset(self) -> None:
        """Forget what was half read."""


class Device(Protocol):
    """A driver, used from one thread; only `stop` comes from another."""

    name: str
    """Where the device is, for the log."""

    @property
    def framer(self) -> Framer:
        """Where bytes or pulses go."""
        ...

    def open(self) -> None:
        """Open it. Raises DeviceError."""

    def listen(self) -> None:
        """Wait a moment for something and feed the framer. Raises DeviceError when the device has gone."""

    def close(self) -> None:
        """Close it; harmless when it is."""

    def stop(self) -> None:
        """End a `listen` that waits."""


class DeviceReader:
    """A reader on a device."""

    def __init__(self, reader: ReaderId, device: Device, clock: Clock) -> None:
        self.id = reader
        self._device = device
        self._clock = clock
        self._stop = threading.Event()
        self._opened: asyncio.Future[bool] | None = None
        self._connected = False
        self._reads = 0
        self._reconnects = 0
        self._silent_since: int | None = None

    async def run(self, sink: Sink) -> None:
        """Read until cancelled."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def tell(what: Callable[[], None]) -> None:
            if not self._stop.is_set():
                loop.call_soon_threadsafe(what)

        def work() -> None:
            try:
                self._work(sink, tell)
            finally:
                loop.call_soon_threadsafe(ended.set)

        thread = threading.Thread(target=work, name=f"reader-{self.id}", daemon=True)
        thread.start()
        try:
            await ended.wait()
            raise RuntimeError(f"reader {self.id} has stopped by itself; see the log above")
        finally:
            self._stop.set()
            self._device.stop()
            try:
                async with asyncio.timeout(_JOIN_S):
                    await ended.wait()
            except TimeoutError:
                log.warning("reader %s: %s does not let go; the process ends without it", self.id, self._device.name)

    async def opened(self) -> bool:
        """Wait for the first try to open the device; tell whether it worked."""
        return await asyncio.shield(self._first_try())

    def health(self) -> ReaderHealth:
        """Counters since the start."""
        return ReaderHealth(
            connected=self._connected,
            reads=self._reads,
            frames_bad=self._device.framer.frames_bad,
            reconnects=self._reconnects,
        )

    def _first_try(self) -> "asyncio.Future[bool]":
        if self._opened is None:
            self._opened = asyncio.get_running_loop().create_future()
        return self._opened

    def _work(self, sink: Sink, tell: Callable[[Callable[[], None]], None]) -> None:
        delay = FIRST_DELAY_S
        while not self._stop.is_set():
            try:
                self._device.open()
                delay = FIRST_DELAY_S
                self._hello(sink, tell)
                while not self._stop.is_set():
                    self._device.listen()
                    self._hand_over(sink, tell)
            except DeviceError as fault:
                self._hand_over(sink, tell)
                self._farewell(sink, tell, str(fault))
            finally:
                self._device.close()
                self._device.framer.reset()
                self._hand_over(sink, tell)
            self._stop.wait(delay)
            delay = min(2 * delay, LONGEST_DELAY_S)

    def _hand_over(self, sink: Sink, tell: Callable[[Callable[[], None]], None]) -> None:
        framer = self._device.framer
        while (read := framer.next_card()) is not None:
            self._reads += 1
            tell(partial(sink.card, self.id, read))
        for problem in framer.problems():
            log.warning("reader %s: %s", self.id, problem)

    def _hello(self, sink: Sink, tell: Callable[[Callable[[], None]], None]) -> None:
        self._connected = True
        if self._silent_since is not None:
            silent_s = (self._clock.read().mono_ms - self._silent_since) / 1000
            self._silent_since = None
            self._reconnects += 1
            detail = f"back after {silent_s:.0f} s"
            log.warning("reader %s %s", self.id, detail)
            tell(partial(sink.back, self.id, detail))
        tell(partial(self._settle, worked=True))

    def _farewell(self, sink: Sink, tell: Callable[[Callable[[], None]], None], why: str) -> None:
        self._connected = False
        if self._silent_since is None:
            self._silent_since = self._clock.read().mono_ms
            log.warning("reader %s silent on %s: %s", self.id, self._device.name, why)
            tell(partial(sink.lost, self.id, why))
        tell(partial(self._settle, worked=False))

    def _settle(self, *, worked: bool) -> None:
        if not (first := self._first_try()).done():
            first.set_result(worked)

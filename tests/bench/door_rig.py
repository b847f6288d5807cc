"""One door in a process of its own, for `tests.bench.door`: python -m tests.bench.door_rig MODE PORT TIMES FOLDER.

Reads cards from the serial port PORT, and writes to the descriptor TIMES, as a double, the moment at which the relay
goes on. MODE is `recorded` or `opens_first` (the product), or `bare` (a blocking read, a hand-off to another thread,
one file with one fdatasync). A number on standard input is from then on the delay of a sync in µs, where the rig was
preloaded with one; the end of it is the end of the rig.
"""

import asyncio
import contextlib
import ctypes
import os
import queue
import struct
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

from gpiozero.pins.mock import MockFactory, MockPin

from edge.app import Agent, device_readers, opened_files
from edge.clock import SystemClock
from edge.config import Broker, Central, EdgeConfig, LaneConfig, Relay, SerialReader
from edge.frames import Read
from edge.relays.gpio import Pins
from protocol.clock import Reading
from protocol.identity import ReaderId
from tests.edge.builders import SITE, access_list, holder

CARDS: Final = 500
"""Members whose cards are the decimal numbers from 1 on."""
FRAME_BYTES: Final = 14
_RELAY: Final = 17
_LEAP: Final = timedelta(seconds=5)
_ENTRY: Final = b'{"kind":"passage","' + b"x" * 500 + b'"}\n'


class LeapingClock(SystemClock):
    """Real time, but for leaps between cards: no presentation and no pulse lasts until the next one."""

    ahead = timedelta()

    def read(self) -> Reading:
        """Return real time and what has been leapt."""
        now = super().read()
        return now._replace(wall=now.wall + self.ahead, mono_ms=now.mono_ms + self.ahead // timedelta(milliseconds=1))


class TimedPin(MockPin):  # type: ignore[misc]  # gpiozero ships no types
    """Tells when the relay goes on."""

    def _change_state(self, value: bool) -> bool:  # noqa: FBT001 – gpiozero's signature
        if self._function == "output" and value and not self._state:
            told(time.perf_counter())
        return bool(super()._change_state(value))


class TimedFactory(MockFactory):  # type: ignore[misc]  # gpiozero ships no types
    """Makes timed pins."""

    def __init__(self) -> None:
        """Make the factory."""
        super().__init__(pin_class=TimedPin)


class LeapingAgent(Agent):
    """Leaps before each card."""

    def card(self, reader: ReaderId, read: Read) -> None:
        """Answer a card."""
        LeapingClock.ahead += _LEAP
        super().card(reader, read)


def told(at: float) -> None:
    """Tell the bench a moment."""
    os.write(int(sys.argv[3]), struct.pack("d", at))


def main() -> None:
    """Run until standard input ends."""
    mode, port, folder = sys.argv[1], sys.argv[2], Path(sys.argv[4])
    if mode == "bare":
        bare(port, folder)
    else:
        asyncio.run(product(port, folder, opens_first=mode == "opens_first"))


async def product(port: str, folder: Path, *, opens_first: bool) -> None:
    """Serial port, framer, passage, journal, lane and pin of the edge."""
    clock = LeapingClock()
    config = EdgeConfig(
        site=SITE,
        edge="edge-1",
        data=folder,
        broker=Broker(host="127.0.0.1"),
        central=Central(url="http://127.0.0.1", public_key="A" * 43 + "="),
        lanes=(LaneConfig(id="entrance", relay=Relay(pin=_RELAY, pulse_ms=100), opens_first=opens_first),),
        readers=(SerialReader(id="RD-IN", lane="entrance", protocol="rdm6300", port=port),),
    )
    with opened_files(config, clock, lambda _through: None) as files:
        members = ((str(number), holder(f"M{number}")) for number in range(1, CARDS + 1))
        files.access.install(access_list(files.access.draft(), holders=members))
        with Pins("tests.bench.door_rig:TimedFactory", config.lanes, clock) as pins:
            agent = LeapingAgent(
                config,
                clock=clock,
                files=files,
                pins=pins,
                readers=device_readers(config, clock),
                is_online=lambda: False,
                notify=lambda _notice: None,
            )
            stop, loop = asyncio.Event(), asyncio.get_running_loop()
            listen(lambda: loop.call_soon_threadsafe(stop.set))
            running = asyncio.create_task(agent.run(stop))
            await agent.opened_readers()
            print("READY", flush=True)
            await running


def bare(port: str, folder: Path) -> None:
    """The least: read, hand over, write and sync, done."""
    cards: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    source = os.open(port, os.O_RDONLY | os.O_NOCTTY)
    tty.setraw(source, termios.TCSANOW)

    def read() -> None:
        frame = b""
        while True:
            frame += os.read(source, 64)
            if len(frame) >= FRAME_BYTES:
                cards.put(frame)
                frame = b""

    threading.Thread(target=read, daemon=True).start()
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    listen(lambda: cards.put(b""))
    print("READY", flush=True)
    while cards.get():
        os.write(log, _ENTRY)
        os.fdatasync(log)
        told(time.perf_counter())


def listen(ended: Callable[[], object]) -> None:
    """Take orders from standard input in a thread."""

    def work() -> None:
        for line in sys.stdin:
            with contextlib.suppress(ValueError):  # not preloaded
                ctypes.c_int.in_dll(ctypes.CDLL(None), "sync_delay_us").value = int(line)
        ended()

    threading.Thread(target=work, daemon=True).start()


if __name__ == "__main__":
    # gpiozero finds the factory by its module's name: it must be this module, not a second copy of it.
    sys.modules.setdefault("tests.bench.door_rig", sys.modules["__main__"])
    main()

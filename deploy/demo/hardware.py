"""The hardware of a simulated entrance: a reader at the far end of a pty, and somebody who watches the pins.

What the watcher reads is all the checker knows of an answer: never the edge's own database.
"""

import asyncio
import mmap
import os
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from deploy.demo.pins import GATE_BYTES

_READ: Final = 65_536


class PinChange(NamedTuple):
    """An output that changed: BCM number and new level."""

    pin: int
    level: bool


class ReaderPort:
    """The reader's end of a serial line; the edge opens `path`."""

    def __init__(self, path: Path) -> None:
        """Make the line and let `path` point at its device."""
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        path.unlink(missing_ok=True)
        path.symlink_to(os.ttyname(self._theirs))

    def send(self, frame: bytes) -> None:
        """Put bytes on the line, as the reader does when it sees a card."""
        os.write(self._ours, frame)

    def close(self) -> None:
        """Give the line up."""
        os.close(self._ours)
        os.close(self._theirs)


class PinWatcher:
    """Reads the pipe an edge writes its pin changes to; the pipe outlives the edge."""

    def __init__(self, path: Path, seen: Callable[[PinChange], None]) -> None:
        """Make the pipe at `path`; `seen` is called with every change, in order."""
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        self.path = path
        self._seen = seen
        self._rest = b""
        # Opened for both directions: the pipe then never ends, however often its writer dies.
        self._pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        asyncio.get_running_loop().add_reader(self._pipe, self.read)

    def read(self) -> None:
        """Take in what is there; also called to be sure that nothing is left before a conclusion is drawn."""
        try:
            chunk = os.read(self._pipe, _READ)
        except BlockingIOError:
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            pin, level, _number = line.split()
            self._seen(PinChange(int(pin), level == b"1"))

    def close(self) -> None:
        """Stop watching."""
        asyncio.get_running_loop().remove_reader(self._pipe)
        os.close(self._pipe)


class Gate:
    """Holds an edge between commit and pulse, so that it can be killed right there (see `deploy.demo.pins`)."""

    def __init__(self, path: Path) -> None:
        """Make the shared file at `path`."""
        path.write_bytes(bytes(GATE_BYTES))
        self.path = path
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), GATE_BYTES)

    @property
    def reached(self) -> bool:
        """Whether the edge stands at the gate."""
        return self._memory[1] == 1

    def arm(self) -> None:
        """Stop the edge before the next output that goes high."""
        self._memory[1] = 0
        self._memory[0] = 1

    def disarm(self) -> None:
        """Let everybody pass."""
        self._memory[0] = 0
        self._memory[1] = 0

"""Pins that write down what happens to them, for the demo, journeys and crash tests. Name it in `gpio.pin_factory`.

`WELLGATE_PINS` names a FIFO (whose reader is there already) or a file: every change of an output is one line there,
`<pin> <0|1> <n>`, with one `write` each, `n` counting up from 1. `WELLGATE_GATE` may name a small file that a checker
shares with us: while its first byte is 1, an output that is about to go high stops before it does, sets the second byte
to 1 and waits there, so that the process can be killed between commit and pulse. Back at 0, it goes on.
"""

import contextlib
import mmap
import os
import threading
from itertools import count
from pathlib import Path
from typing import Final

from gpiozero.pins.mock import MockFactory, MockPin

GATE_BYTES: Final = 16
_ARMED: Final = 0
_REACHED: Final = 1
_POLL_S: Final = 0.001


class Gate:
    """Stops whoever passes while it is armed."""

    def __init__(self, path: Path) -> None:
        """Map the file, which the checker has made with at least `GATE_BYTES` bytes."""
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), GATE_BYTES)

    def pass_through(self) -> None:
        """Return when the gate is not armed; tell the checker if it has to wait."""
        never = threading.Event()
        while self._map[_ARMED]:
            self._map[_REACHED] = 1
            never.wait(_POLL_S)


class PipePin(MockPin):  # type: ignore[misc]  # gpiozero ships no types
    """A mock pin that tells of its changes while it is an output."""

    def _change_state(self, value: bool) -> bool:  # noqa: FBT001 – gpiozero's signature
        if self._function == "output" and self._state != value:
            self.factory.about_to_change(self.info.name, high=value)
        return bool(super()._change_state(value))


class PipeFactory(MockFactory):  # type: ignore[misc]  # gpiozero ships no types
    """A pin factory of mock pins that writes output changes to `WELLGATE_PINS`."""

    def __init__(self) -> None:
        """Open the pipe (and the gate); a FIFO is waited for until its reader is there."""
        super().__init__(pin_class=PipePin)
        self._pipe = os.open(os.environ["WELLGATE_PINS"], os.O_WRONLY | os.O_APPEND)
        gate = os.environ.get("WELLGATE_GATE")
        self._gate = Gate(Path(gate)) if gate else None
        self._numbers = count(1)

    def about_to_change(self, name: str, *, high: bool) -> None:
        """Write the line of a change that happens next. A reader that has gone away misses it."""
        if high and self._gate:
            self._gate.pass_through()
        line = f"{name.removeprefix('GPIO')} {int(high)} {next(self._numbers)}\n"
        with contextlib.suppress(BrokenPipeError):
            os.write(self._pipe, line.encode())

    def close(self) -> None:
        """Give back pins and pipe."""
        super().close()
        with contextlib.suppress(OSError):  # closed already
            os.close(self._pipe)


def factory_name() -> str:
    """What to write into `gpio.pin_factory`."""
    return f"{PipeFactory.__module__}:{PipeFactory.__qualname__}"

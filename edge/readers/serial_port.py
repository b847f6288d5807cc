"""A reader on a serial port, by pyserial in a thread (hardware.md §0, §2, §10).

The port is opened exclusively and by a path that survives a replug; the path is looked up anew at every try.
"""

import termios
from typing import Final

import serial

from edge.config import SerialReader
from edge.frames import Framer
from edge.frames.lines import LineFramer, LineProfile
from edge.frames.rdm6300 import Em4100Framer
from edge.readers.device import DeviceError
from protocol.clock import Clock

_WAIT_S: Final = 0.2
"""How long `listen` waits for a first byte: half frames are noticed this often."""


def framer_for(settings: SerialReader) -> Framer:
    """Return the framer of a reader's protocol."""
    if settings.protocol == "rdm6300":
        return Em4100Framer()
    return LineFramer(LineProfile(fmt=settings.format, prefix=settings.prefix))


class SerialDevice:
    """One serial port."""

    def __init__(self, settings: SerialReader, clock: Clock) -> None:
        self.name = settings.port
        self.framer = framer_for(settings)
        self._baud = settings.baud
        self._clock = clock
        self._port: serial.Serial | None = None

    def open(self) -> None:
        """Open the port. Raises DeviceError."""
        try:
            self._port = serial.Serial(self.name, self._baud, timeout=_WAIT_S, exclusive=True)
        except (OSError, termios.error) as fault:
            raise DeviceError(f"cannot be opened ({_reason(fault)}); check cable, power and the port's path") from fault

    def listen(self) -> None:
        """Read what is there, at once when a byte comes. Raises DeviceError when the port has gone."""
        port = self._port
        if port is None:
            raise DeviceError("is not open; this is a fault of the agent")
        try:
            data = port.read(1)
            if data:
                data += port.read(port.in_waiting)
        except (
            OSError,
            termios.error,
            TypeError,
        ) as fault:  # TypeError: pyserial's, when another thread closes the port
            raise DeviceError("was pulled out; check cable and power") from fault
        self.framer.receive(data)
        self.framer.tick(self._clock.read().mono_ms / 1000)

    def close(self) -> None:
        """Close the port."""
        if self._port is not None:
            self._port.close()
            self._port = None

    def stop(self) -> None:
        """End a read that waits."""
        if (port := self._port) is not None and port.is_open:
            port.cancel_read()


def _reason(fault: Exception) -> str:
    if "lock" in str(fault):
        return "another program uses it"
    number = fault.args[0] if fault.args else None
    return str(fault) if not isinstance(number, int) else f"error {number}: {fault.args[-1]}"

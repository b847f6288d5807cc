"""A Wiegand reader on two lines of a GPIO chip, by libgpiod 2 (hardware.md §0, §3).

Both lines are one kernel request, falling edges only: the kernel's times and sequence numbers tell the framer of lost
bits. The library is loaded when a reader is opened; machines without pins need not have it.
"""

import importlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from edge.config import WiegandReader
from edge.frames.wiegand import Pulse, WiegandFramer, WiegandProfile
from edge.readers.device import DeviceError
from protocol.clock import Clock

Request = Callable[[WiegandReader], Iterator[list[Pulse]]]
"""Opens the lines and yields the pulses that came, an empty list about every 25 ms of silence."""


def request_lines(settings: WiegandReader) -> Iterator[list[Pulse]]:
    """Open the lines with libgpiod and yield their pulses."""
    gpiod: Any = importlib.import_module("gpiod")
    line = importlib.import_module("gpiod.line")
    falling = gpiod.LineSettings(edge_detection=line.Edge.FALLING, bias=line.Bias.PULL_UP)
    pins = {settings.d0: falling, settings.d1: falling}
    with gpiod.request_lines(settings.chip, consumer=settings.id, config=pins, event_buffer_size=1024) as lines:
        while True:
            events = lines.read_edge_events() if lines.wait_edge_events(timedelta(milliseconds=25)) else []
            yield [Pulse(int(one.line_offset == settings.d1), one.timestamp_ns, one.global_seqno) for one in events]


class WiegandDevice:
    """The two lines of one reader."""

    def __init__(self, settings: WiegandReader, clock: Clock, request: Request = request_lines) -> None:
        self.name = f"{settings.chip} lines {settings.d0} and {settings.d1}"
        self.framer = WiegandFramer(WiegandProfile(settings.formats, settings.byte_reverse))
        self._settings, self._clock, self._request = settings, clock, request
        self._pulses: Iterator[list[Pulse]] = iter(())

    def open(self) -> None:
        """Prepare the request; `listen` makes it."""
        self._pulses = self._request(self._settings)
        self.listen()

    def listen(self) -> None:
        """Take in the pulses that came, or note the silence. Raises DeviceError."""
        try:
            pulses = next(self._pulses)
        except (OSError, ImportError, ValueError, StopIteration) as fault:
            raise DeviceError(
                f"cannot be read ({fault!r}); check gpiod>=2, the chip and who else holds the lines"
            ) from fault
        for pulse in pulses:
            self.framer.pulse(*pulse)
        if not pulses:
            self.framer.tick(self._clock.read().mono_ms * 1_000_000)

    def close(self) -> None:
        """Give the lines back."""
        self._pulses = iter(())

    def stop(self) -> None:
        """Nothing to end: silence ends by itself."""

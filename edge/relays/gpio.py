"""Relays, lamps and passage sensors on GPIO pins (hardware.md §7, §8).

Outputs are only ever switched on and off: a pulse that a library times in a thread of its own leaves the pin high when
it is interrupted. The end of a pulse is the lane's business; here a guard thread makes sure of it when the lane hangs,
and every relay is off before the process ends. A pin factory that does not work stops the start and is never replaced
by another one.
"""

import atexit
import importlib
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Final, Self

from gpiozero import DigitalInputDevice, OutputDevice

from edge.config import LaneConfig, Output
from protocol.clock import Clock

log = logging.getLogger(__name__)

GUARD_MS: Final = 250
"""How far past its deadline a relay may be on before the guard takes it off."""
_GUARD_POLL_S: Final = 0.05


class PinsError(Exception):
    """Pins cannot be used as the settings say; the text names the setting and the remedy."""


def open_factory(spec: str) -> Any:
    """Return the gpiozero pin factory that `gpio.pin_factory` names: `lgpio`, `mock` or `package.module:Class`."""
    if spec == "mock":
        spec = "gpiozero.pins.mock:MockFactory"
    elif spec == "lgpio":
        # lgpio makes a FIFO in its working directory while it is imported.
        os.environ.setdefault("LG_WD", tempfile.gettempdir())
        spec = "gpiozero.pins.lgpio:LGPIOFactory"
    module, _, name = spec.partition(":")
    try:
        return getattr(importlib.import_module(module), name)()
    except Exception as fault:  # whatever a driver of the board raises: nothing opens without pins
        raise PinsError(
            f"gpio.pin_factory: {spec} does not work here ({type(fault).__name__}: {fault}); install its library, check"
            ' access to /dev/gpiochip*, or set pin_factory = "mock" on a machine without pins'
        ) from fault


class Relay:
    """One relay with the latest moment at which it has to be off again. Called from the loop and from the guard."""

    def __init__(self, lane: str, output: OutputDevice) -> None:
        self.lane = lane
        self._output = output
        self._off_by: int | None = None
        self._suspected = False
        self._lock = threading.Lock()

    def on(self, off_by_ms: int) -> None:
        """Switch on; `off_by_ms` (monotonic) is when it has to be off at the latest."""
        with self._lock:
            self._off_by = off_by_ms
            self._suspected = False
            self._output.on()

    def off(self) -> None:
        """Switch off; harmless when it is."""
        with self._lock:
            self._off_by = None
            self._output.off()

    def force_off(self, now_ms: int) -> bool:
        """Switch off if the deadline has long passed, at the second look; tell whether that was needed.

        The second look is for clocks that leap: the lane sees the leap a few milliseconds later than the guard may.
        """
        with self._lock:
            if self._off_by is None or now_ms < self._off_by + GUARD_MS:
                return False
            if not self._suspected:
                self._suspected = True
                return False
            self._off_by = None
            self._output.off()
            return True

    def close(self) -> None:
        """Off, then give the pin back."""
        self.off()
        self._output.close()


class Debounce:
    """Finds the one turn in a contact's chatter: an activation counts when the contact had been still before."""

    def __init__(self, still_ms: int) -> None:
        self._still_ms = still_ms
        self._changed_ms: int | None = None

    def changed(self, now_ms: int, *, active: bool) -> bool:
        """Take one edge; tell whether it is a turn."""
        still = self._changed_ms is None or now_ms - self._changed_ms >= self._still_ms
        self._changed_ms = now_ms
        return active and still


class LanePins:
    """The pins of one lane; outputs that the settings leave out are silently not there."""

    def __init__(self, factory: Any, lane: LaneConfig, clock: Clock) -> None:
        self._clock = clock
        self._relay = Relay(lane.id, _output(factory, lane.relay)) if lane.relay else None
        self._green = _output(factory, lane.granted_lamp) if lane.granted_lamp else None
        self._red = _output(factory, lane.denied_lamp) if lane.denied_lamp else None
        self._sensor: DigitalInputDevice | None = None
        if lane.rotation:
            self._sensor = DigitalInputDevice(
                lane.rotation.pin, pull_up=not lane.rotation.active_high, pin_factory=factory
            )
            self._debounce = Debounce(lane.rotation.debounce_ms)

    @property
    def relay(self) -> Relay | None:
        """The relay, for the guard."""
        return self._relay

    def relay_on(self, off_by_ms: int) -> None:
        """Open; `off_by_ms` is when the lane means to close again."""
        if self._relay:
            self._relay.on(off_by_ms)

    def relay_off(self) -> None:
        """Close."""
        if self._relay:
            self._relay.off()

    def green(self, *, on: bool) -> None:
        """Switch the lamp «granted»."""
        _switch(self._green, on=on)

    def red(self, *, on: bool) -> None:
        """Switch the lamp «denied»."""
        _switch(self._red, on=on)

    def on_rotation(self, turned: Callable[[], object]) -> None:
        """Call `turned`, in a thread of the pin library, once for every turn of the barrier."""
        if self._sensor is None:
            return

        def edge(*, active: bool) -> None:
            if self._debounce.changed(self._clock.read().mono_ms, active=active):
                turned()

        self._sensor.when_activated = lambda: edge(active=True)
        self._sensor.when_deactivated = lambda: edge(active=False)

    def close(self) -> None:
        """Everything off, pins given back."""
        if self._relay:
            self._relay.close()
        for device in (self._green, self._red):
            if device:
                device.off()
                device.close()
        if self._sensor:
            self._sensor.close()


class Pins:
    """All lanes' pins and the guard over their relays; a context manager, off on the way out whatever happens."""

    def __init__(self, spec: str, lanes: Iterable[LaneConfig], clock: Clock) -> None:
        """Open every pin, all outputs off. Raises PinsError."""
        self._factory = open_factory(spec)
        self._clock = clock
        self._stop = threading.Event()
        self.lanes: dict[str, LanePins] = {}
        atexit.register(self.close)
        for lane in lanes:
            try:
                self.lanes[lane.id] = LanePins(self._factory, lane, clock)
            except Exception as fault:
                self.close()
                pins = ", ".join(f"{key} {pin}" for key, pin in lane.pins)
                raise PinsError(
                    f"lane {lane.id}: pins ({pins}) cannot be opened ({type(fault).__name__}: {fault});"
                    " check the pin numbers and that no other program holds them"
                ) from fault
        self._guard = threading.Thread(target=self._watch, name="relay-guard", daemon=True)
        self._guard.start()

    def __enter__(self) -> Self:
        """Return the open pins."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Switch everything off."""
        self.close()

    def close(self) -> None:
        """Switch everything off and give the pins back; may be called twice."""
        self._stop.set()
        for pins in self.lanes.values():
            pins.close()
        self.lanes = {}
        self._factory.close()
        atexit.unregister(self.close)

    def _watch(self) -> None:
        relays = [pins.relay for pins in self.lanes.values() if pins.relay]
        while not self._stop.wait(_GUARD_POLL_S):
            now_ms = self._clock.read().mono_ms
            for relay in relays:
                if relay.force_off(now_ms):
                    log.error(
                        "relay of lane %s was on %d ms past its pulse and was forced off; the agent hangs, see above",
                        relay.lane,
                        GUARD_MS,
                    )


def _output(factory: Any, settings: Output) -> OutputDevice:
    return OutputDevice(settings.pin, active_high=settings.active_high, initial_value=False, pin_factory=factory)


def _switch(lamp: OutputDevice | None, *, on: bool) -> None:
    if lamp:
        lamp.value = int(on)

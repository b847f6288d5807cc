"""A lane in motion: the table of `edge.lane`, the pins it moves, and the clock that ends its pulses."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final, Protocol

from edge.clock import SystemClock
from edge.config import LaneConfig, RelayMode
from edge.lane import Action, Effect, Grant, Lane, LaneProfile
from protocol.clock import Clock
from protocol.identity import LaneId

log = logging.getLogger(__name__)

_POLL_S: Final = 0.005
"""How often a clock that somebody else sets is looked at."""


def profile_of(lane: LaneConfig) -> LaneProfile:
    """How the table has to treat the lane of these settings."""
    rotation = lane.rotation
    return LaneProfile(
        hold=lane.relay is not None and lane.relay.mode is RelayMode.HOLD,
        sensor=rotation is not None,
        pass_timeout_ms=round(rotation.timeout_s * 1000) if rotation else 0,
    )


class Pins(Protocol):
    """What a lane can do to the world; what it has not, it does not."""

    def relay_on(self, off_by_ms: int) -> None:
        """Open; to be closed again by `off_by_ms` (monotonic)."""

    def relay_off(self) -> None:
        """Close."""

    def green(self, *, on: bool) -> None:
        """Switch the lamp «granted»."""

    def red(self, *, on: bool) -> None:
        """Switch the lamp «denied»."""

    def on_rotation(self, turned: Callable[[], object]) -> None:
        """Call `turned`, from any thread, for every turn of the passage sensor."""


class Barrier:
    """One lane of the edge. Everything but the pins' callback is called on the event loop.

    `outcome(number, passed)` is called when it is known what became of the grant of journal entry `number`; never,
    where there is no sensor.
    """

    def __init__(
        self, lane: LaneId, profile: LaneProfile, pins: Pins, clock: Clock, outcome: Callable[[int, bool], None]
    ) -> None:
        self.lane = lane
        self._table = Lane(profile)
        self._pins = pins
        self._clock = clock
        self._outcome = outcome
        self._stirred = asyncio.Event()

    def grant(self, grant: Grant) -> None:
        """Open for a grant and show green."""
        self._carry_out(self._table.grant(grant, self._now_ms()))

    def deny(self) -> None:
        """Show red."""
        self._carry_out(self._table.deny(self._now_ms()))

    def repeat(self, number: int) -> bool:
        """Show green again if the grant of entry `number` is still open; tell whether it is."""
        now_ms = self._now_ms()
        self._carry_out(self._table.tick(now_ms))
        if not self._table.is_open_for(number):
            return False
        self._carry_out(self._table.green(now_ms))
        return True

    def settle(self) -> None:
        """Do what is due by now: a clock that leaps must not let a new read meet yesterday's open grant."""
        self._carry_out(self._table.tick(self._now_ms()))

    async def run(self) -> None:
        """Watch the sensor and end pulses on time, until cancelled."""
        loop = asyncio.get_running_loop()
        self._pins.on_rotation(lambda: loop.call_soon_threadsafe(self._rotated))
        while True:
            self._stirred.clear()
            self.settle()
            due = self._table.next_due()
            patience = None if due is None else max(0.0, (due - self._now_ms()) / 1000)
            if patience is not None and not isinstance(self._clock, SystemClock):
                patience = min(patience, _POLL_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._stirred.wait()

    def _rotated(self) -> None:
        self._carry_out(self._table.rotated(self._now_ms()))

    def _now_ms(self) -> int:
        return self._clock.read().mono_ms

    def _carry_out(self, effects: list[Effect]) -> None:
        for action, number in effects:
            match action:
                case Action.RELAY_ON:
                    self._pins.relay_on(self._table.relay_off_due)
                case Action.RELAY_OFF:
                    self._pins.relay_off()
                case Action.GREEN_ON | Action.GREEN_OFF:
                    self._pins.green(on=action is Action.GREEN_ON)
                case Action.RED_ON | Action.RED_OFF:
                    self._pins.red(on=action is Action.RED_ON)
                case Action.PASSED | Action.NOT_PASSED:
                    self._outcome(number, action is Action.PASSED)
                case Action.FORCED:
                    log.warning(
                        "lane %s: the barrier turned without a grant; check the barrier and its sensor", self.lane
                    )
        if effects:
            self._stirred.set()

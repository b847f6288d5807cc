"""One lane as a table: when its relay is on, what its lamps say, what became of a grant (hardware.md §7, A-56, A-57).

No clock and no pins in here: events and the time come in, effects go out, and whoever owns the hardware carries them
out in order. A grant is one pulse, never two; while a grant is open the next one waits its turn, because several
makers' barriers would count a second pulse as a second person.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

LAMP_MS: Final = 1_500
"""How long a lamp answers a read (hardware.md §7 rule 4)."""
GAP_MS: Final = 200
"""Rest between two pulses, so that a barrier sees two."""
HOLD_MAX_MS: Final = 5_000
"""A relay that is held until the passage is let go after this (hardware.md §7 rule 1)."""
MAX_WAITING: Final = 8
"""Grants that may wait behind the open one; one more is given up at once and its member may tap again."""


class State(StrEnum):
    """Where a lane stands."""

    IDLE = "idle"
    OPEN = "open"
    """Relay on, nobody has gone through."""
    PASSING = "passing"
    """Somebody went through before the pulse was over."""
    WAITING = "waiting"
    """Relay off again, the sensor has not turned yet."""
    RESTING = "resting"
    """The grant is closed; the gap before the next pulse runs."""


class Event(StrEnum):
    """What happens to a lane."""

    GRANT = "grant"
    ROTATED = "rotated"
    RELEASED = "released"
    """The sensor turned on a lane that holds its relay until then."""
    PULSE_OVER = "pulse_over"
    GRANT_OVER = "grant_over"
    """The pulse is over on a lane without a sensor: nothing more will be known (rulings 11)."""
    TIMEOUT = "timeout"
    RESTED = "rested"
    NEXT = "next"
    """The gap is over and another grant waits."""


class Action(StrEnum):
    """What the hardware, or the journal, is to do."""

    RELAY_ON = "relay_on"
    RELAY_OFF = "relay_off"
    GREEN_ON = "green_on"
    GREEN_OFF = "green_off"
    RED_ON = "red_on"
    RED_OFF = "red_off"
    PASSED = "passed"
    NOT_PASSED = "not_passed"
    FORCED = "forced"
    """The sensor turned although nobody was granted."""


class Grant(NamedTuple):
    """One permission to pass."""

    number: int
    """Sequence of its journal entry."""
    pulse_ms: int


class Effect(NamedTuple):
    """One thing to do, in order; `grant` says on whose behalf, 0 = nobody's."""

    action: Action
    grant: int = 0


@dataclass(frozen=True, slots=True)
class LaneProfile:
    """How the barrier of a lane works: a property of the machine on site."""

    hold: bool = False
    """Hold the relay until the passage instead of pulsing it."""
    sensor: bool = False
    pass_timeout_ms: int = 6_000
    gap_ms: int = GAP_MS


class Step(NamedTuple):
    """One cell of the table."""

    to: State
    actions: tuple[Action, ...] = ()


_A = Action
_S = State
_E = Event

#: The lane. A cell that is missing changes nothing; every cell is a row of the lane's test.
TRANSITIONS: Final[dict[State, dict[Event, Step]]] = {
    _S.IDLE: {
        _E.GRANT: Step(_S.OPEN, (_A.RELAY_ON,)),
        _E.ROTATED: Step(_S.IDLE, (_A.FORCED,)),
        _E.RELEASED: Step(_S.IDLE, (_A.FORCED,)),
    },
    _S.OPEN: {
        _E.ROTATED: Step(_S.PASSING, (_A.PASSED,)),
        _E.RELEASED: Step(_S.RESTING, (_A.RELAY_OFF, _A.PASSED)),
        _E.PULSE_OVER: Step(_S.WAITING, (_A.RELAY_OFF,)),
        _E.GRANT_OVER: Step(_S.RESTING, (_A.RELAY_OFF,)),
    },
    _S.PASSING: {
        _E.ROTATED: Step(_S.PASSING, (_A.FORCED,)),
        _E.PULSE_OVER: Step(_S.RESTING, (_A.RELAY_OFF,)),
    },
    _S.WAITING: {
        _E.ROTATED: Step(_S.RESTING, (_A.PASSED,)),
        _E.RELEASED: Step(_S.RESTING, (_A.PASSED,)),
        _E.TIMEOUT: Step(_S.RESTING, (_A.NOT_PASSED,)),
    },
    _S.RESTING: {
        _E.ROTATED: Step(_S.RESTING, (_A.FORCED,)),
        _E.RELEASED: Step(_S.RESTING, (_A.FORCED,)),
        _E.RESTED: Step(_S.IDLE),
        _E.NEXT: Step(_S.OPEN, (_A.RELAY_ON,)),
    },
}

#: States in which the relay is on; nothing else may have it on.
RELAY_IS_ON: Final = frozenset({State.OPEN, State.PASSING})


def step(state: State, event: Event) -> Step:
    """Return where `event` leads from `state` and what is to be done."""
    return TRANSITIONS[state].get(event, Step(state))


class Lane:
    """The state of one lane with its timers, all in milliseconds of the injected monotonic clock.

    Call `tick` before every event and whenever `next_due` has come; timers that are due then fire in order.
    """

    def __init__(self, profile: LaneProfile) -> None:
        """Begin idle, with the relay off and the lamps dark."""
        self.state = State.IDLE
        self._profile = profile
        self._grant: Grant | None = None
        self._waiting: deque[Grant] = deque()
        self._pulse_until = 0
        self._pass_until = 0
        self._rest_until = 0
        self._green_until: int | None = None
        self._red_until: int | None = None

    @property
    def relay_off_due(self) -> int:
        """When the present or last pulse ends, for whoever guards the relay."""
        return self._pulse_until

    def grant(self, grant: Grant, now_ms: int) -> list[Effect]:
        """Open for `grant` now, or as soon as the grant under way is closed. The lamp answers at once."""
        effects = self.tick(now_ms)
        if len(self._waiting) >= MAX_WAITING:
            return [*effects, *self.green(now_ms), Effect(Action.NOT_PASSED, grant.number)]
        self._waiting.append(grant)
        return [*effects, *self._on(Event.GRANT, now_ms), *self.green(now_ms)]

    def deny(self, now_ms: int) -> list[Effect]:
        """Answer with the red lamp; no relay moves. A lamp that burns goes off and on: every read has its answer."""
        effects = self.tick(now_ms)
        effects += self._dark(Action.GREEN_OFF) + self._dark(Action.RED_OFF)
        self._red_until = now_ms + LAMP_MS
        return [*effects, Effect(Action.RED_ON)]

    def green(self, now_ms: int) -> list[Effect]:
        """Answer with the green lamp alone: a repeated badge while its grant is open (hardware.md §7 rule 3)."""
        effects = self.tick(now_ms)
        effects += self._dark(Action.RED_OFF) + self._dark(Action.GREEN_OFF)
        self._green_until = now_ms + LAMP_MS
        return [*effects, Effect(Action.GREEN_ON)]

    def rotated(self, now_ms: int) -> list[Effect]:
        """The passage sensor has turned."""
        effects = self.tick(now_ms)
        return effects + self._on(Event.RELEASED if self._profile.hold else Event.ROTATED, now_ms)

    def is_open_for(self, number: int) -> bool:
        """Tell whether the grant of journal entry `number` is open or waits for its turn."""
        current = self._grant is not None and self._grant.number == number and self.state is not State.PASSING
        return current or any(one.number == number for one in self._waiting)

    def tick(self, now_ms: int) -> list[Effect]:
        """Fire the timers that are due."""
        effects: list[Effect] = []
        if self._green_until is not None and now_ms >= self._green_until:
            effects += self._dark(Action.GREEN_OFF)
        if self._red_until is not None and now_ms >= self._red_until:
            effects += self._dark(Action.RED_OFF)
        while (timer := self._timer()) is not None and now_ms >= timer[0]:
            # A gap is counted from when the pulse should have ended: after a leap of the clock it is over as well.
            effects += self._on(timer[1], timer[0], opens_at=now_ms)
        return effects

    def next_due(self) -> int | None:
        """Return when `tick` has something to do, or `None`."""
        timer = self._timer()
        dues = (timer[0] if timer else None, self._green_until, self._red_until)
        return min((due for due in dues if due is not None), default=None)

    def _timer(self) -> tuple[int, Event] | None:
        match self.state:
            case State.IDLE:
                return None
            case State.OPEN:
                return self._pulse_until, Event.PULSE_OVER if self._profile.sensor else Event.GRANT_OVER
            case State.PASSING:
                return self._pulse_until, Event.PULSE_OVER
            case State.WAITING:
                return max(self._pass_until, self._pulse_until), Event.TIMEOUT
            case State.RESTING:
                return self._rest_until, Event.NEXT if self._waiting else Event.RESTED

    def _on(self, event: Event, at_ms: int, *, opens_at: int | None = None) -> list[Effect]:
        before = self.state
        self.state, actions = step(before, event)
        if self.state is State.OPEN and before is not State.OPEN:
            self._open(at_ms if opens_at is None else opens_at)
        if self.state is State.RESTING and before is not State.RESTING:
            pulse_ended = min(self._pulse_until, at_ms)
            self._rest_until = pulse_ended + self._profile.gap_ms
        number = self._grant.number if self._grant and Action.FORCED not in actions else 0
        if self.state in {State.IDLE, State.RESTING}:
            self._grant = None
        return [Effect(action, number) for action in actions]

    def _open(self, now_ms: int) -> None:
        self._grant = self._waiting.popleft()
        length = HOLD_MAX_MS if self._profile.hold else self._grant.pulse_ms
        self._pulse_until = now_ms + length
        self._pass_until = now_ms + self._profile.pass_timeout_ms

    def _dark(self, lamp: Action) -> list[Effect]:
        """Put a lamp out, if it burns."""
        if lamp is Action.GREEN_OFF:
            burning, self._green_until = self._green_until is not None, None
        else:
            burning, self._red_until = self._red_until is not None, None
        return [Effect(lamp)] if burning else []

"""The lane's table, cell by cell, and what holds for every sequence of events."""

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edge.lane import (
    GAP_MS,
    HOLD_MAX_MS,
    LAMP_MS,
    MAX_WAITING,
    RELAY_IS_ON,
    Action,
    Effect,
    Event,
    Grant,
    Lane,
    LaneProfile,
    State,
    Step,
    step,
)

A, E, S = Action, Event, State
PLAIN = LaneProfile()
SENSOR = LaneProfile(sensor=True)
HOLD = LaneProfile(sensor=True, hold=True)

CELLS = {
    (S.IDLE, E.GRANT): (S.OPEN, [A.RELAY_ON]),
    (S.IDLE, E.ROTATED): (S.IDLE, [A.FORCED]),
    (S.IDLE, E.RELEASED): (S.IDLE, [A.FORCED]),
    (S.IDLE, E.PULSE_OVER): (S.IDLE, []),
    (S.IDLE, E.GRANT_OVER): (S.IDLE, []),
    (S.IDLE, E.TIMEOUT): (S.IDLE, []),
    (S.IDLE, E.RESTED): (S.IDLE, []),
    (S.IDLE, E.NEXT): (S.IDLE, []),
    (S.OPEN, E.GRANT): (S.OPEN, []),
    (S.OPEN, E.ROTATED): (S.PASSING, [A.PASSED]),
    (S.OPEN, E.RELEASED): (S.RESTING, [A.RELAY_OFF, A.PASSED]),
    (S.OPEN, E.PULSE_OVER): (S.WAITING, [A.RELAY_OFF]),
    (S.OPEN, E.GRANT_OVER): (S.RESTING, [A.RELAY_OFF]),
    (S.OPEN, E.TIMEOUT): (S.OPEN, []),
    (S.OPEN, E.RESTED): (S.OPEN, []),
    (S.OPEN, E.NEXT): (S.OPEN, []),
    (S.PASSING, E.GRANT): (S.PASSING, []),
    (S.PASSING, E.ROTATED): (S.PASSING, [A.FORCED]),
    (S.PASSING, E.RELEASED): (S.PASSING, []),
    (S.PASSING, E.PULSE_OVER): (S.RESTING, [A.RELAY_OFF]),
    (S.PASSING, E.GRANT_OVER): (S.PASSING, []),
    (S.PASSING, E.TIMEOUT): (S.PASSING, []),
    (S.PASSING, E.RESTED): (S.PASSING, []),
    (S.PASSING, E.NEXT): (S.PASSING, []),
    (S.WAITING, E.GRANT): (S.WAITING, []),
    (S.WAITING, E.ROTATED): (S.RESTING, [A.PASSED]),
    (S.WAITING, E.RELEASED): (S.RESTING, [A.PASSED]),
    (S.WAITING, E.PULSE_OVER): (S.WAITING, []),
    (S.WAITING, E.GRANT_OVER): (S.WAITING, []),
    (S.WAITING, E.TIMEOUT): (S.RESTING, [A.NOT_PASSED]),
    (S.WAITING, E.RESTED): (S.WAITING, []),
    (S.WAITING, E.NEXT): (S.WAITING, []),
    (S.RESTING, E.GRANT): (S.RESTING, []),
    (S.RESTING, E.ROTATED): (S.RESTING, [A.FORCED]),
    (S.RESTING, E.RELEASED): (S.RESTING, [A.FORCED]),
    (S.RESTING, E.PULSE_OVER): (S.RESTING, []),
    (S.RESTING, E.GRANT_OVER): (S.RESTING, []),
    (S.RESTING, E.TIMEOUT): (S.RESTING, []),
    (S.RESTING, E.RESTED): (S.IDLE, []),
    (S.RESTING, E.NEXT): (S.OPEN, [A.RELAY_ON]),
}


def test_every_state_has_a_row_for_every_event() -> None:
    assert set(CELLS) == {(state, event) for state in State for event in Event}


@pytest.mark.parametrize(("state", "event"), list(CELLS), ids=str)
def test_cell(state: State, event: Event) -> None:
    to, actions = CELLS[state, event]
    assert step(state, event) == Step(to, tuple(actions))


def doings(effects: list[Effect]) -> list[Action]:
    return [effect.action for effect in effects]


def test_a_grant_is_one_pulse_of_its_length_and_closes_with_it_where_no_sensor_is() -> None:
    lane = Lane(PLAIN)
    assert doings(lane.grant(Grant(1, 500), 0)) == [A.RELAY_ON, A.GREEN_ON]
    assert lane.is_open_for(1)
    assert lane.next_due() == 500
    assert lane.tick(499) == []
    assert lane.tick(500) == [Effect(A.RELAY_OFF, 1)]
    assert not lane.is_open_for(1)
    assert doings(lane.tick(LAMP_MS)) == [A.GREEN_OFF]
    assert lane.state is S.IDLE


def test_a_rotation_within_the_time_limit_says_passed_and_names_the_grant() -> None:
    lane = Lane(SENSOR)
    lane.grant(Grant(7, 300), 0)
    lane.tick(300)
    assert lane.is_open_for(7)
    assert lane.rotated(3_000)[-1] == Effect(A.PASSED, 7)
    assert not lane.is_open_for(7)


def test_a_rotation_during_the_pulse_does_not_cut_the_pulse_short() -> None:
    lane = Lane(SENSOR)
    lane.grant(Grant(7, 300), 0)
    assert lane.rotated(200) == [Effect(A.PASSED, 7)]
    assert lane.tick(299) == []
    assert lane.tick(300) == [Effect(A.RELAY_OFF, 7)]


@pytest.mark.parametrize(
    ("at", "outcome"),
    [pytest.param(5_999, [], id="just before"), pytest.param(6_000, [A.NOT_PASSED], id="on the limit")],
)
def test_no_rotation_within_the_time_limit_says_not_passed(at: int, outcome: list[Action]) -> None:
    lane = Lane(SENSOR)
    lane.grant(Grant(7, 300), 0)
    lane.tick(LAMP_MS)
    assert doings(lane.tick(at)) == outcome


def test_a_held_relay_is_let_go_at_the_passage() -> None:
    lane = Lane(HOLD)
    lane.grant(Grant(7, 300), 0)
    assert lane.tick(1_000) == []
    assert lane.rotated(1_200) == [Effect(A.RELAY_OFF, 7), Effect(A.PASSED, 7)]


def test_a_held_relay_is_let_go_after_five_seconds_without_a_passage() -> None:
    lane = Lane(HOLD)
    lane.grant(Grant(7, 300), 0)
    lane.tick(LAMP_MS)
    assert lane.tick(HOLD_MAX_MS) == [Effect(A.RELAY_OFF, 7)]


def test_a_second_grant_waits_for_the_first_to_close_and_then_gets_its_own_pulse() -> None:
    lane = Lane(SENSOR)
    lane.grant(Grant(1, 300), 0)
    assert doings(lane.grant(Grant(2, 300), 100)) == [A.GREEN_OFF, A.GREEN_ON]
    lane.tick(300)
    assert lane.rotated(400) == [Effect(A.PASSED, 1)]
    assert lane.tick(300 + GAP_MS) == [Effect(A.RELAY_ON, 2)]


def test_grants_beyond_the_waiting_line_are_given_up_and_not_forgotten() -> None:
    lane = Lane(SENSOR)
    for number in range(1 + MAX_WAITING):
        lane.grant(Grant(number, 300), 0)
    assert lane.grant(Grant(99, 300), 0)[-1] == Effect(A.NOT_PASSED, 99)


def test_a_denial_lights_red_and_moves_no_relay() -> None:
    lane = Lane(PLAIN)
    assert doings(lane.deny(0)) == [A.RED_ON]
    assert doings(lane.deny(100)) == [A.RED_OFF, A.RED_ON]
    assert doings(lane.tick(100 + LAMP_MS)) == [A.RED_OFF]


def test_after_a_leap_of_the_clock_a_new_grant_opens_at_once() -> None:
    lane = Lane(SENSOR)
    lane.grant(Grant(1, 300), 0)
    assert doings(lane.grant(Grant(2, 300), 3_600_000)) == [
        A.GREEN_OFF, A.RELAY_OFF, A.NOT_PASSED, A.RELAY_ON, A.GREEN_ON,
    ]  # fmt: skip


class LaneMachine(RuleBasedStateMachine):
    """Any sequence of reads, turns and waits, on any kind of lane."""

    @initialize(profile=st.sampled_from([PLAIN, SENSOR, HOLD]))
    def install(self, profile: LaneProfile) -> None:
        self.lane = Lane(profile)
        self.hold = profile.hold
        self.now = 0
        self.granted: dict[int, int] = {}
        self.pulsed: list[int] = []
        self.given_up: list[int] = []
        self.closed: list[int] = []
        self.on_since: int | None = None
        self.length = 0
        self.lamps = {"green": False, "red": False}

    def carry_out(self, effects: list[Effect]) -> None:
        for action, number in effects:
            if action is A.RELAY_ON:
                assert self.on_since is None, "the relay was on already"
                assert number in self.granted, "the relay is on without a grant"
                assert number not in self.pulsed, "a second pulse for one grant"
                self.pulsed.append(number)
                self.on_since = self.now
                self.length = HOLD_MAX_MS if self.hold else self.granted[number]
            elif action is A.RELAY_OFF:
                assert self.on_since is not None
                self.on_since = None
            elif action in {A.PASSED, A.NOT_PASSED}:
                assert number in self.granted
                assert number not in self.closed, "two outcomes of one grant"
                self.closed.append(number)
                if number not in self.pulsed:
                    self.given_up.append(number)
            elif action is not A.FORCED:
                lamp, _, wanted = action.partition("_")
                assert self.lamps[lamp] is not (wanted == "on"), f"{action} twice"
                self.lamps[lamp] = wanted == "on"

    @rule(pulse_ms=st.integers(100, 3_000))
    def grant(self, pulse_ms: int) -> None:
        number = len(self.granted) + 1
        self.granted[number] = pulse_ms
        self.carry_out(self.lane.grant(Grant(number, pulse_ms), self.now))

    @rule()
    def deny(self) -> None:
        self.carry_out(self.lane.deny(self.now))

    @rule()
    def turn(self) -> None:
        self.carry_out(self.lane.rotated(self.now))

    @rule(ms=st.integers(1, 8_000))
    def wait(self, ms: int) -> None:
        until = self.now + ms
        while (due := self.lane.next_due()) is not None and due <= until:
            self.now = max(self.now, due)
            self.carry_out(self.lane.tick(self.now))
        self.now = until

    @invariant()
    def relay_is_on_only_in_an_open_grant_and_never_longer_than_its_pulse(self) -> None:
        assert (self.on_since is not None) == (self.lane.state in RELAY_IS_ON)
        assert self.on_since is None or self.now - self.on_since <= self.length

    def teardown(self) -> None:
        """Every grant got exactly one pulse in the end, in order, or was given up."""
        if not hasattr(self, "lane"):
            return
        for _ in range(30 * (MAX_WAITING + 1)):
            self.wait(1_000)
        assert self.on_since is None
        assert not any(self.lamps.values())
        assert self.pulsed == [number for number in self.granted if number not in self.given_up]


TestAnySequence = LaneMachine.TestCase
TestAnySequence.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

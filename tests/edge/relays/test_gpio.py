"""Pins on gpiozero's mock factory: on and off, the guard, the debounce, and a start that is refused."""

import asyncio
import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest

from edge.config import LaneConfig, Output, Relay, Rotation
from edge.relays.gpio import GUARD_MS, Debounce, Pins, PinsError, open_factory
from tests.fakes import FakeClock

LANE = LaneConfig(
    id="entrance",
    relay=Relay(pin=17),
    granted_lamp=Output(pin=22),
    denied_lamp=Output(pin=23),
    rotation=Rotation(pin=24),
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def pins(clock: FakeClock) -> Iterator[Pins]:
    with Pins("mock", [LANE], clock) as opened:
        yield opened


def level(pins: Pins, pin: int) -> int:
    return int(pins._factory.pin(pin).state)


def test_everything_is_off_at_the_start(pins: Pins) -> None:
    assert [level(pins, pin) for pin in (17, 22, 23)] == [0, 0, 0]


def test_a_relay_is_high_between_on_and_off(pins: Pins, clock: FakeClock) -> None:
    lane = pins.lanes["entrance"]
    lane.relay_on(clock.mono_ms + 300)
    assert level(pins, 17) == 1
    lane.relay_off()
    assert level(pins, 17) == 0


def test_lamps_follow(pins: Pins) -> None:
    lane = pins.lanes["entrance"]
    lane.green(on=True)
    lane.red(on=True)
    assert (level(pins, 22), level(pins, 23)) == (1, 1)
    lane.green(on=False)
    lane.red(on=False)
    assert (level(pins, 22), level(pins, 23)) == (0, 0)


def test_an_active_low_relay_rests_high() -> None:
    lane = LaneConfig(id="entrance", relay=Relay(pin=17, active_high=False))
    with Pins("mock", [lane], FakeClock()) as pins:
        assert level(pins, 17) == 1
        pins.lanes["entrance"].relay_on(10**9)
        assert level(pins, 17) == 0


async def test_the_guard_takes_a_forgotten_relay_off(
    pins: Pins, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    pins.lanes["entrance"].relay_on(clock.mono_ms + 300)
    clock.advance(timedelta(milliseconds=300 + GUARD_MS - 1))
    await asyncio.sleep(0.15)
    assert level(pins, 17) == 1
    with caplog.at_level(logging.ERROR):
        clock.advance(timedelta(milliseconds=1))
        await asyncio.sleep(0.2)
    assert level(pins, 17) == 0
    assert len([record for record in caplog.records if "forced off" in record.message]) == 1


def test_closing_takes_an_open_relay_off(clock: FakeClock) -> None:
    pins = Pins("mock", [LANE], clock)
    output = pins._factory.pin(17)
    pins.lanes["entrance"].relay_on(clock.mono_ms + 300)
    assert output.state == 1
    pins.close()
    assert output.state == 0
    pins.close()


def test_one_turn_of_a_chattering_sensor_is_told_once(pins: Pins, clock: FakeClock) -> None:
    turns: list[int] = []
    pins.lanes["entrance"].on_rotation(lambda: turns.append(clock.mono_ms))
    contact = pins._factory.pin(24)
    for _ in range(5):
        contact.drive_high()
        clock.advance(timedelta(milliseconds=2))
        contact.drive_low()
        clock.advance(timedelta(milliseconds=2))
    assert len(turns) == 1
    clock.advance(timedelta(seconds=1))
    contact.drive_high()
    assert len(turns) == 2


def test_a_sensor_that_opens_at_the_passage_counts_the_opening(clock: FakeClock) -> None:
    lane = LaneConfig(id="entrance", rotation=Rotation(pin=24, active_high=False))
    turns: list[int] = []
    with Pins("mock", [lane], clock) as pins:
        pins.lanes["entrance"].on_rotation(lambda: turns.append(1))
        contact = pins._factory.pin(24)
        contact.drive_low()
        assert turns == [1]
        clock.advance(timedelta(seconds=1))
        contact.drive_high()
        assert turns == [1]


@pytest.mark.parametrize(
    ("edges", "turns"),
    [
        pytest.param([(0, True)], 1, id="first activation"),
        pytest.param([(0, True), (5, False), (10, True)], 1, id="chatter while closing"),
        pytest.param([(0, True), (300, False), (305, True), (310, False)], 1, id="chatter while opening"),
        pytest.param([(0, True), (300, False), (319, True)], 1, id="still for one millisecond less"),
        pytest.param([(0, True), (300, False), (320, True)], 2, id="still for as long as asked"),
    ],
)
def test_debounce(edges: list[tuple[int, bool]], turns: int) -> None:
    debounce = Debounce(20)
    assert sum(debounce.changed(at, active=active) for at, active in edges) == turns


@pytest.mark.parametrize("spec", ["lgpio", "no.such.module:Factory", "deploy.demo.pins:NoSuchClass"])
def test_a_factory_that_does_not_work_is_refused_and_not_replaced(spec: str) -> None:
    with pytest.raises(PinsError, match=r"gpio\.pin_factory: .* does not work here"):
        open_factory(spec)


def test_a_pin_that_does_not_exist_is_told_with_its_lane() -> None:
    with pytest.raises(PinsError, match=r"lane entrance: pins \(relay 53\)"):
        Pins("mock", [LaneConfig(id="entrance", relay=Relay(pin=53))], FakeClock())

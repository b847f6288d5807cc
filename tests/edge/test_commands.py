"""Orders from central, and one to a lane that is elsewhere."""

from datetime import timedelta
from pathlib import Path

import pytest

from edge.commands import Commands
from protocol.journal import RemoteOpen
from protocol.messages import Command, Open, Reload, SetMode
from protocol.policy import DoorMode
from tests.edge.builders import holder
from tests.edge.door import RELAY, Door, door

ANNA = ("10000342", holder("M1001"))


def command(at: Door, order: Open | SetMode | Reload) -> Command:
    return Command(id="command-1", expires_at=at.clock.wall + timedelta(seconds=5), order=order)


@pytest.mark.req("A-55")
async def test_a_lane_opened_remotely_is_pulsed_and_logged_as_remote_open_without_person_or_visit(
    tmp_path: Path,
) -> None:
    async with door(tmp_path) as at:
        reply = await Commands(at.passages, lambda: None, at.clock).carry_out(command(at, Open(lane="entrance")))
        (entry,) = await at.committed()
        assert at.levels(RELAY) == [0, 1]
    assert reply.outcome == "done"
    assert isinstance(entry, RemoteOpen)
    assert entry.type == "remote_open"


async def test_a_lane_that_is_elsewhere_is_refused_with_the_lanes_that_are_here(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        reply = await Commands(at.passages, lambda: None, at.clock).carry_out(command(at, Open(lane="garage")))
    assert reply.outcome == "refused"
    assert "entrance, exit" in reply.detail


async def test_a_mode_and_a_reload_are_passed_on(tmp_path: Path) -> None:
    asked: list[str] = []
    async with door(tmp_path, holders=[ANNA]) as at:
        commands = Commands(at.passages, lambda: asked.append("reload"), at.clock)
        await commands.carry_out(command(at, SetMode(lane="entrance", mode=DoorMode.LOCKED)))
        assert await at.tap_at("09:00:00", "10000342") == "DOOR_LOCKED"
        await commands.carry_out(command(at, Reload()).model_copy(update={"id": "command-2"}))
    assert asked == ["reload"]


ORDERS = [
    pytest.param(Open(lane="entrance"), id="open"),
    pytest.param(SetMode(lane="entrance", mode=DoorMode.LOCKED), id="mode"),
    pytest.param(Reload(), id="reload"),
]


async def effects(at: Door, asked: list[str]) -> tuple[int, int, str]:
    """What commands have done so far: entries of lanes opened, full lists asked for, and whether the door is locked."""
    opened = sum(isinstance(entry, RemoteOpen) for entry in await at.committed())
    at.clock.advance(timedelta(minutes=1))
    answered = await at.tap("10000342")
    assert answered is not None
    return opened, len(asked), answered.verdict.reason.value


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("late_s", [pytest.param(0, id="at its end"), pytest.param(3600, id="an hour later")])
async def test_a_command_that_has_expired_is_answered_so_and_never_carried_out(
    tmp_path: Path, order: Open | SetMode | Reload, late_s: int
) -> None:
    asked: list[str] = []
    async with door(tmp_path, holders=[ANNA]) as at:
        wish = command(at, order)
        at.clock.advance(timedelta(seconds=5 + late_s))
        reply = await Commands(at.passages, lambda: asked.append("reload"), at.clock).carry_out(wish)
        assert await effects(at, asked) == (0, 0, "OK")
    assert (reply.id, reply.outcome) == ("command-1", "expired")
    assert f"{late_s}.0 s ago" in reply.detail


@pytest.mark.parametrize(
    ("order", "done"),
    [
        pytest.param(Open(lane="entrance"), (1, 0, "OK"), id="open"),
        pytest.param(SetMode(lane="entrance", mode=DoorMode.LOCKED), (0, 0, "DOOR_LOCKED"), id="mode"),
        pytest.param(Reload(), (0, 1, "OK"), id="reload"),
    ],
)
async def test_a_command_just_in_time_is_carried_out_once_however_often_it_comes(
    tmp_path: Path, order: Open | SetMode | Reload, done: tuple[int, int, str]
) -> None:
    asked: list[str] = []
    async with door(tmp_path, holders=[ANNA]) as at:
        wish = command(at, order)
        at.clock.advance(timedelta(seconds=4.999))
        commands = Commands(at.passages, lambda: asked.append("reload"), at.clock)
        first = await commands.carry_out(wish)
        again = await commands.carry_out(wish)
        at.clock.advance(timedelta(hours=1))
        late = await commands.carry_out(wish)
        assert await effects(at, asked) == done
    assert first == again == late
    assert first.outcome == "done"


async def test_a_mode_that_comes_again_does_not_overrule_the_one_set_since(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[ANNA]) as at:
        commands = Commands(at.passages, lambda: None, at.clock)
        lock = command(at, SetMode(lane="entrance", mode=DoorMode.LOCKED))
        free = command(at, SetMode(lane="entrance", mode=DoorMode.ACTIVE)).model_copy(update={"id": "command-2"})
        for one in (lock, free, lock):
            assert (await commands.carry_out(one)).outcome == "done"
        assert await at.tap_at("09:00:00", "10000342") == "OK"

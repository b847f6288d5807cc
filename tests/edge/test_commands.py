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
        reply = await Commands(at.passages, lambda: None).carry_out(command(at, Open(lane="entrance")))
        (entry,) = await at.committed()
        assert at.levels(RELAY) == [0, 1]
    assert reply.outcome == "done"
    assert isinstance(entry, RemoteOpen)
    assert entry.type == "remote_open"


async def test_a_lane_that_is_elsewhere_is_refused_with_the_lanes_that_are_here(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        reply = await Commands(at.passages, lambda: None).carry_out(command(at, Open(lane="garage")))
    assert reply.outcome == "refused"
    assert "entrance, exit" in reply.detail


async def test_a_mode_and_a_reload_are_passed_on(tmp_path: Path) -> None:
    asked: list[str] = []
    async with door(tmp_path, holders=[ANNA]) as at:
        commands = Commands(at.passages, lambda: asked.append("reload"))
        await commands.carry_out(command(at, SetMode(lane="entrance", mode=DoorMode.LOCKED)))
        assert await at.tap_at("09:00:00", "10000342") == "DOOR_LOCKED"
        await commands.carry_out(command(at, Reload()).model_copy(update={"id": "command-2"}))
    assert asked == ["reload"]

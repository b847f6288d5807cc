"""Parts of the composition that show without a process."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge.app import Files, raise_floor
from edge.clock import SystemClock
from protocol.clock import Trust
from tests.edge.builders import holder
from tests.edge.door import door


async def test_a_clock_behind_the_newest_entry_on_the_disk_is_not_believed(tmp_path: Path) -> None:
    tomorrow = datetime(2200, 1, 1, tzinfo=UTC)
    async with door(tmp_path, holders=[("10000342", holder())]) as at:
        at.clock.set(tomorrow)
        await at.tap("10000342")
        await at.committed()
        clock = SystemClock()
        assert clock.read().trust is not Trust.UNSET
        raise_floor(clock, Files(at.journal, at.access))
        assert clock.read().trust is Trust.UNSET


async def test_an_injected_clock_keeps_its_own_trust(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[("10000342", holder())]) as at:
        await at.tap("10000342")
        await at.committed()
        at.clock.advance(-timedelta(days=1))
        raise_floor(at.clock, Files(at.journal, at.access))
        assert at.clock.read().trust is Trust.TRUSTED

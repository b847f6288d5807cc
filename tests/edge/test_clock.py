"""The edge's clocks."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.clock import BUILD_FLOOR, SharedClock, SystemClock, make_clock, pause, sleep
from protocol.clock import RECORD_SIZE, Reading, Trust, write_record
from tests.fakes import FakeClock

NINE = datetime(2026, 3, 10, 8, 0, tzinfo=UTC)


def write_clock(path: Path, reading: Reading) -> None:
    buffer = bytearray(path.read_bytes() if path.exists() else bytes(RECORD_SIZE))
    write_record(buffer, reading)
    with path.open("r+b" if path.exists() else "wb") as file:
        file.write(buffer)


def test_a_shared_clock_shows_what_another_process_wrote_last(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    write_clock(path, Reading(NINE, 5_000, Trust.TRUSTED))
    clock = make_clock(str(path))
    assert clock.read() == Reading(NINE, 5_000, Trust.TRUSTED)
    write_clock(path, Reading(NINE + timedelta(hours=1), 3_605_000, Trust.DRIFTING))
    assert clock.read() == Reading(NINE + timedelta(hours=1), 3_605_000, Trust.DRIFTING)


def test_an_empty_clock_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "clock").touch()
    with pytest.raises(ValueError, match="start whoever plays the day first"):
        SharedClock(tmp_path / "clock")


def test_the_system_clock_is_unset_below_its_floor_and_never_above_it() -> None:
    assert SystemClock(BUILD_FLOOR).read().trust is not Trust.UNSET
    clock = SystemClock()
    clock.raise_floor(datetime(9000, 1, 1, tzinfo=UTC))
    assert clock.read().trust is Trust.UNSET


def test_the_monotonic_reading_of_the_system_clock_never_goes_back() -> None:
    clock = make_clock(None)
    readings = [clock.read().mono_ms for _ in range(1000)]
    assert readings == sorted(readings)


async def test_sleep_waits_for_the_injected_clock_not_for_real_time() -> None:
    clock = FakeClock()
    sleeping = asyncio.create_task(sleep(clock, 3600))
    await asyncio.sleep(0.03)
    assert not sleeping.done()
    clock.advance(timedelta(hours=1))
    await asyncio.wait_for(sleeping, 1)


async def test_sleep_can_be_cancelled() -> None:
    sleeping = asyncio.create_task(sleep(FakeClock(), 3600))
    await asyncio.sleep(0.01)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping


async def test_pause_ends_by_real_time_where_the_injected_clock_stands_still() -> None:
    await asyncio.wait_for(pause(FakeClock(), 0.02), 1)


async def test_pause_ends_early_when_the_injected_clock_jumps() -> None:
    clock = FakeClock()
    pausing = asyncio.create_task(pause(clock, 60))
    await asyncio.sleep(0.01)
    clock.advance(timedelta(minutes=1))
    await asyncio.wait_for(pausing, 1)

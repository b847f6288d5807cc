"""A serial reader on a pseudo terminal: cards, bad frames, a plug pulled and put back."""

import asyncio
import contextlib
import logging
import os
import tty
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from edge.config import SerialReader
from edge.frames import Read
from edge.frames.encode import line_frame, rdm6300_frame
from edge.readers.device import DeviceReader
from edge.readers.serial_port import SerialDevice
from protocol.identity import ReaderId
from tests.edge.waiting import until
from tests.fakes import FakeClock

READER = ReaderId("entrance")


class Heard:
    """Notes what a reader tells."""

    def __init__(self) -> None:
        self.cards: list[Read] = []
        self.lost_because: list[str] = []
        self.back_with: list[str] = []

    def card(self, _reader: ReaderId, read: Read, /) -> None:
        self.cards.append(read)

    def lost(self, _reader: ReaderId, detail: str, /) -> None:
        self.lost_because.append(detail)

    def back(self, _reader: ReaderId, detail: str, /) -> None:
        self.back_with.append(detail)


class Plug:
    """A port under a name that stays, as udev's by-id links do; the device behind it can be pulled out and put back."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "reader-entrance"
        self.master = -1
        self.put_in()

    def put_in(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path.symlink_to(os.ttyname(slave))
        self._slave = slave  # kept open: a pty without any slave reports a hang-up to its master

    def pull_out(self) -> None:
        self.path.unlink()
        os.close(self._slave)
        os.close(self.master)
        self.master = -1

    def send(self, data: bytes) -> None:
        os.write(self.master, data)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def plug(tmp_path: Path) -> Plug:
    return Plug(tmp_path)


@contextlib.asynccontextmanager
async def listening(
    plug: Plug, heard: Heard, clock: FakeClock, protocol: str = "rdm6300"
) -> AsyncIterator[DeviceReader]:
    settings = SerialReader.model_validate(
        {"id": READER, "lane": "entrance", "protocol": protocol, "port": str(plug.path)}
    )
    reader = DeviceReader(READER, SerialDevice(settings, clock), clock)
    task = asyncio.create_task(reader.run(heard))
    await reader.opened()
    try:
        yield reader
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_card_is_heard_however_its_bytes_are_cut(plug: Plug, heard: Heard, clock: FakeClock) -> None:
    async with listening(plug, heard, clock) as reader:
        for byte in rdm6300_frame(8_075_634):
            plug.send(bytes([byte]))
            await asyncio.sleep(0.001)
        await until(lambda: len(heard.cards) == 1)
        assert heard.cards[0].credential.canonical == "em40:00007B3972"
        assert reader.health().connected
        assert reader.health().reads == 1


async def test_a_scanner_is_heard_by_lines(plug: Plug, heard: Heard, clock: FakeClock) -> None:
    async with listening(plug, heard, clock, protocol="lines"):
        plug.send(line_frame("PASS-17"))
        await until(lambda: len(heard.cards) == 1)
        assert heard.cards[0].credential.canonical == "qr:PASS-17"


async def test_a_malformed_frame_costs_one_line_and_the_next_card_is_read(
    plug: Plug, heard: Heard, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    frame = bytearray(rdm6300_frame(8_075_634))
    frame[11:13] = b"00"
    with caplog.at_level(logging.WARNING):
        async with listening(plug, heard, clock) as reader:
            plug.send(bytes(frame))
            plug.send(rdm6300_frame(17))
            await until(lambda: len(heard.cards) == 1)
            assert reader.health().frames_bad == 1
    lines = [record.message for record in caplog.records if record.name.startswith("edge")]
    assert len(lines) == 1
    assert lines[0].startswith("reader entrance: checksum 00 does not match")


async def test_a_pulled_plug_is_told_once_and_a_plug_put_back_reads_again(
    plug: Plug, heard: Heard, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with listening(plug, heard, clock) as reader:
            plug.pull_out()
            await until(lambda: len(heard.lost_because) == 1)
            assert not reader.health().connected
            await asyncio.sleep(0.5)  # several tries to open go by in silence
            clock.advance(timedelta(seconds=41))
            plug.put_in()
            await until(lambda: heard.back_with == ["back after 41 s"])
            plug.send(rdm6300_frame(17))
            await until(lambda: len(heard.cards) == 1)
            assert reader.health().reconnects == 1
    lines = [record.message for record in caplog.records if record.name.startswith("edge")]
    assert len(lines) == 2
    assert lines[0].startswith(f"reader entrance silent on {plug.path}: ")
    assert lines[1] == "reader entrance back after 41 s"


async def test_a_port_that_is_not_there_at_the_start_is_told_and_waited_for(
    plug: Plug, heard: Heard, clock: FakeClock
) -> None:
    plug.pull_out()
    async with listening(plug, heard, clock) as reader:
        assert await reader.opened() is False
        assert "check cable, power" in heard.lost_because[0]
        plug.put_in()
        await until(lambda: reader.health().connected)


async def test_a_port_another_program_uses_is_refused_with_its_reason(
    plug: Plug, heard: Heard, clock: FakeClock
) -> None:
    async with listening(plug, heard, clock):
        second = Heard()
        async with listening(plug, second, clock) as reader:
            assert await reader.opened() is False
            assert "another program uses it" in second.lost_because[0]

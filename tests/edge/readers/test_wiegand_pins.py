"""The Wiegand adapter over an iterator of events; the kernel's own lines are tried where somebody names a chip."""

import asyncio
import contextlib
import importlib.util
import os
from collections.abc import Iterator

import pytest

from edge.config import WiegandReader
from edge.frames.encode import wiegand_bits, wiegand_pulses
from edge.frames.wiegand import Pulse
from edge.readers.device import DeviceError, DeviceReader
from edge.readers.wiegand_pins import WiegandDevice
from protocol.identity import ReaderId
from protocol.wiegand import WiegandFormat
from tests.edge.readers.test_serial_port import Heard
from tests.edge.waiting import until
from tests.fakes import FakeClock

SETTINGS = WiegandReader(id="exit", lane="exit", protocol="wiegand", d0=5, d1=6)


async def test_a_card_on_the_lines_is_heard() -> None:
    pulses = wiegand_pulses(wiegand_bits(WiegandFormat.H10301, 59_822, facility=99), 0)

    def request(_settings: WiegandReader) -> Iterator[list[Pulse]]:
        yield pulses[:9]
        yield pulses[9:]
        while True:
            yield []

    clock, heard = FakeClock(), Heard()
    reader = DeviceReader(ReaderId("exit"), WiegandDevice(SETTINGS, clock, request), clock)
    task = asyncio.create_task(reader.run(heard))
    await until(lambda: len(heard.cards) == 1)
    assert heard.cards[0].credential.canonical == "w26:99-59822"
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def test_lines_that_cannot_be_had_are_told_with_what_to_check() -> None:
    def busy() -> list[list[Pulse]]:
        raise OSError(16, "Device or resource busy")

    def request(_settings: WiegandReader) -> Iterator[list[Pulse]]:
        yield from busy()

    with pytest.raises(DeviceError, match="check gpiod>=2, the chip and who else holds the lines"):
        WiegandDevice(SETTINGS, FakeClock(), request).open()


@pytest.mark.skipif(
    "WELLGATE_TEST_CHIP" not in os.environ or importlib.util.find_spec("gpiod") is None,
    reason="opt-in: name a GPIO chip in WELLGATE_TEST_CHIP and install gpiod",
)
def test_the_kernels_lines_can_be_opened() -> None:
    device = WiegandDevice(SETTINGS.model_copy(update={"chip": os.environ["WELLGATE_TEST_CHIP"]}), FakeClock())
    device.open()
    assert device.framer.frames_bad == 0
    device.close()

"""The demo's pins: what they write, and the gate at which a crash test stops a process."""

import asyncio
import os
import threading
from pathlib import Path

import pytest
from gpiozero import OutputDevice

from deploy.demo.pins import GATE_BYTES, PipeFactory, factory_name
from edge.relays.gpio import open_factory
from tests.edge.waiting import until


def test_every_change_of_an_output_is_one_numbered_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "pins"
    record.touch()
    monkeypatch.setenv("WELLGATE_PINS", str(record))
    factory = open_factory(factory_name())
    relay, lamp = OutputDevice(17, pin_factory=factory), OutputDevice(22, pin_factory=factory)
    relay.on()
    lamp.on()
    lamp.on()
    relay.off()
    assert record.read_text() == "17 1 1\n22 1 2\n17 0 3\n"
    factory.close()


def test_lines_arrive_through_a_fifo_at_once_and_its_reader_may_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fifo = tmp_path / "pins"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    monkeypatch.setenv("WELLGATE_PINS", str(fifo))
    factory = PipeFactory()
    relay = OutputDevice(17, pin_factory=factory)
    relay.on()
    assert os.read(reader, 100) == b"17 1 1\n"
    os.close(reader)
    relay.off()
    assert relay.value == 0
    factory.close()


async def test_an_armed_gate_stops_an_output_before_it_goes_high(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, gate = tmp_path / "pins", tmp_path / "gate"
    record.touch()
    gate.write_bytes(bytes(GATE_BYTES))
    monkeypatch.setenv("WELLGATE_PINS", str(record))
    monkeypatch.setenv("WELLGATE_GATE", str(gate))
    factory = PipeFactory()
    relay = OutputDevice(17, pin_factory=factory)
    with gate.open("r+b", buffering=0) as file:
        file.write(b"\x01")
        opener = threading.Thread(target=relay.on)
        opener.start()
        await until(lambda: gate.read_bytes()[1] == 1)
        assert record.read_text() == ""
        file.seek(0)
        file.write(b"\x00")
    await asyncio.to_thread(opener.join, 5)
    assert record.read_text() == "17 1 1\n"
    factory.close()

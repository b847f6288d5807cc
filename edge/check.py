"""`wellgate-edge check`: everything a technician can have wrong, one line each, without starting anything."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from edge.clock import make_clock
from edge.config import ConfigError, EdgeConfig, Loaded, SerialReader, load
from edge.readers.device import DeviceError
from edge.readers.serial_port import SerialDevice
from edge.relays.gpio import Pins, PinsError
from edge.store.access import AccessStore
from edge.store.database import KEEP, reading
from protocol.clock import Clock, Trust
from protocol.identity import SiteId

_LITTLE_ROOM: Final = 100_000_000
"""Bytes. A busy year of entries fits into it."""


class Line(NamedTuple):
    """One thing that was looked at."""

    state: str
    """`ok`, `warn` or `FAIL`."""
    text: str


def check(path: Path) -> Iterator[Line]:
    """Look at everything that `path` sets up."""
    try:
        loaded = load(path)
    except ConfigError as fault:
        yield from (Line("FAIL", line) for line in str(fault).splitlines())
        return
    yield from _settings(path, loaded)
    config = loaded.config
    try:
        clock = make_clock(config.clock.file if config.clock else None)
    except ValueError as fault:
        yield Line("FAIL", str(fault))
        return
    yield _clock(clock)
    yield _data(config)
    yield from _journal(config)
    yield _pins(config, clock)
    for one in config.readers:
        if isinstance(one, SerialReader):
            yield _port(one, clock)
    yield _access_list(config)


def _settings(path: Path, loaded: Loaded) -> Iterator[Line]:
    config = loaded.config
    yield Line("ok", f"settings {path}: {len(config.readers)} readers, {len(config.lanes)} lanes")
    for warning in loaded.warnings:
        yield Line("warn", warning)


def _clock(clock: Clock) -> Line:
    reading = clock.read()
    text = f"clock says {reading.wall.isoformat(timespec='seconds')}, {reading.trust.value}"
    match reading.trust:
        case Trust.TRUSTED:
            return Line("ok", text)
        case Trust.DRIFTING:
            return Line("warn", f"{text}: nothing keeps it right; check NTP")
        case Trust.UNSET:
            return Line("FAIL", f"{text}: before this version was made; set it, then check NTP and the battery")


def _data(config: EdgeConfig) -> Line:
    folder = config.data
    parent = next(one for one in (folder, *folder.parents) if one.exists())
    if not parent.is_dir():
        return Line("FAIL", f"data {folder}: {parent} is no folder; move it away, or name another folder")
    if not os.access(parent, os.W_OK):
        return Line("FAIL", f"data {folder}: {parent} cannot be written by this user; correct its owner")
    free = shutil.disk_usage(parent).free
    if free < _LITTLE_ROOM:
        return Line("warn", f"data {folder} can be written, but only {free // 1_000_000} MB are free; make room")
    return Line("ok", f"data {folder} can be written")


def _journal(config: EdgeConfig) -> Iterator[Line]:
    path = config.data / "journal.db"
    if not path.is_file():
        return  # made at the first start
    try:
        with contextlib.closing(reading(path)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError as problem:
        yield Line("FAIL", f"journal {path} cannot be opened ({problem}): check room, rights and health of the disk")
    except sqlite3.DatabaseError as problem:
        yield Line("FAIL", f"journal {path} is not a readable database ({problem}); {KEEP}")
    else:
        yield Line("ok", f"journal {path} can be read")


def _pins(config: EdgeConfig, clock: Clock) -> Line:
    return _tried(
        f"pins: {config.gpio.pin_factory}, {sum(len(list(lane.pins)) for lane in config.lanes)} in use",
        lambda: Pins(config.gpio.pin_factory, config.lanes, clock).close(),
    )


def _port(reader: SerialReader, clock: Clock) -> Line:
    device = SerialDevice(reader, clock)

    def try_it() -> None:
        device.open()
        device.close()

    return _tried(f"reader {reader.id} on {reader.port}", try_it)


def _access_list(config: EdgeConfig) -> Line:
    if not (config.data / "access.db").exists():
        return Line("warn", "no access list yet: nobody but exits is let through until central is reached")
    access = AccessStore.open(config.data, site=SiteId(config.site))
    try:
        if not access.revision:
            return Line("FAIL", access.problems()[0])
        return Line("ok", f"access list {access.revision}")
    finally:
        access.close()


def _tried(what: str, attempt: Callable[[], object]) -> Line:
    try:
        attempt()
    except (DeviceError, PinsError) as fault:
        return Line("FAIL", f"{what}: {fault}")
    return Line("ok", what)

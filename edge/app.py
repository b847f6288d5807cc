"""The agent put together: which parts there are, who owns their tasks, and the order in which they stop.

Starting: files, then pins, then lanes, then readers; the network comes beside them and is never waited for. Stopping:
readers first, so that nothing new comes in; then what was read is answered; then the lanes close; then the line and the
files.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import BaseModel

from edge.barrier import Barrier, profile_of
from edge.clock import SystemClock, make_clock, sleep
from edge.config import EdgeConfig, SerialReader, WiegandReader
from edge.frames import Read
from edge.health import tell_systemd
from edge.network import Network
from edge.passage import Passages
from edge.readers import Reader
from edge.readers.device import DeviceReader
from edge.readers.serial_port import SerialDevice
from edge.readers.wiegand_pins import WiegandDevice
from edge.relays.gpio import Pins
from edge.store.access import AccessStore
from edge.store.database import StoreError
from edge.store.journal import Journal
from protocol.clock import Clock
from protocol.identity import EdgeId, LaneId, ReaderId, SiteId
from protocol.journal import Stamp
from protocol.messages import Notice

log = logging.getLogger(__name__)

_DRAIN_S: Final = 2.0
"""How long reads under way may take to be answered when the agent stops."""
_HOUSEKEEPING_S: Final = 600.0
_FIRST_TRY_S: Final = 5.0
"""How long readers may take to open before the agent says it is ready without them."""


class _StampOnly(BaseModel):
    """What every entry has, also one that a newer version wrote."""

    stamp: Stamp


class Files(NamedTuple):
    """What lies on the disk of an edge."""

    journal: Journal
    access: AccessStore


@contextlib.contextmanager
def opened_files(config: EdgeConfig, clock: Clock, on_commit: Callable[[int], None]) -> Iterator[Files]:
    """Open journal and access list. Raises StoreError when the journal cannot be used: no edge runs without one."""
    config.data.mkdir(parents=True, exist_ok=True)
    with _alone(config.data):
        yield from _opened(config, clock, on_commit)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder for this process: two agents would answer twice and push each other off the broker."""
    held = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            raise StoreError(
                f"data folder {folder} is in use by another wellgate-edge; stop that one, or give each its own folder"
            ) from taken
        yield
    finally:
        os.close(held)


def _opened(config: EdgeConfig, clock: Clock, on_commit: Callable[[int], None]) -> Iterator[Files]:
    access = AccessStore.open(config.data, site=SiteId(config.site))
    try:
        journal = Journal.open(config.data / "journal.db", edge=EdgeId(config.edge), clock=clock, on_commit=on_commit)
        try:
            yield Files(journal, access)
        finally:
            journal.close()
    finally:
        access.close()


def device_readers(config: EdgeConfig, clock: Clock) -> list[Reader]:
    """The readers of the settings, on their devices."""
    readers: list[Reader] = []
    for one in config.readers:
        match one:
            case SerialReader():
                readers.append(DeviceReader(ReaderId(one.id), SerialDevice(one, clock), clock))
            case WiegandReader():
                readers.append(DeviceReader(ReaderId(one.id), WiegandDevice(one, clock), clock))
    return readers


class Agent:
    """Readers, passages and lanes: everything that works without a network."""

    def __init__(
        self,
        config: EdgeConfig,
        *,
        clock: Clock,
        files: Files,
        pins: Pins,
        readers: Sequence[Reader],
        is_online: Callable[[], bool],
        notify: Callable[[Notice], None],
    ) -> None:
        self.readers = readers
        self.passages = Passages(
            site=SiteId(config.site),
            clock=clock,
            journal=files.journal,
            access=files.access,
            lanes={LaneId(lane.id): lane for lane in config.lanes},
            readers={ReaderId(reader.id): reader for reader in config.readers},
            is_online=is_online,
            notify=notify,
        )
        self.passages.barriers = {
            LaneId(lane.id): Barrier(
                LaneId(lane.id), profile_of(lane), pins.lanes[lane.id], clock, self.passages.outcome
            )
            for lane in config.lanes
        }
        self._group = asyncio.TaskGroup()
        self._answering: set[asyncio.Task[object]] = set()

    # --- what readers tell (edge.readers.Sink) ------------------------------------------------------------------------

    def card(self, reader: ReaderId, read: Read) -> None:
        """A card was presented."""
        task: asyncio.Task[object] = self._group.create_task(
            self.passages.present(reader, read), name=f"card at {reader}"
        )
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    def lost(self, reader: ReaderId, detail: str) -> None:
        """A reader has fallen silent."""
        self.passages.reader_changed(reader, "lost", detail)

    def back(self, reader: ReaderId, detail: str) -> None:
        """A reader can be heard again."""
        self.passages.reader_changed(reader, "back", detail)

    async def opened_readers(self) -> int:
        """Wait until every reader has tried its device once; return how many are open."""
        tries = [asyncio.ensure_future(reader.opened()) for reader in self.readers]
        done, late = await asyncio.wait(tries, timeout=_FIRST_TRY_S)
        for task in late:
            task.cancel()
        return sum(task.result() for task in done)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; then answer what was read, and return. A part that fails ends all of them."""
        async with self._group as group:
            lanes = [
                group.create_task(barrier.run(), name=f"lane {lane}")
                for lane, barrier in self.passages.barriers.items()
            ]
            readers = [group.create_task(reader.run(self), name=f"reader {reader.id}") for reader in self.readers]
            await stop.wait()
            await cancelled(readers)
            if self._answering:
                await asyncio.wait(self._answering, timeout=_DRAIN_S)
            await cancelled(lanes)


async def keep_house(clock: Clock, journal: Journal) -> None:
    """Let the journal forget what is long acknowledged, now and then, until cancelled."""
    while True:
        journal.prune(clock.read().wall)
        await sleep(clock, _HOUSEKEEPING_S)


def raise_floor(clock: Clock, files: Files) -> None:
    """Teach a real clock that it is later than anything on the disk (rulings 2, security.md §7)."""
    if not isinstance(clock, SystemClock):
        return
    if files.access.made_at:
        clock.raise_floor(files.access.made_at)
    for entry in files.journal.read(files.journal.committed, 1, 0):
        clock.raise_floor(_StampOnly.model_validate_json(entry.body).stamp.at)


async def cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they have ended."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


async def run(config: EdgeConfig, announce: Callable[[str], None]) -> None:
    """Run the edge until SIGTERM or SIGINT; `announce` gets the one line that says it is ready.

    Raises StoreError or PinsError when it cannot start.
    """
    clock = make_clock(config.clock.file if config.clock else None)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    bell: list[Callable[[int], None]] = []

    def ring(through: int) -> None:
        """Tell whoever serves central that there is more; the journal is open before the line is."""
        for listener in bell:
            listener(through)

    with (
        opened_files(config, clock, ring) as files,
        Pins(config.gpio.pin_factory, config.lanes, clock) as pins,
    ):
        raise_floor(clock, files)
        network = Network(config, clock=clock, journal=files.journal, access=files.access)
        bell.append(network.uplink.wake)
        agent = Agent(
            config,
            clock=clock,
            files=files,
            pins=pins,
            readers=device_readers(config, clock),
            is_online=lambda: network.uplink.online,
            notify=network.uplink.publish_notice,
        )
        async with asyncio.TaskGroup() as group:
            working = group.create_task(agent.run(stop), name="agent")
            beside = [
                group.create_task(keep_house(clock, files.journal), name="housekeeping"),
                group.create_task(network.run(agent.passages, agent.readers), name="network"),
            ]
            count = await agent.opened_readers()
            announce(ready_line(config, files, count))
            tell_systemd("READY=1")
            await working
            tell_systemd("STOPPING=1")
            await cancelled(beside)


def ready_line(config: EdgeConfig, files: Files, opened: int) -> str:
    """The line that says that cards are answered from now on, and by what."""
    access = f"access list {files.access.revision}" if files.access.revision else "no access list yet"
    waiting = files.journal.last - files.journal.acknowledged
    return (
        f"READY edge={config.edge} site={config.site} readers={opened}/{len(config.readers)} lanes={len(config.lanes)}"
        f" revision={files.access.revision} ({access}, {waiting} entries waiting)"
    )

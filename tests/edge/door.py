"""An edge without its network: real journal, real access list, real lanes on mock pins, a clock that tests set."""

import asyncio
import contextlib
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from edge.barrier import Barrier, profile_of
from edge.config import LaneConfig, Output, ReaderBase, Relay, Rotation
from edge.frames import Read
from edge.passage import Answered, Passages
from edge.relays.gpio import Pins
from edge.store.access import AccessStore
from edge.store.journal import Journal
from protocol.credential import CardFormat, normalise
from protocol.entitlement import Holder
from protocol.identity import EdgeId, LaneId, ReaderId
from protocol.journal import BODY, AnyBody
from protocol.messages import Notice
from protocol.policy import ReaderKind, ReaderPolicy
from tests.edge.builders import SITE, access_list
from tests.fakes import FakeClock

RELAY, GREEN, RED, SENSOR = 17, 22, 23, 24
EXIT_RELAY, EXIT_GREEN = 18, 25


class Disk:
    """A journal's slow disk: while it is stalled no commit ends."""

    def __init__(self) -> None:
        self._free = threading.Event()
        self._free.set()

    def stall(self) -> None:
        self._free.clear()

    def go_on(self) -> None:
        self._free.set()

    def gate(self) -> None:
        assert self._free.wait(10)


class Door:
    """What a test does at the door, and what it can see of it."""

    def __init__(self, passages: Passages, journal: Journal, access: AccessStore, pins: Pins, clock: FakeClock) -> None:
        self.passages = passages
        self.journal = journal
        self.access = access
        self.pins = pins
        self.clock = clock
        self.disk = Disk()
        self.online = True
        self.notices: list[Notice] = []

    async def tap(self, number: str, reader: str = "RD-IN") -> Answered | None:
        """Present a card by its decimal number."""
        return await self.passages.present(ReaderId(reader), Read(normalise(number, CardFormat.DECIMAL), number))

    async def tap_at(self, local: str, number: str, reader: str = "RD-IN") -> str:
        """Present a card at a local time of 10 March 2026; return the reason."""
        at = datetime.fromisoformat(f"2026-03-10T{local}+01:00")
        self.clock.set(at)
        answered = await self.tap(number, reader)
        assert answered is not None
        return answered.verdict.reason.value

    def entries(self) -> list[AnyBody]:
        """The committed journal."""
        return [BODY.validate_json(entry.body) for entry in self.journal.read(1, 1_000, 10_000_000)]

    async def committed(self) -> list[AnyBody]:
        """The journal, once everything is on the disk."""
        async with asyncio.timeout(10):
            while self.journal.committed < self.journal.last:  # noqa: ASYNC110 – the writer's thread commits
                await asyncio.sleep(0.002)
        return self.entries()

    def levels(self, pin: int) -> list[int]:
        """Every level the pin has had since the start."""
        return [int(one.state) for one in self.pin(pin).states]

    def pin(self, number: int) -> Any:
        """The mock pin itself."""
        return self.pins._factory.pin(number)

    async def wait(self, seconds: float) -> None:
        """Let the clock go on and the lanes notice."""
        self.clock.advance(timedelta(seconds=seconds))
        await asyncio.sleep(0.03)


@contextlib.asynccontextmanager
async def door(
    folder: Path,
    *,
    holders: Iterable[tuple[str, Holder]] = (),
    readers: Iterable[ReaderPolicy] | None = None,
    sensor: bool = False,
    opens_first: bool = False,
    pulse_ms: int | None = None,
    with_list: bool = True,
    presence_window_s: float = 1.5,
    make_clock: Callable[[], Any] = FakeClock,
) -> AsyncIterator[Door]:
    """Open an edge in `folder`; open it again there for a restart."""
    clock = make_clock()
    rotation = Rotation(pin=SENSOR, timeout_s=8.0) if sensor else None
    lanes = [
        LaneConfig(
            id="entrance",
            relay=Relay(pin=RELAY, pulse_ms=pulse_ms),
            granted_lamp=Output(pin=GREEN),
            denied_lamp=Output(pin=RED),
            rotation=rotation,
            opens_first=opens_first,
        ),
        LaneConfig(id="exit", relay=Relay(pin=EXIT_RELAY), granted_lamp=Output(pin=EXIT_GREEN)),
    ]
    at = {
        ReaderId("RD-IN"): ReaderBase(id="RD-IN", lane="entrance", presence_window_s=presence_window_s),
        ReaderId("RD-IN2"): ReaderBase(id="RD-IN2", lane="entrance", presence_window_s=presence_window_s),
        ReaderId("RD-OUT"): ReaderBase(
            id="RD-OUT", lane="exit", presence_window_s=presence_window_s, kind=ReaderKind.OUT
        ),
    }
    access = AccessStore.open(folder, site=SITE)
    if with_list and not access.revision:
        access.install(access_list(access.draft(), holders=holders, readers=readers))
    opened: list[Door] = []
    journal = Journal.open(
        folder / "journal.db",
        edge=EdgeId("edge-1"),
        clock=clock,
        rng=random.Random(7),  # noqa: S311 – an epoch that is the same every time
        gate=lambda: opened[0].disk.gate() if opened else None,
    )
    with Pins("mock", lanes, clock) as pins:
        passages = Passages(
            site=SITE,
            clock=clock,
            journal=journal,
            access=access,
            lanes={LaneId(lane.id): lane for lane in lanes},
            readers=at,
            is_online=lambda: opened[0].online,
            notify=lambda notice: opened[0].notices.append(notice),  # noqa: PLW0108 – there is no door yet
        )
        passages.barriers = {
            LaneId(lane.id): Barrier(LaneId(lane.id), profile_of(lane), pins.lanes[lane.id], clock, passages.outcome)
            for lane in lanes
        }
        one = Door(passages, journal, access, pins, clock)
        opened.append(one)
        running = [asyncio.create_task(barrier.run()) for barrier in passages.barriers.values()]
        await asyncio.sleep(0)
        try:
            yield one
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            one.disk.go_on()
            journal.close()
            access.close()

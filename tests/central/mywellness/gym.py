"""A central with people, passages and a forwarder, and the sandbox it sends to: both on one clock that a test turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa

from central.changes import Unit, Units
from central.database import Database
from central.memberships import products, service as memberships
from central.memberships.model import ProductType, ProductValues
from central.mywellness import store, store_queue
from central.mywellness.client import MywellnessClient
from central.mywellness.evaluation import Link
from central.mywellness.sandbox import Facility, Fault, FaultKind, Ledger, Sandbox, Switches, create_app, running
from central.mywellness.sandbox.calls import Call
from central.mywellness.sandbox.clock import WallOf
from central.mywellness.sandbox.control import SANDBOX
from central.mywellness.service import Mywellness
from central.mywellness.settings import ClientSettings, ForwardSettings
from central.mywellness.states import LinkEvent, LinkState
from central.mywellness.worker import Forwarder
from central.passages.service import store_batch
from central.people import service as people
from central.people.model import Gender
from central.schema import QueueAction, QueueState, alarm, queue
from protocol.identity import EdgeId
from tests.central.passages.builders import STOCKHOLM, Writer, local, seed
from tests.fakes import FakeClock

P = ParamSpec("P")
T = TypeVar("T")

KEY, USER, PASSWORD = "KEY-123456789", "sync@club.example", "correct horse"
FACILITY = "mygym"

COMPLETE: dict[str, Any] = {
    "first_name": "Evelina",
    "last_name": "Lind",
    "birth_date": date(1990, 5, 15),
    "gender": Gender.FEMALE,
    "email": "evelina@example.com",
    "member_since_override": date(2019, 1, 15),
    "allow_sync": True,
    "allow_activity_sync": True,
}
PATIENT = ForwardSettings(zone=STOCKHOLM, calls_per_second=None)
"""The defaults, but as fast as the answers come."""
REPLAY = replace(PATIENT, coalesce=timedelta(), first_backoff=timedelta(milliseconds=50))
"""As a replay sets them (rulings 23)."""


def client_settings(url: str) -> ClientSettings:
    """Return the way in to a sandbox."""
    return ClientSettings(
        base_url=url,
        facility=FACILITY,
        api_key=KEY,
        username=USER,
        password=PASSWORD,
        connect_timeout=timedelta(seconds=1),
        answer_timeout=timedelta(seconds=0.5),
        refused_login_pause=timedelta(seconds=30),
    )


@asynccontextmanager
async def sandbox_at(clock: FakeClock, port: int = 0) -> AsyncIterator[tuple[str, Sandbox]]:
    """Run a sandbox on the test's clock."""
    facilities = [Facility.named(FACILITY)]
    app = create_app(Ledger(None), WallOf(clock), Switches(), (KEY, USER, PASSWORD), facilities)
    async with running(app, "127.0.0.1", port) as url:
        yield url, app[SANDBOX]


class Central:
    """Central without its forwarder: people, subscriptions, passages, links and queue over a real database."""

    def __init__(self, database: Database, clock: FakeClock, settings: ForwardSettings = PATIENT) -> None:
        """Seed site F1 and product P-GYM; M1001, M1002 and M1003 are there but neither complete nor members."""
        self.database, self.clock = database, clock
        self.mywellness = Mywellness(settings)
        self.units = Units(database, clock, [self.mywellness.react])
        self.edge = Writer()
        self._delivered = 0
        seed(database)
        gym: ProductValues = {"number": "1", "name": "Gym", "type": ProductType.SUBSCRIPTION, "sites": ["F1"]}
        self.does(products.create, "P-GYM", gym)

    def does(self, work: Callable[Concatenate[Unit, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a use case as one transaction."""
        return self.units.run_sync(work, *args, **kwargs)

    def changes(self, person: str = "M1001", **values: object) -> None:
        """Change a person."""
        self.does(people.change, person, values)  # type: ignore[arg-type]

    def completes(self, person: str = "M1001", **differs: object) -> None:
        """Give a person everything Mywellness demands, and consent."""
        self.changes(person, **{**COMPLETE, "email": f"{person}@example.com", "last_name": person, **differs})

    def subscribes(self, person: str = "M1001", **differs: Any) -> int:
        """Sell SUB-1 of requirements §0.2 to a person."""
        values: dict[str, Any] = {
            "start": date(2025, 6, 1),
            "bound_through": date(2026, 5, 31),
            "charged_through": date(2026, 3, 31),
            "auto_renew": True,
            **differs,
        }
        return self.does(memberships.subscribe, person=person, product="P-GYM", site="F1", **values).id

    def joins(self, person: str = "M1001", **differs: object) -> int:
        """Make a person a complete, consenting member in one transaction each; return the subscription."""
        key = self.subscribes(person)
        self.completes(person, **differs)
        return key

    def reads(self, at: str | datetime, reader: str = "RD-IN", person: str = "M1001", **differs: object) -> str:
        """Let the edge read a card; what it journals arrives with `arrives`. Return the event id."""
        return self.edge.event(self.edge.read(at, reader, person, **differs))

    @property
    def waits_to_arrive(self) -> bool:
        """Whether the edge has journaled what was not taken in yet."""
        return self._delivered < len(self.edge.entries)

    def arrives(self, limit: int = 50) -> None:
        """Take in what the edge has journaled since the last time, at most `limit` entries."""
        first = self._delivered + 1
        self._delivered = min(self._delivered + limit, len(self.edge.entries))
        payload = self.edge.batch(first, self._delivered)
        self.does(store_batch, EdgeId("edge-a"), payload, self.mywellness.plan_visits)

    def enters(self, at: str | datetime, reader: str = "RD-IN", person: str = "M1001", **differs: object) -> str:
        """Let the edge read a card, online; return the event id."""
        event = self.reads(at, reader, person, **differs)
        self.arrives()
        return event

    def operates(self, operation: LinkEvent, person: str = "M1001") -> LinkState | None:
        """Let staff do something about a link."""
        return self.does(self.mywellness.operate, person, operation)

    def night(self, text: str) -> bool:
        """Go to a local time and let the nightly job run."""
        self.clock.set(local(text))
        return self.does(self.mywellness.nightly)

    def asks(self, question: sa.Executable) -> Sequence[sa.Row[Any]]:
        """Ask the database."""
        return self.database.sync_read(lambda connection: connection.execute(question).all())

    def link(self, person: str = "M1001") -> Link:
        """Return a person's link; an empty one when there is none."""
        return self.database.sync_read(store.load, [person])[person].link or Link()

    def queued(self, *actions: QueueAction) -> list[tuple[QueueAction, QueueState, str]]:
        """Return action, state and detail of the queue's rows, oldest first."""
        rows = self.asks(sa.select(queue.c.action, queue.c.state, queue.c.detail).order_by(queue.c.id))
        found = [(QueueAction(row.action), QueueState(row.state), str(row.detail)) for row in rows]
        return [row for row in found if not actions or row[0] in actions]

    def visits(self) -> list[tuple[QueueState, str]]:
        """Return state and detail of the rows of visits, oldest first."""
        return [(state, detail) for _, state, detail in self.queued(QueueAction.VISIT)]

    def alarms(self) -> list[str]:
        """Return the kinds of the open alarms."""
        return [row.kind for row in self.asks(sa.select(alarm.c.kind).where(alarm.c.cleared_at.is_(None)))]


class Gym(Central):
    """Central with its forwarder and the sandbox."""

    def __init__(
        self, database: Database, clock: FakeClock, url: str, sandbox: Sandbox, settings: ForwardSettings = PATIENT
    ) -> None:
        """Forward to the sandbox at `url`."""
        super().__init__(database, clock, settings)
        self.url, self.sandbox = url, sandbox
        self.client_settings = client_settings(url)

    @asynccontextmanager
    async def forwarding(self, boot: str = "boot-1") -> AsyncIterator[None]:
        """Run a forwarder inside the block."""
        now = lambda: self.clock.read().wall  # noqa: E731 - a clock's reading as a question
        async with MywellnessClient(self.client_settings, now=now) as client:
            forwarder = Forwarder(self.units, self.mywellness, client, boot=boot, facility=FACILITY)
            task = asyncio.create_task(forwarder.run())
            try:
                yield
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def sends(self, boot: str = "boot-1") -> None:
        """Run a forwarder until nothing is due and nothing is on its way."""
        async with self.forwarding(boot):
            await self.until(self.is_idle)

    def is_idle(self) -> bool:
        """Say whether nothing is on its way and nothing could be sent now."""
        sending = sa.select(queue.c.id).where(queue.c.state == QueueState.SENDING)
        next_row = store_queue.NEXT.params(now=self.clock.read().wall)
        return not (self.asks(sending) or self.asks(next_row))

    async def until(self, true: Callable[[], bool], seconds: float = 20) -> None:
        """Wait until something is true, twice in a row."""
        async with asyncio.timeout(seconds):
            while not (true() and await asyncio.sleep(0.03, result=True) and true()):  # noqa: ASYNC110 - asks a database
                await asyncio.sleep(0.01)

    def later(self, **by: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(**by))

    def arm(self, kind: FaultKind, action: str | None = None, *, count: int = 1, skip: int = 0) -> None:
        """Let the next calls fail."""
        self.sandbox.faults.arm(Fault(kind, action, count=count, skip=skip))

    def switch(self, **positions: object) -> None:
        """Turn a switch of the sandbox."""
        self.sandbox.switches = replace(self.sandbox.switches, **positions)  # type: ignore[arg-type]

    def calls(self, action: str | None = None) -> list[Call]:
        """Return the calls so far, logins left out, or those of one action."""
        every = [call for call in self.sandbox.calls.after(0) if call.action != "AccessIntegration"]
        return every if action is None else [call for call in every if call.action == action]

    def actions(self) -> list[str]:
        """Return what was called, in order, logins left out."""
        return [SHORT.get(call.action, call.action) for call in self.calls()]

    def forgets_calls(self) -> None:
        """Count calls from here on."""
        self.sandbox.calls.clear()

    def times(self) -> list[str]:
        """Return the times of the visits that reached the sandbox's ledger, in the order they came."""
        return [visit.visit_date or "" for visit in self.sandbox.ledger.visits]

    async def member(self, person: str = "M1001", **differs: object) -> int:
        """Make a person a member who is at Mywellness, and forget the calls; return the subscription."""
        key = self.joins(person, **differs)
        self.later(seconds=30)
        await self.sends()
        self.later(seconds=30)
        await self.sends()
        assert self.link(person).state is LinkState.ENABLED
        self.forgets_calls()
        return key


SHORT = {
    "CreateFacilityUserFromThirdParty": "create",
    "GetFacilityUserByExternalID": "look up",
    "GetFacilityUserFromPermanentToken": "look up by token",
    "Update": "update",
    "SaveMembership": "membership",
    "Visit": "visit",
    "Delete": "delete",
}

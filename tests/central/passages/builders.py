"""A gym with two doors, a member, and edges that write journals; a test names only what differs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from central.changes import Unit, Units
from central.database import Database
from central.passages.rules import VisitPlan
from central.passages.service import StoredBatch, store_batch
from central.schema import QueueState, edge, lane, passage, person, queue, reader, site, visit
from protocol.clock import Trust
from protocol.decision import PassageKind, Reason
from protocol.identity import EdgeId, Epoch, Identity
from protocol.journal import (
    AnyBody,
    Batch,
    Entry,
    OpenedFirst,
    Outcome,
    Passage,
    ReaderChange,
    Stamp,
    chain,
)
from protocol.policy import ReaderKind
from tests.fakes import FakeClock

STOCKHOLM = ZoneInfo("Europe/Stockholm")
MEMBERS = ("M1001", "M1002", "M1003")
READERS = {"RD-IN": "IN", "RD-OUT": "OUT", "RD-INNER": "INNER", "RD-IO": "IN_OUT", "RD-SHOP": "IN"}


def local(text: str) -> datetime:
    """Return an instant from a wall clock in Stockholm, such as `2026-03-10 09:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=STOCKHOLM).astimezone(UTC)


def seed(database: Database, *, rollover: int = 0, edges: Iterable[str] = ("edge-a", "edge-b")) -> None:
    """Put site F1 with its readers, some members and edges into an empty database. `RD-SHOP` gives no new visits."""

    def work(connection: sa.Connection) -> None:
        connection.execute(
            site.insert(), {"id": "F1", "name": "Solna", "zone": "Europe/Stockholm", "rollover": rollover}
        )
        connection.execute(lane.insert(), {"id": "L1", "site": "F1", "name": "Entrance"})
        connection.execute(
            reader.insert(),
            [
                {
                    "id": key,
                    "site": "F1",
                    "lane": "L1",
                    "name": key,
                    "kind": kind,
                    "counts_visits": key != "RD-SHOP",
                }
                for key, kind in READERS.items()
            ],
        )
        for key in edges:
            row = {"id": key, "site": "F1", "token_hash": key, "broker_hash": "", "created_at": local("2026-01-01")}
            connection.execute(edge.insert(), row)
        for key in MEMBERS:
            row = {"id": key, "number": key, "first_name": "Evelina", "roles": [], "created_at": local("2026-01-01")}
            connection.execute(person.insert(), row)

    database.sync_write(work)


@dataclass
class Writer:
    """The journal of one edge, as bytes on the wire."""

    edge: str = "edge-a"
    epoch: str = "00000000000000aa"
    entries: list[Entry] = field(default_factory=list)

    def add(self, body: AnyBody | str) -> int:
        """Append an entry and return its sequence."""
        text = body if isinstance(body, str) else body.model_dump_json()
        previous = self.entries[-1].hash if self.entries else self.epoch
        self.entries.append(Entry(hash=chain(previous, text), body=text))
        return len(self.entries)

    def read(self, at: str | datetime, reader: str = "RD-IN", person: str | None = "M1001", **differs: object) -> int:
        """Append a granted passage."""
        return self.add(taken(at, reader, person, **differs))

    def batch(self, first: int = 1, last: int | None = None) -> bytes:
        """Return the entries from `first` to `last` as one message."""
        last = last or len(self.entries)
        return (
            Batch(
                edge=self.edge,
                epoch=self.epoch,
                first=first,
                last=last,
                entries=tuple(self.entries[first - 1 : last]),
            )
            .model_dump_json()
            .encode()
        )

    def event(self, sequence: int) -> str:
        """Return the public id of an entry."""
        return Identity(EdgeId(self.edge), Epoch(self.epoch), sequence).event_id


def stamp(at: str | datetime) -> Stamp:
    """Return a stamp from a wall clock in Stockholm."""
    when = local(at) if isinstance(at, str) else at
    return Stamp(at=when, local=when.astimezone(STOCKHOLM), mono_ms=1, boot="boot-1", clock=Trust.TRUSTED)


def taken(at: str | datetime, reader: str = "RD-IN", person: str | None = "M1001", **differs: object) -> Passage:
    """Return a granted passage of M1001 through the entrance."""
    kind = ReaderKind(READERS[reader])
    values: dict[str, object] = {
        "stamp": stamp(at),
        "site": "F1",
        "reader": reader,
        "lane": "L1",
        "direction": kind,
        "passage": {"OUT": PassageKind.OUT, "INNER": PassageKind.INNER}.get(kind.value, PassageKind.IN),
        "credential": "em40:0000989816",
        "raw": "10000342",
        "person": person,
        "granted": True,
        "reason": Reason.OK,
        "new_visit": kind is ReaderKind.IN,
        "revision": 1,
        "offline": False,
        **differs,
    }
    return Passage.model_validate(values)


def denied(
    at: str, reason: Reason = Reason.FROZEN, person: str | None = "M1001", reader: str = "RD-IN", **differs: object
) -> Passage:
    """Return a refused passage."""
    return taken(at, reader, person, granted=False, reason=reason, all_reasons=(reason,), new_visit=False, **differs)


def outcome(at: str, of: int, *, passed: bool) -> Outcome:
    """Return what the sensor saw."""
    return Outcome(stamp=stamp(at), lane="L1", of=of, passed=passed)


def opened_first(at: str, of: int) -> OpenedFirst:
    """Return the note that a lane opened before its record."""
    return OpenedFirst(stamp=stamp(at), of=of)


def reader_change(at: str, state: str) -> ReaderChange:
    """Return the note that a reader fell silent or is back."""
    return ReaderChange.model_validate({"stamp": stamp(at), "reader": "RD-IN", "state": state})


class Central:
    """Central's side of ingest over a real database, with a queue that takes every visit."""

    def __init__(self, database: Database, now: str = "2026-03-10 12:00") -> None:
        self.database = database
        self.clock = FakeClock(local(now))
        self.units = Units(database, self.clock)
        self.plans: list[VisitPlan] = []

    def store(self, payload: bytes, edge_id: str = "edge-a") -> StoredBatch:
        """Store a message as ingest does."""
        return self.units.run_sync(store_batch, EdgeId(edge_id), payload, self.enqueue)

    def deliver(self, *writers: Writer) -> None:
        """Store the whole journal of each writer."""
        for writer in writers:
            self.store(writer.batch(), writer.edge)

    def enqueue(self, unit: Unit, plans: Sequence[VisitPlan]) -> None:
        """Queue like the forwarder, but without its conditions."""
        for plan in plans:
            self._enqueue(unit, plan)

    def _enqueue(self, unit: Unit, plan: VisitPlan) -> None:
        self.plans.append(plan)
        for event in plan.superseded:
            unit.connection.execute(
                queue.update()
                .where(queue.c.visit == event)
                .values(state=QueueState.SKIPPED, detail="superseded", done_at=unit.now)
            )
        for one in plan.queue:
            unit.connection.execute(queue.delete().where(queue.c.visit == one.id, queue.c.detail == "superseded"))
            row = {
                "person": plan.person,
                "action": "visit",
                "visit": one.id,
                "visit_at": one.opened_at,
                "site": plan.site,
                "created_at": unit.now,
                "due_at": unit.now,
            }
            unit.connection.execute(queue.insert(), row)

    def send(self, *events: str) -> None:
        """Pretend that the forwarder has sent these visits, or all that wait."""

        def work(connection: sa.Connection) -> None:
            wish = queue.update().where(queue.c.state == QueueState.NEW).values(state=QueueState.DONE)
            connection.execute(wish.where(queue.c.visit.in_(events)) if events else wish)

        self.database.sync_write(work)

    def rows(self, question: sa.Executable) -> list[tuple[object, ...]]:
        """Ask the database."""
        return self.database.sync_read(lambda connection: [tuple(row) for row in connection.execute(question)])

    def visits(self) -> list[tuple[str, str | None]]:
        """Return opening and closing time of every visit, on Stockholm's wall clock."""
        rows = self.rows(sa.select(visit.c.opened_at, visit.c.closed_at).order_by(visit.c.opened_at))
        return [(clock(opened), clock(closed) if closed else None) for opened, closed in rows]

    def queued(self) -> list[tuple[str, str]]:
        """Return time and state of every queue row of a visit."""
        rows = self.rows(sa.select(queue.c.visit_at, queue.c.state).order_by(queue.c.id))
        return [(clock(at), str(state)) for at, state in rows]

    def passages(self) -> list[tuple[str, str, bool]]:
        """Return time, reason and new-visit mark of every passage, in the order of time."""
        rows = self.rows(sa.select(passage.c.at, passage.c.reason, passage.c.new_visit).order_by(passage.c.at))
        return [(clock(at), str(reason), bool(new)) for at, reason, new in rows]


def clock(at: object) -> str:
    """Return the time of day in Stockholm."""
    assert isinstance(at, datetime)
    return f"{at.astimezone(STOCKHOLM):%H:%M}"


def minutes(start: str, count: int) -> list[datetime]:
    """Return `count` instants, a minute apart."""
    return [local(start) + timedelta(minutes=number) for number in range(count)]

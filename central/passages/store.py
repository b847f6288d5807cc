"""The tables of passages: one question or command per function."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from central.passages.entries import Row, storable
from central.passages.rules import SUPERSEDED, Visit
from central.schema import (
    QueueState,
    edge as edge_table,
    entry as entry_table,
    passage,
    person as person_table,
    quarantine as quarantine_table,
    queue,
    reader,
    site as site_table,
    stream as stream_table,
    visit as visit_table,
)
from protocol.identity import EventId
from protocol.journal import Entry

RAW_LIMIT = 64_000
"""Bytes kept of what could not be read."""


# The questions are made once: building one costs more than asking it.
_EDGE: Final = (
    sa.select(site_table.c.id, site_table.c.zone, site_table.c.rollover, edge_table.c.revoked_at)
    .join_from(edge_table, site_table)
    .where(edge_table.c.id == sa.bindparam("edge"))
    .with_for_update(of=edge_table, key_share=True)
)
_PLACE: Final = (
    sa.select(
        site_table.c.id,
        site_table.c.zone,
        site_table.c.rollover,
        edge_table.c.revoked_at,
        stream_table.c.through,
        stream_table.c.head_hash,
    )
    .join_from(edge_table, site_table)
    .join(stream_table, stream_table.c.edge == edge_table.c.id)
    .where(edge_table.c.id == sa.bindparam("edge"), stream_table.c.epoch == sa.bindparam("epoch"))
    .with_for_update(of=[edge_table, stream_table], key_share=True)
)
"""Both rows are held, so that PostgreSQL looks at both again after it has waited for whoever held them: a row that is
only joined would be told as it was before the wait."""
_OF_STREAM: Final = sa.and_(
    stream_table.c.edge == sa.bindparam("of_edge"), stream_table.c.epoch == sa.bindparam("of_epoch")
)
_STREAM: Final = sa.select(stream_table.c.through, stream_table.c.head_hash).where(_OF_STREAM)
_SAVE_STREAM: Final = (
    stream_table.update().where(_OF_STREAM).values(through=sa.bindparam("upto"), head_hash=sa.bindparam("head"))
)
_READERS_WITHOUT_VISITS: Final = sa.select(reader.c.id).where(
    reader.c.id.in_(sa.bindparam("readers", expanding=True)), reader.c.counts_visits.is_(sa.false())
)
_PEOPLE: Final = (
    sa.select(person_table.c.id, person_table.c.last_visit_at, person_table.c.last_attempt_at)
    .where(person_table.c.id.in_(sa.bindparam("people", expanding=True)))
    .order_by(person_table.c.id)
    .with_for_update(key_share=True)
)
_SAVE_PERSON: Final = (
    person_table.update()
    .where(person_table.c.id == sa.bindparam("key"))
    .values(last_visit_at=sa.bindparam("visited"), last_attempt_at=sa.bindparam("tried"))
)
_GRANTED: Final = (
    sa.select(
        passage.c.id,
        passage.c.at,
        passage.c.edge,
        passage.c.epoch,
        passage.c.sequence,
        passage.c.direction,
        passage.c.counts,
        passage.c.passed,
        passage.c.all_reasons,
        passage.c.person,
        passage.c.visit_day,
        passage.c.new_visit,
        visit_table.c.id.label("visit"),
        visit_table.c.ordinal,
        visit_table.c.opened_at,
        visit_table.c.closed_at,
        visit_table.c.sent_as,
    )
    .join_from(passage, visit_table, visit_table.c.id == passage.c.id, isouter=True)
    .where(
        passage.c.person.in_(sa.bindparam("people", expanding=True)),
        passage.c.site == sa.bindparam("site"),
        passage.c.visit_day.in_(sa.bindparam("days", expanding=True)),
        passage.c.granted.is_(sa.true()),
    )
)
"""With the visit that each one opened: a visit's id is that of its opening passage."""
_MARK: Final = passage.update().where(passage.c.id == sa.bindparam("key")).values(new_visit=sa.bindparam("opens"))
_ADD_ENTRIES: Final = entry_table.insert()
_ADD_PASSAGES: Final = passage.insert()
_ADD_VISITS: Final = visit_table.insert()
_QUEUED: Final = (
    sa.select(queue.c.visit, queue.c.state, queue.c.detail)
    .where(queue.c.visit.in_(sa.bindparam("events", expanding=True)))
    .order_by(queue.c.id)
    .with_for_update(key_share=True)
)


class EdgeSite(NamedTuple):
    """The edge a batch came from, and what its site says about time."""

    site: str
    zone: ZoneInfo
    rollover: int
    revoked: bool


class Stream(NamedTuple):
    """How far central has stored one journal."""

    through: int
    head: str


class StoredVisit(NamedTuple):
    """A row of `visit`."""

    id: str
    person: str
    visit_day: date
    ordinal: int
    opened_at: datetime
    closed_at: datetime | None
    sent_as: str | None


class Whereabouts(NamedTuple):
    """When a person was last seen, as stored."""

    last_visit_at: datetime | None
    last_attempt_at: datetime | None


# --- streams ----------------------------------------------------------------------------------------------------------


def lock_edge(connection: sa.Connection, edge: str, epoch: str) -> tuple[EdgeSite | None, Stream | None]:
    """Return the edge, and how far its journal is stored, `None` when nothing of it is.

    Both are held against every other process that stores for the edge until this transaction ends.
    """
    both = connection.execute(_PLACE, {"edge": edge, "epoch": epoch}).one_or_none()
    if both is not None:
        return _edge_site(both), Stream(both.through, both.head_hash)
    row = connection.execute(_EDGE, {"edge": edge}).one_or_none()
    return (None, None) if row is None else (_edge_site(row), stream(connection, edge, epoch))


def _edge_site(row: Any) -> EdgeSite:
    return EdgeSite(row.id, ZoneInfo(row.zone), row.rollover, row.revoked_at is not None)


def stream(connection: sa.Connection, edge: str, epoch: str) -> Stream | None:
    """Return how far this journal is stored, `None` when nothing of it is."""
    row = connection.execute(_STREAM, {"of_edge": edge, "of_epoch": epoch}).one_or_none()
    return None if row is None else Stream(*row)


def has_other_stream(connection: sa.Connection, edge: str, epoch: str) -> bool:
    """Tell whether entries of another journal of this edge are stored."""
    other = sa.select(stream_table.c.epoch).where(stream_table.c.edge == edge, stream_table.c.epoch != epoch).limit(1)
    return connection.execute(other).first() is not None


def save_stream(connection: sa.Connection, edge: str, epoch: str, now: Stream, *, new: bool) -> None:
    """Write how far this journal is stored."""
    if new:
        values = {"edge": edge, "epoch": epoch, "through": now.through, "head_hash": now.head}
        connection.execute(stream_table.insert(), values)
    else:
        place = {"of_edge": edge, "of_epoch": epoch}
        connection.execute(_SAVE_STREAM, {**place, "upto": now.through, "head": now.head})


def hashes(connection: sa.Connection, edge: str, epoch: str, first: int, last: int) -> Mapping[int, str]:
    """Return the stored hashes by sequence, both ends included."""
    rows = connection.execute(
        sa.select(entry_table.c.sequence, entry_table.c.hash).where(
            entry_table.c.edge == edge, entry_table.c.epoch == epoch, entry_table.c.sequence.between(first, last)
        )
    )
    return {row.sequence: row.hash for row in rows}


def add_entries(
    connection: sa.Connection, edge: str, epoch: str, entries: Sequence[tuple[int, Entry]], received: datetime
) -> None:
    """Store entries as they came."""
    connection.execute(
        _ADD_ENTRIES,
        [
            {
                "edge": edge,
                "epoch": epoch,
                "sequence": sequence,
                "hash": entry.hash,
                "body": storable(entry.body),
                "received_at": received,
            }
            for sequence, entry in entries
        ],
    )


def add_quarantine(
    connection: sa.Connection, edge: str, epoch: str | None, sequence: int | None, why: str, raw: bytes, now: datetime
) -> None:
    """Keep what could not be read; the same thing sent again is kept once."""
    raw = raw[:RAW_LIMIT]
    same = (
        sa.select(quarantine_table.c.id)
        .where(
            quarantine_table.c.edge == edge,
            quarantine_table.c.epoch.is_not_distinct_from(epoch),
            quarantine_table.c.sequence.is_not_distinct_from(sequence),
            quarantine_table.c.raw == raw,
        )
        .limit(1)
    )
    if connection.execute(same).first() is None:
        row = {"edge": edge, "epoch": epoch, "sequence": sequence, "why": why, "raw": raw, "at": now}
        connection.execute(quarantine_table.insert(), row)


# --- passages ---------------------------------------------------------------------------------------------------------


def readers_without_visits(connection: sa.Connection, readers: Collection[str]) -> frozenset[str]:
    """Return those of the readers that give no new visits; one that central does not know gives them."""
    return frozenset(connection.execute(_READERS_WITHOUT_VISITS, {"readers": list(readers)}).scalars())


def lock_people(connection: sa.Connection, people: Collection[str]) -> Mapping[str, Whereabouts]:
    """Return the known ones of these people, held in one order: two edges must not compute past each other."""
    rows = connection.execute(_PEOPLE, {"people": list(people)})
    return {row.id: Whereabouts(row.last_visit_at, row.last_attempt_at) for row in rows}


def save_whereabouts(connection: sa.Connection, people: Mapping[str, Whereabouts]) -> None:
    """Write when people were last seen."""
    if people:
        connection.execute(
            _SAVE_PERSON,
            [
                {"key": key, "visited": where.last_visit_at, "tried": where.last_attempt_at}
                for key, where in people.items()
            ],
        )


def last_visit(connection: sa.Connection, person: str) -> datetime | None:
    """Return when the person's latest stored visit began."""
    question = sa.select(visit_table.c.opened_at).where(visit_table.c.person == person)
    found: datetime | None = connection.execute(question.order_by(visit_table.c.opened_at.desc()).limit(1)).scalar()
    return found


def granted_passages(
    connection: sa.Connection, site: str, people: Collection[str], days: Collection[date]
) -> tuple[Sequence[sa.RowMapping], Sequence[StoredVisit]]:
    """Return the granted passages of these people at a site on these visit days, and their visits in order."""
    asked = {"people": list(people), "site": site, "days": list(days)}
    rows = connection.execute(_GRANTED, asked).mappings().all()
    visits = [
        StoredVisit(
            row["visit"],
            row["person"],
            row["visit_day"],
            row["ordinal"],
            row["opened_at"],
            row["closed_at"],
            row["sent_as"],
        )
        for row in rows
        if row["visit"] is not None
    ]
    return rows, sorted(visits, key=lambda visit: visit.ordinal)


def add_passages(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Store passages."""
    if rows:
        connection.execute(_ADD_PASSAGES, rows)


def mark_passages(connection: sa.Connection, marks: Mapping[str, bool]) -> None:
    """Write for passages whether they opened a visit."""
    if marks:
        connection.execute(
            _MARK,
            [{"key": key, "opens": opens} for key, opens in marks.items()],
        )


def note_on_passage(
    connection: sa.Connection, edge: str, epoch: str, sequence: int, **values: bool
) -> tuple[str, date] | None:
    """Write what a later entry says about a granted passage; return whose day that touches."""
    row = connection.execute(
        passage.update()
        .where(passage.c.edge == edge, passage.c.epoch == epoch, passage.c.sequence == sequence)
        .where(passage.c.granted.is_(sa.true()))
        .values(**values)
        .returning(passage.c.person, passage.c.visit_day)
    ).one_or_none()
    return None if row is None or row.person is None else (row.person, row.visit_day)


# --- visits -----------------------------------------------------------------------------------------------------------


def remove_visits(connection: sa.Connection, ids: Collection[str]) -> None:
    """Remove visits that a recomputation no longer finds."""
    if ids:
        connection.execute(visit_table.delete().where(visit_table.c.id.in_(ids)))


def add_visits(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Store visits."""
    if rows:
        connection.execute(_ADD_VISITS, rows)


def visit_row(site: str, person: str, day: date, ordinal: int, visit: Visit, sent_as: str) -> Row:
    """Return a visit as a row."""
    return {
        "id": visit.id,
        "site": site,
        "person": person,
        "visit_day": day,
        "ordinal": ordinal,
        "opened_at": visit.opened_at,
        "closed_at": visit.closed_at,
        "sent_as": sent_as,
    }


def queue_standing(connection: sa.Connection, events: Iterable[EventId]) -> Mapping[EventId, bool]:
    """Return the ids that stand in the Mywellness queue: decided (`True`), or such that can be taken back (`False`).

    The rows are held: the forwarder cannot begin to send one while its visit is being recomputed. A row skipped as
    superseded is as good as none.
    """
    rows = connection.execute(_QUEUED, {"events": list(events)})
    return {
        EventId(row.visit): row.state not in {QueueState.NEW, QueueState.RETRY}
        for row in rows
        if not (row.state == QueueState.SKIPPED and row.detail.startswith(SUPERSEDED))
    }

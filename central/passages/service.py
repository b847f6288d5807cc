"""Takes in what edges send: a batch is stored whole, in order, once, in one transaction (security.md §6, rulings 15).

Acknowledged means stored, not understood: an entry nobody can read lies in quarantine and holds nobody up.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError, StatementError

from central.alarms import AlarmKind, clear_alarm, raise_alarm
from central.changes import Unit
from central.memberships import punch_cards
from central.memberships.punch_cards import Punch
from central.passages import days, store
from central.passages.days import PersonDay, Visits
from central.passages.entries import Row, Source, Unfit, first_problem, read_entry, storable
from central.passages.store import EdgeSite, Stream
from protocol.identity import EdgeId, Epoch, EventId, Identity
from protocol.journal import MAX_BYTES, Batch, Entry, OpenedFirst, Outcome, ReaderChange
from protocol.messages import Ack

_log = logging.getLogger(__name__)

Numbered = tuple[int, Entry]


class StoredBatch(NamedTuple):
    """What became of a batch."""

    ack: Ack | None
    """What the edge is to hear; `None` when it cannot be said of which journal the message speaks."""
    resume: int | None = None
    """The batch begins behind a gap: nothing was stored, and this is the entry that is missing first."""
    passages: tuple[EventId, ...] = ()
    """Passages stored just now."""


NOTHING: Final = StoredBatch(None)


def store_batch(unit: Unit, edge: EdgeId, payload: bytes, visits: Visits) -> StoredBatch:
    """Store what is new in a batch that came on the topic of `edge`, and bring visits up to date; the caller commits.

    A batch that was stored before gives the same ack again; one that overlaps is compared by hash and its tail taken;
    one behind a gap stores nothing. What is no batch at all is kept in quarantine.
    """
    if len(payload) > MAX_BYTES:
        return refuse(unit, edge, payload, f"{len(payload)} bytes, more than the {MAX_BYTES} of a batch")
    try:
        batch = Batch.model_validate_json(payload)
    except ValidationError as problem:
        return refuse(unit, edge, payload, f"no batch of version 1: {first_problem(problem)}")
    if batch.edge != edge:
        return refuse(unit, edge, payload, f"came on the topic of {edge} but says it is from another edge")
    place, stream = store.lock_edge(unit.connection, edge, batch.epoch)
    if place is None or place.revoked:
        what = "was revoked" if place else "is not enrolled"
        return refuse(unit, edge, payload, f"{edge} {what}; enrol it, then it is stored", kind=AlarmKind.UNKNOWN_EDGE)
    return _store(unit, place, stream, batch, visits)


def refuse(
    unit: Unit, edge: str, payload: bytes, why: str, *, kind: AlarmKind = AlarmKind.REFUSED_MESSAGE
) -> StoredBatch:
    """Keep a message that cannot be taken in quarantine, raise its alarm and say so in one line."""
    _log.error("message of edge %s refused: %s; kept in quarantine", edge, why)
    edge = storable(edge)[:64]
    store.add_quarantine(unit.connection, edge, None, None, why, payload, unit.now)
    raise_alarm(unit.connection, kind, edge, why, unit.now)
    return NOTHING


def current_ack(connection: sa.Connection, edge: EdgeId, epoch: Epoch) -> Ack:
    """Return up to where a journal is stored."""
    stream = store.stream(connection, edge, epoch) or Stream(0, epoch)
    return Ack(epoch=epoch, through=stream.through, head_hash=stream.head)


def _store(unit: Unit, place: EdgeSite, known: Stream | None, batch: Batch, visits: Visits) -> StoredBatch:
    source = Source(EdgeId(batch.edge), Epoch(batch.epoch), place.site, place.zone, place.rollover)
    stream = known or Stream(0, batch.epoch)
    numbered = list(enumerate(batch.entries, batch.first))
    if batch.first > stream.through + 1:
        return StoredBatch(_ack(batch, stream), resume=stream.through + 1)
    _compare(unit, source, [one for one in numbered if one[0] <= stream.through])
    tail = [one for one in numbered if one[0] > stream.through]
    if not tail:
        return StoredBatch(_ack(batch, stream))
    if known is None and store.has_other_stream(unit.connection, source.edge, source.epoch):
        detail = f"journal {source.epoch} begins; the card was changed or the file was lost"
        raise_alarm(unit.connection, AlarmKind.NEW_JOURNAL, source.edge, detail, unit.now)
    stored = _take_safely(unit, source, stream, tail, visits)
    stream = Stream(batch.last, batch.entries[-1].hash)
    store.save_stream(unit.connection, source.edge, source.epoch, stream, new=known is None)
    return StoredBatch(_ack(batch, stream), passages=stored)


def _ack(batch: Batch, stream: Stream) -> Ack:
    return Ack(epoch=batch.epoch, through=stream.through, head_hash=stream.head)


def _compare(unit: Unit, source: Source, overlap: Sequence[Numbered]) -> None:
    """An identity that comes again with another hash is never dropped in silence (I-11)."""
    if not overlap:
        return
    stored = store.hashes(unit.connection, source.edge, source.epoch, overlap[0][0], overlap[-1][0])
    for sequence, entry in overlap:
        if stored.get(sequence, entry.hash) != entry.hash:
            why = f"entry {sequence} was stored before with another content; two journals share one epoch"
            _quarantine(unit, source, sequence, entry, why, AlarmKind.OTHER_HASH)


def _take_safely(
    unit: Unit, source: Source, stream: Stream, tail: Sequence[Numbered], visits: Visits
) -> tuple[EventId, ...]:
    """Take the entries together; where the database refuses one, one by one, so that it alone goes to quarantine."""
    try:
        with unit.connection.begin_nested():
            return _take(unit, source, stream.head, tail, visits)
    except OperationalError:
        raise  # the database is away or busy: the whole batch is tried again
    except StatementError:
        _log.exception("batch of edge %s from entry %d refused by the database", source.edge, tail[0][0])
    stored: list[EventId] = []
    head = stream.head
    for sequence, entry in tail:
        try:
            with unit.connection.begin_nested():
                stored.extend(_take(unit, source, head, [(sequence, entry)], visits))
        except OperationalError:
            raise
        except StatementError as problem:
            why = f"the database refuses it: {type(problem).__name__}"
            _quarantine(unit, source, sequence, entry, why, AlarmKind.UNREADABLE_ENTRY)
        head = entry.hash
    return tuple(stored)


def _take(unit: Unit, source: Source, head: str, tail: Sequence[Numbered], visits: Visits) -> tuple[EventId, ...]:
    store.add_entries(unit.connection, source.edge, source.epoch, tail, unit.now)
    fresh: dict[int, Row] = {}
    touched: set[PersonDay] = set()
    outcomes: list[tuple[int, Outcome]] = []
    for sequence, entry in tail:
        try:
            read = read_entry(entry, head, source, sequence, unit.now)
        except Unfit as unfit:
            _quarantine(unit, source, sequence, entry, str(unfit), AlarmKind.UNREADABLE_ENTRY)
            continue
        finally:
            head = entry.hash
        match read:
            case dict():
                fresh[sequence] = read
            case Outcome():
                touched |= _note(unit, source, fresh, read.of, passed=read.passed)
                outcomes.append((sequence, read))
            case OpenedFirst():
                _note(unit, source, fresh, read.of, opened_first=True)
            case ReaderChange():
                _reader_change(unit, source, read)
            case _:
                pass  # a lane opened on command: the entry is the record, and nobody's visit
    _apply_policy(unit, fresh)
    days.record(unit, source, list(fresh.values()), touched, visits)
    _count_punches(unit, source, fresh, outcomes)
    return tuple(EventId(row["id"]) for row in fresh.values())


def _count_punches(
    unit: Unit, source: Source, fresh: Mapping[int, Row], outcomes: Sequence[tuple[int, Outcome]]
) -> None:
    """Take a punch for each visit that a card pays for; give it back where nobody went through (A-17, rulings 11)."""
    for sequence, row in fresh.items():
        if row["punched"] is not None:
            punch_cards.take(unit, row["punched"], Punch(row["id"], source.epoch, sequence, row["at"]))
    for sequence, outcome in outcomes:
        if not outcome.passed:
            passage = Identity(source.edge, source.epoch, outcome.of).event_id
            punch_cards.give_back(unit, Punch(passage, source.epoch, sequence, outcome.stamp.at))


def _note(unit: Unit, source: Source, fresh: dict[int, Row], of: int, **values: bool) -> set[PersonDay]:
    """Write what a later entry says of a granted passage, in this batch or an earlier one."""
    row = fresh.get(of)
    if row is not None:
        row.update(values)
        return set()
    day = store.note_on_passage(unit.connection, source.edge, source.epoch, of, **values)
    return set() if day is None else {day}


def _apply_policy(unit: Unit, fresh: dict[int, Row]) -> None:
    """An entry opens a visit only where the reader gives new visits (A-34)."""
    readers = {row["reader"] for row in fresh.values() if row["counts"]}
    if readers and (silent := store.readers_without_visits(unit.connection, readers)):
        for row in fresh.values():
            row["counts"] = row["counts"] and row["reader"] not in silent


def _reader_change(unit: Unit, source: Source, change: ReaderChange) -> None:
    subject = f"{source.edge}/{change.reader}"
    if change.state == "lost":
        detail = f"reader {change.reader} is silent since {change.stamp.at:%H:%M} UTC; check cable and power"
        raise_alarm(unit.connection, AlarmKind.READER_LOST, subject, detail, unit.now)
    else:
        clear_alarm(unit.connection, AlarmKind.READER_LOST, subject, unit.now)


def _quarantine(unit: Unit, source: Source, sequence: int, entry: Entry, why: str, kind: AlarmKind) -> None:
    identity = Identity(source.edge, source.epoch, sequence)
    _log.error("entry %d of edge %s (%s) kept in quarantine: %s", sequence, source.edge, identity.event_id, why)
    raw = entry.body.encode()
    store.add_quarantine(unit.connection, source.edge, source.epoch, sequence, why, raw, unit.now)
    raise_alarm(unit.connection, kind, source.edge, f"entry {sequence}: {why}", unit.now)


StoreBatch = Callable[[Unit, EdgeId, bytes], StoredBatch]
"""`store_batch` with the Mywellness side filled in: what the MQTT consumer is given."""

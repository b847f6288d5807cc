"""The journal of an edge, which is also its outbox: every passage, numbered without gaps, chained by hashes.

An entry never changes. It may be forgotten only after central has acknowledged it, and is kept seven days even then, so
that a central restored from a backup can ask for it again (security.md §6).
"""

import logging
import random
import secrets
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple, Self

from sqlite_utils import Database, Migrations

from edge.store import presence as presences, space
from edge.store.database import StoreError, claim, companions, create, reading, writing
from edge.store.presence import PresenceBook, PresenceChange
from edge.store.space import Ballast
from edge.store.spill import Line, Spill
from edge.store.writer import Writer
from protocol.clock import Clock, Trust
from protocol.identity import EdgeId, Epoch, EventId, Identity
from protocol.journal import MAX_BODY, chain

log = logging.getLogger(__name__)

APPLICATION_ID: Final = 0x57474A31  # "WGJ1"
KEPT: Final = timedelta(days=7)
"""How long an entry stays after central has acknowledged it; a backup of central must be younger than that."""

_TAIL: Final = 64
"""Entries at the end whose chain is proven at every start; `verify` proves all."""

MIGRATIONS: Final = Migrations("journal")


@MIGRATIONS()
def m0001_entries_and_presence(database: Database) -> None:
    database.executescript(
        """
        CREATE TABLE entry (sequence INTEGER PRIMARY KEY, hash BLOB NOT NULL, body TEXT NOT NULL) STRICT;
        CREATE TABLE journal (edge TEXT NOT NULL, epoch TEXT NOT NULL, acknowledged INTEGER NOT NULL) STRICT;
        CREATE TABLE mark (hour INTEGER PRIMARY KEY, through INTEGER NOT NULL) STRICT;
        """
        + presences.SCHEMA
    )


LAST: Final = "SELECT sequence, hash FROM entry ORDER BY sequence DESC LIMIT 1"
FIRST: Final = "SELECT min(sequence) FROM entry"
HASH_AT: Final = "SELECT hash FROM entry WHERE sequence = ?"
READ: Final = "SELECT sequence, hash, body FROM entry WHERE sequence >= ? ORDER BY sequence LIMIT ?"
DUE_MARK: Final = "SELECT max(through) FROM mark WHERE hour <= ?"


class Appended(NamedTuple):
    """An entry that has its number and place in the chain; `committed` is done once it is on the medium."""

    sequence: int
    event_id: EventId
    hash: str
    body: str
    committed: Future[None]


class StoredEntry(NamedTuple):
    """A committed entry."""

    sequence: int
    hash: str
    body: str


class Journal:
    """One journal, open. All methods are the loop thread's; only the `on_commit` callback comes from the writer's."""

    def __init__(
        self,
        path: Path,
        database: Database,
        *,
        clock: Clock,
        boot: str,
        on_commit: Callable[[int], None] | None,
        gate: Callable[[], object] | None,
    ) -> None:
        self.path = path
        self.boot = boot
        """Of this opening; `Stamp.boot`."""
        self.presence: PresenceBook = presences.load(database)
        """Who is inside, as of the last appended entry."""
        self._clock = clock
        self._notify = on_commit
        edge, epoch, acknowledged = database.conn.execute("SELECT edge, epoch, acknowledged FROM journal").fetchone()
        self.edge = EdgeId(edge)
        self.epoch = Epoch(epoch)
        self._acknowledged: int = acknowledged
        row = database.conn.execute(LAST).fetchone()
        self._committed: int = row[0] if row else 0
        self._head: str = row[1].hex() if row else str(epoch)
        self._mismatch: str | None = None
        self._reader = reading(path)
        self._ballast = Ballast(path.with_suffix(".ballast"))
        spill = Spill(path.with_suffix(".spill"))
        spilled = spill.read(self._committed, self._head)
        self._last = self._committed
        for line in spilled:
            self._last, self._head = line.sequence, line.hash
            if line.presence is not None:
                self.presence.apply(line.presence)
        self._set_aside(spill)
        self._writer = Writer(
            database,
            path,
            spill=spill,
            ballast=self._ballast,
            spilled=spilled,
            on_commit=self._on_commit,
            gate=gate,
        )
        self._writer.acknowledge(self._acknowledged, None)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        edge: EdgeId,
        clock: Clock,
        rng: random.Random | None = None,
        on_commit: Callable[[int], None] | None = None,
        gate: Callable[[], object] | None = None,
    ) -> Self:
        """Open the journal at `path`; where there has never been one, make it, with an epoch of its own.

        `on_commit(through)` is called from the writer's thread after each commit. `gate()` is called there before each
        commit: a test's slow disk. Raises `StoreError` when the file is not ours, damaged, of another edge, or gone
        while its companions are still there; it is never made anew over what might hold entries.
        """
        rng = rng or secrets.SystemRandom()
        if not path.exists():
            _refuse_orphans(path)
            epoch = f"{rng.getrandbits(64):016x}"
            create(path, APPLICATION_ID, MIGRATIONS, lambda db: _first_rows(db, edge, epoch))
            log.info("journal %s made, epoch %s", path, epoch)
        if space.free(path.parent) < space.RESERVE:
            Ballast(path.with_suffix(".ballast")).drop()
        database = writing(path)
        try:
            claim(database, path, APPLICATION_ID, "journal")
            MIGRATIONS.apply(database)
            _check(database, path, edge)
            journal = cls(
                path, database, clock=clock, boot=f"{rng.getrandbits(64):016x}", on_commit=on_commit, gate=gate
            )
        except sqlite3.DatabaseError as problem:
            database.close()
            raise StoreError(f"journal {path} is damaged ({problem}); {_RESCUE}") from problem
        except BaseException:
            database.close()
            raise
        journal._writer.start()
        return journal

    # --- writing ------------------------------------------------------------------------------------------------------

    def append(self, make: Callable[[int, EventId], str], *, presence: PresenceChange | None = None) -> Appended:
        """Give the next number to what `make(sequence, event id)` returns and hand it to the writer.

        The order of calls is the order of entries. `presence` counts for decisions at once and is written with the
        entry. Raises `ValueError` for a body longer than `MAX_BODY` bytes; then no number is used.
        """
        sequence = self._last + 1
        event_id = Identity(self.edge, self.epoch, sequence).event_id
        body = make(sequence, event_id)
        if len(body.encode()) > MAX_BODY:
            raise ValueError(f"entry of {len(body.encode())} bytes; {MAX_BODY} is the most central takes")
        digest = chain(self._head, body)
        committed = self._writer.put(Line(sequence, digest, body, presence))
        self._last, self._head = sequence, digest
        if presence is not None:
            self.presence.apply(presence)
        return Appended(sequence, event_id, digest, body, committed)

    def acknowledge(self, through: int, head_hash: str) -> bool:
        """Take central's word that it has everything up to `through`; tell whether it is believed.

        `False` and no change when it is behind what we knew (that is `rewind`'s business), or when number and hash do
        not fit this journal; the latter is an alarm.
        """
        if through < self._acknowledged:
            return False
        known = self._hash_at(through)
        if known != head_hash and not (through == self._acknowledged and known is None):
            self._mismatch = (
                f"central acknowledges entry {through} with a hash this journal does not have (its last is"
                f" {self._committed}): a copy of this card, or another file under the same epoch; nothing was freed, "
                "call support"
            )
            log.error("%s", self._mismatch)
            return False
        self._mismatch = None
        if through > self._acknowledged:
            reading_now = self._clock.read()
            hour = None if reading_now.trust is Trust.UNSET else _hour(reading_now.wall)
            self._acknowledged = through
            self._writer.acknowledge(through, None if hour is None else (hour, through))
        return True

    def rewind(self, resume: int) -> int:
        """Take acknowledgements back: central wants everything from `resume` again. Return where we can resume."""
        kept = int(self._reader.execute(FIRST).fetchone()[0] or 1)
        if resume < kept:
            log.error(
                "central asks for entries from %d, the oldest kept is %d: those between are lost to it", resume, kept
            )
        resume = max(resume, kept)
        if resume - 1 < self._acknowledged:
            self._acknowledged = resume - 1
            self._writer.acknowledge(self._acknowledged, None)
        return resume

    def prune(self, now: datetime) -> None:
        """Let go of what central has had for seven days, and of presence gone stale. The newest entry always stays."""
        if self._clock.read().trust is Trust.UNSET:
            return
        due = self._reader.execute(DUE_MARK, (_hour(now - KEPT),)).fetchone()[0]
        if due:
            self._writer.prune(due)
        stale = self.presence.stale(now, self._acknowledged)
        if stale != PresenceChange():
            self.presence.apply(stale)
            self._writer.forget(stale)

    def close(self) -> None:
        """Write what waits, end the writer, close the file."""
        self._writer.close()
        self._reader.close()

    # --- reading ------------------------------------------------------------------------------------------------------

    @property
    def last(self) -> int:
        """The last number given."""
        return self._last

    @property
    def committed(self) -> int:
        """Up to where entries can be read: never beyond what is on the medium."""
        return self._committed

    @property
    def acknowledged(self) -> int:
        """Up to where central has stored this journal, as far as we know."""
        return self._acknowledged

    def read(self, first: int, limit: int, max_bytes: int) -> list[StoredEntry]:
        """Return up to `limit` committed entries from `first` on.

        No more than fit `max_bytes` as JSON, but at least one if there is any.
        """
        entries: list[StoredEntry] = []
        for sequence, digest, body in self._reader.execute(READ, (first, limit)).fetchall():
            max_bytes -= _size_on_the_wire(body)
            if max_bytes < 0 and entries:
                break
            entries.append(StoredEntry(sequence, digest.hex(), body))
        return entries

    def verify(self) -> int:
        """Prove the whole chain; return how many entries it has. Raises `StoreError` at the first that does not fit."""
        return _verify_chain(self._reader, self.path, self.epoch, None)

    def problems(self) -> tuple[str, ...]:
        """What somebody has to look after, one line each; empty when all is well."""
        found = (
            space.fill_problem(self.path.parent),
            self._writer.trouble,
            None
            if self._ballast.aboard
            else f"no room for the ballast file {self._ballast.path.name}: make room on the disk",
            self._mismatch,
        )
        return tuple(problem for problem in found if problem)

    def _hash_at(self, sequence: int) -> str | None:
        if sequence == 0:
            return self.epoch
        row = self._reader.execute(HASH_AT, (sequence,)).fetchone()
        return None if row is None else str(row[0].hex())

    def _on_commit(self, through: int) -> None:
        self._committed = through
        if self._notify is not None:
            self._notify(through)

    def _set_aside(self, spill: Spill) -> None:
        try:
            spill.reserve()
        except OSError as problem:
            log.error("no room to set aside for %s: %s", spill.path, problem)  # noqa: TRY400 – the sentence tells it all
        self._ballast.take()


def _first_rows(database: Database, edge: EdgeId, epoch: str) -> None:
    database.execute("INSERT INTO journal (edge, epoch, acknowledged) VALUES (?, ?, 0)", (edge, epoch))


def _refuse_orphans(path: Path) -> None:
    for orphan in (*companions(path), path.with_suffix(".spill"), path.with_suffix(".ballast")):
        if orphan.exists():
            raise StoreError(
                f"journal {path} is gone but {orphan.name} is still there: entries may be lost. Bring the file back; "
                "if it"
                f" cannot be found, move {orphan.name} away for support and start again with an empty journal"
            )


def _check(database: Database, path: Path, edge: EdgeId) -> None:
    rows = database.conn.execute("SELECT edge, epoch FROM journal").fetchall()
    if len(rows) != 1:
        raise StoreError(f"journal {path} names {len(rows)} epochs instead of one; {_RESCUE}")
    ((owner, epoch),) = rows
    if owner != edge:
        raise StoreError(
            f"journal {path} belongs to edge {owner}, but this is {edge}; correct `edge` in site.toml, or give this "
            "edge a data"
            " folder of its own"
        )
    _verify_chain(database.conn, path, epoch, _TAIL)


def _verify_chain(connection: sqlite3.Connection, path: Path, epoch: str, tail: int | None) -> int:
    first = 0
    if tail is not None:
        first = int(connection.execute("SELECT coalesce(max(sequence), 0) FROM entry").fetchone()[0]) - tail
    number, head, count = 0, str(epoch), 0
    for sequence, digest, body in connection.execute(READ, (first, -1)):
        if count and sequence != number + 1:
            raise StoreError(f"journal {path}: entry {number + 1} is missing; {_RESCUE}")
        if (count or sequence == 1) and digest.hex() != chain(head, body):
            raise StoreError(f"journal {path}: entry {sequence} does not continue the chain; {_RESCUE}")
        number, head, count = sequence, digest.hex(), count + 1
    return count


def _size_on_the_wire(body: str) -> int:
    """Bytes of an entry inside a batch: the body as a JSON string, its hash and what is around them."""
    return len(body.encode()) + body.count('"') + body.count("\\") + 60


def _hour(at: datetime) -> int:
    return int(at.astimezone(UTC).timestamp()) // 3_600


_RESCUE: Final = (
    "nothing was changed. Keep a copy of the data folder for support, move it away, then start again: the new journal"
    " gets a new"
    " epoch and central keeps what it already has"
)

__all__ = ["KEPT", "Appended", "Journal", "Line", "StoreError", "StoredEntry"]

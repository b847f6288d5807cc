"""The access list an edge decides with: replaced whole or changed by deltas, never half and never backwards.

Signatures are checked before anything comes here (`edge.sync`); this module checks form, site and revision, and that a
file is sound, before it counts. Lookups run on a read-only connection of the loop's thread and never wait for a write.
"""

import json
import logging
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from sqlite_utils import Database

from edge.store.database import StoreError, companions, reading, sync, writing
from protocol.access import FORMAT, LOOKUP, Kind, Policies, Row, holder_from_row, policies, statement
from protocol.decision import Lookup
from protocol.entitlement import AMBIGUOUS
from protocol.identity import SiteId
from protocol.messages import Delta

log = logging.getLogger(__name__)

FILE: Final = "access.db"
META: Final = "SELECT name, value FROM meta"
POLICY: Final = "SELECT kind, id, body FROM policy"
SET_REVISION: Final = "UPDATE meta SET value = ? WHERE name = 'revision'"

_CACHE_KIB: Final = 8192
"""Of the list's pages, filled as they are asked for: SQLite's own 2 MiB hold few leaves of a list of 100,000 people."""

_PEOPLE: Final = frozenset({Kind.HOLDER, Kind.CREDENTIAL})


class Gap(Exception):  # noqa: N818 – not an error: the way to say "fetch the full list"
    """A delta does not start at the revision in use."""


class Refused(StoreError):  # noqa: N818 – an answer: the list in use stays
    """A list is not taken; the one in use stays."""


class Candidate(NamedTuple):
    """A snapshot that has been proven usable and waits to be swapped in."""

    path: Path
    revision: int
    made_at: datetime
    policies: Policies


class AccessStore:
    """The list in use. `check` and `apply` may run in a worker thread, one at a time; the rest is the loop thread's."""

    def __init__(self, folder: Path, site: SiteId) -> None:
        self.path = folder / FILE
        self.site = site
        self.revision = 0
        """Of the list in use; 0 = none yet."""
        self.policies: Policies | None = None
        """Rules of the site and its readers; `None` = no list yet."""
        self.made_at: datetime | None = None
        """When central made the newest full list in use."""
        self._damage: str | None = None
        self._reader: sqlite3.Connection | None = None
        self._point: sqlite3.Cursor | None = None
        self._writer: Database | None = None

    @classmethod
    def open(cls, folder: Path, *, site: SiteId) -> "AccessStore":
        """Open the list last applied. Half-received files are thrown away; a damaged list is told, and fetched anew."""
        store = cls(folder, site)
        for leftover in folder.glob(f"{FILE}.*"):
            log.warning("half-received access list %s thrown away", leftover.name)
            leftover.unlink()
        if store.path.exists():
            try:
                _prepare(store.path)  # takes in what a crash left in its write-ahead log
                store._open(_check(store.path, site))
            except (StoreError, sqlite3.DatabaseError) as problem:
                store._damage = f"access list {store.path} cannot be used ({problem}); fetching it from central again"
                log.error("%s", store._damage)  # noqa: TRY400 – the sentence tells it all
        return store

    def lookup(self, canonical: str) -> Lookup:
        """Return who holds a credential: one point read. `None` when nobody does, or there is no list yet."""
        if self._point is None:
            return None
        row = self._point.execute(LOOKUP, (canonical,)).fetchone()
        if row is None:
            return None
        person, status, body = row
        if status == AMBIGUOUS or person == AMBIGUOUS:  # noqa: PLR1714 – this is the path of every card
            return "ambiguous"
        return holder_from_row(person, status, body)

    def draft(self) -> Path:
        """Where a list being received is written; `open` throws it away if it never gets whole."""
        return self.path.with_name(f"{FILE}.part")

    def check(self, path: Path) -> Candidate:
        """Prove that the file at `path` is a sound list of this site and newer than the one in use.

        Raises `Refused` otherwise. Takes a while for a large list: call it in a worker thread.
        """
        try:
            candidate = _check(path, self.site)
            _prepare(path)
        except sqlite3.DatabaseError as problem:
            raise Refused(f"access list {path.name} is no sound database ({problem}); it is fetched again") from problem
        if candidate.revision <= self.revision:
            raise Refused(f"access list {candidate.revision} is not newer than {self.revision} in use")
        return candidate

    def swap(self, candidate: Candidate) -> None:
        """Let a checked list count from the next lookup on; no waiting for the medium, see `settle`."""
        self.close()
        for companion in companions(self.path):
            companion.unlink(missing_ok=True)  # of the old file, all in it by now: must never be read with the new one
        candidate.path.replace(self.path)
        self._open(candidate)
        log.info("access list %d in use", self.revision)

    def settle(self) -> None:
        """Wait, in a worker thread, for the medium; until then a power cut brings the old list back, whole."""
        sync(self.path.parent)

    def install(self, path: Path) -> None:
        """Check and swap in one go, for whoever need not spare the loop."""
        self.swap(self.check(path))
        self.settle()

    def apply(self, delta: Delta) -> None:
        """Apply a verified delta in one transaction, durable on return.

        Raises `Gap` when it does not start at the revision in use, `Refused` when it is of another site or cannot be
        read; either way nothing has changed.
        """
        if delta.site != self.site:
            raise Refused(f"delta of site {delta.site} on an edge of {self.site}")
        if self._reader is None or delta.since != self.revision or delta.to <= delta.since:
            raise Gap(f"delta {delta.since}→{delta.to} does not continue access list {self.revision}")
        if self._writer is None:
            self._writer = writing(self.path)
        rows = [Row(change.kind, change.id, change.body) for change in delta.changes]
        rules = self.policies
        try:
            with self._writer.atomic():
                for row in rows:
                    self._writer.conn.execute(*statement(row))
                self._writer.conn.execute(SET_REVISION, (str(delta.to),))
                if any(row.kind not in _PEOPLE for row in rows):
                    rules = _policies(self._writer.conn)
        except (ValueError, TypeError, KeyError, sqlite3.Error) as problem:
            raise Refused(f"delta {delta.since}→{delta.to} cannot be applied: {problem}") from problem
        self.policies, self.revision = rules, delta.to
        self._writer.conn.execute("PRAGMA wal_checkpoint(PASSIVE)")
        log.info("access list %d in use", self.revision)

    def problems(self) -> tuple[str, ...]:
        """What somebody has to look after, one line each."""
        if self._damage:
            return (self._damage,)
        return () if self._reader else (f"no access list yet at {self.path}: nobody but exits is let through",)

    def close(self) -> None:
        """Let go of the file; the reader first, so that the writer leaves no companions behind."""
        if self._reader is not None:
            self._reader.close()
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = self._point = None

    def _open(self, candidate: Candidate) -> None:
        self._reader = reading(self.path)
        self._reader.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._point = self._reader.cursor()
        self.policies, self.revision, self.made_at = candidate.policies, candidate.revision, candidate.made_at
        self._damage = None


def _check(path: Path, site: SiteId) -> Candidate:
    connection = reading(path)
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise Refused(f"access list {path.name} is damaged: {found}")
        meta = dict(connection.execute(META).fetchall())
        if meta.get("format") != str(FORMAT):
            raise Refused(f"access list {path.name} has format {meta.get('format')}, this version reads {FORMAT}")
        if meta.get("site") != site:
            raise Refused(f"access list {path.name} is of site {meta.get('site')}, this edge stands at {site}")
        try:
            rules = _policies(connection)
            revision, made_at = int(meta["revision"]), datetime.fromisoformat(meta["made_at"])
        except (KeyError, ValueError, TypeError) as problem:
            raise Refused(f"access list {path.name} cannot be read: {problem}") from problem
        if rules.site.site != site or revision < 1:
            raise Refused(f"access list {path.name} names site {rules.site.site}, revision {revision}")
        return Candidate(path, revision, made_at, rules)
    finally:
        connection.close()


def _prepare(path: Path) -> None:
    """Put the file, whole and on the medium, into WAL mode, so that deltas never keep a lookup waiting."""
    database = writing(path)
    database.close()
    sync(path)


def _policies(connection: sqlite3.Connection) -> Policies:
    try:
        return policies(Row(Kind(kind), key, body) for kind, key, body in connection.execute(POLICY))
    except json.JSONDecodeError as problem:
        raise ValueError(f"policy row is no JSON: {problem}") from problem

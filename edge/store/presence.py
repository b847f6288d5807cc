"""Who is inside, and who came in last where: in memory for the decision, on disk so that a restart knows it.

A change is written in the same transaction as the entry that causes it, and counts in memory from the moment the entry
has its number: the next card at the other lane is judged by it, committed or not.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from sqlite_utils import Database

from protocol.decision import Lookup, Presence
from protocol.entitlement import Holder
from protocol.identity import EventId, PersonId
from protocol.policy import ReaderPolicy, SitePolicy
from protocol.visit import OpenVisit, visit_day

SCHEMA: Final = """
CREATE TABLE open_visit (person TEXT PRIMARY KEY, visit TEXT NOT NULL, day TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE last_entry (
    credential TEXT NOT NULL, barrier TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (credential, barrier)
) STRICT, WITHOUT ROWID;
"""
PUT_VISIT: Final = "INSERT OR REPLACE INTO open_visit (person, visit, day) VALUES (?, ?, ?)"
DROP_VISIT: Final = "DELETE FROM open_visit WHERE person = ?"
PUT_ENTRY: Final = "INSERT OR REPLACE INTO last_entry (credential, barrier, at) VALUES (?, ?, ?)"
DROP_ENTRY: Final = "DELETE FROM last_entry WHERE credential = ? AND barrier = ?"

_KEPT: Final = timedelta(days=2)
"""Longer than any visit day or minimum interval lasts."""


class VisitChange(NamedTuple):
    """The open visit of a person from now on; `None` when it has ended."""

    person: PersonId
    visit: OpenVisit | None


class EntryChange(NamedTuple):
    """The last granted entry of a credential at a barrier from now on; `None` when it does not count (rulings 11)."""

    credential: str
    barrier: str
    at: datetime | None


class PresenceChange(NamedTuple):
    """What one journal entry changes about who is where."""

    visits: tuple[VisitChange, ...] = ()
    entries: tuple[EntryChange, ...] = ()


class PresenceBook:
    """Open visits per person and last granted entries per credential and barrier."""

    def __init__(self) -> None:
        self._visits: dict[PersonId, OpenVisit] = {}
        self._entries: dict[tuple[str, str], datetime] = {}
        self._per_day: Counter[date] = Counter()

    def visit(self, person: PersonId) -> OpenVisit | None:
        """The visit of `person` that no exit has closed yet; it may be of an earlier day (`protocol.visit.is_open`)."""
        return self._visits.get(person)

    def last_entry(self, credential: str, barrier: str) -> datetime | None:
        """The last granted entry of a credential (canonical form) at a barrier (`ReaderPolicy.barrier_group`)."""
        return self._entries.get((credential, barrier))

    def around(
        self, holder: Lookup, credential: str, reader: ReaderPolicy, site: SitePolicy, now: datetime
    ) -> Presence:
        """What a decision about `credential` (canonical form) at `reader` has to know; people are counted on demand."""
        return Presence(
            self._visits.get(holder.person) if isinstance(holder, Holder) else None,
            self._entries.get((credential, reader.barrier_group)),
            self.inside(visit_day(now.astimezone(site.zone), site.rollover)) if site.occupancy_limit else 0,
        )

    def inside(self, day: date) -> int:
        """How many people have a visit open on visit day `day`."""
        return sum(count for opened, count in self._per_day.items() if day <= opened)

    def apply(self, change: PresenceChange) -> None:
        """Let `change` count."""
        for person, visit in change.visits:
            old = self._visits.pop(person, None)
            if old is not None:
                self._per_day[old.day] -= 1
                if not self._per_day[old.day]:
                    del self._per_day[old.day]
            if visit is not None:
                self._visits[person] = visit
                self._per_day[visit.day] += 1
        for credential, barrier, at in change.entries:
            if at is None:
                self._entries.pop((credential, barrier), None)
            else:
                self._entries[credential, barrier] = at

    def stale(self, now: datetime) -> PresenceChange:
        """The change that forgets what can no longer matter: visits and entries more than two days old."""
        oldest = now - _KEPT
        return PresenceChange(
            tuple(VisitChange(p, None) for p, visit in self._visits.items() if visit.day < oldest.date()),
            tuple(EntryChange(*key, None) for key, at in self._entries.items() if at < oldest),
        )


def store(database: Database, changes: Iterable[PresenceChange]) -> None:
    """Write changes, oldest first, inside the caller's transaction."""
    execute = database.conn.execute
    for change in changes:
        for person, visit in change.visits:
            if visit is None:
                execute(DROP_VISIT, (person,))
            else:
                execute(PUT_VISIT, (person, visit.visit, visit.day.isoformat()))
        for credential, barrier, at in change.entries:
            if at is None:
                execute(DROP_ENTRY, (credential, barrier))
            else:
                execute(PUT_ENTRY, (credential, barrier, at.astimezone(UTC).isoformat()))


def load(database: Database) -> PresenceBook:
    """Rebuild the book from what was committed."""
    book = PresenceBook()
    visits = database.conn.execute("SELECT person, visit, day FROM open_visit").fetchall()
    entries = database.conn.execute("SELECT credential, barrier, at FROM last_entry").fetchall()
    book.apply(
        PresenceChange(
            tuple(VisitChange(PersonId(p), OpenVisit(EventId(v), date.fromisoformat(d))) for p, v, d in visits),
            tuple(EntryChange(c, b, datetime.fromisoformat(at)) for c, b, at in entries),
        )
    )
    return book


def to_json(change: PresenceChange | None) -> list[list[list[str | None]]] | None:
    """A change as plain lists, for the second file journal."""
    if change is None:
        return None
    return [
        [[p, v.visit, v.day.isoformat()] if v else [p, None, None] for p, v in change.visits],
        [[c, b, at.astimezone(UTC).isoformat() if at else None] for c, b, at in change.entries],
    ]


def from_json(lists: list[list[list[str]]] | None) -> PresenceChange | None:
    """The inverse of `to_json`. Raises `ValueError` or `TypeError` when the lists are no change."""
    if lists is None:
        return None
    visits, entries = lists
    return PresenceChange(
        tuple(
            VisitChange(PersonId(p), OpenVisit(EventId(v), date.fromisoformat(d)) if v else None) for p, v, d in visits
        ),
        tuple(EntryChange(c, b, datetime.fromisoformat(at) if at else None) for c, b, at in entries),
    )

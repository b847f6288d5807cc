"""Who is inside, who came in last where, and who was punched: in memory for the decision, on disk for a restart.

A change is written in the same transaction as the entry that causes it, and counts in memory from the moment the entry
has its number: the next card at the other lane is judged by it, committed or not.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlite_utils import Database

from protocol.decision import NOBODY, Lookup, Presence
from protocol.entitlement import Holder, PunchCard
from protocol.identity import EntitlementId, Epoch, EventId, PersonId
from protocol.policy import ReaderPolicy, SitePolicy
from protocol.visit import OpenVisit, visit_day

SCHEMA: Final = """
CREATE TABLE open_visit (person TEXT PRIMARY KEY, visit TEXT NOT NULL, day TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE last_entry (
    credential TEXT NOT NULL, barrier TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (credential, barrier)
) STRICT, WITHOUT ROWID;
CREATE TABLE punch (
    card TEXT NOT NULL, sequence INTEGER NOT NULL, change INTEGER NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (card, sequence)
) STRICT, WITHOUT ROWID;
"""
PUT_VISIT: Final = "INSERT OR REPLACE INTO open_visit (person, visit, day) VALUES (?, ?, ?)"
DROP_VISIT: Final = "DELETE FROM open_visit WHERE person = ?"
PUT_ENTRY: Final = "INSERT OR REPLACE INTO last_entry (credential, barrier, at) VALUES (?, ?, ?)"
DROP_ENTRY: Final = "DELETE FROM last_entry WHERE credential = ? AND barrier = ?"
PUT_PUNCH: Final = "INSERT OR REPLACE INTO punch (card, sequence, change, at) VALUES (?, ?, ?, ?)"
DROP_PUNCH: Final = "DELETE FROM punch WHERE card = ? AND sequence = ?"

_KEPT: Final = timedelta(days=2)
"""Longer than any visit day or minimum interval lasts."""
_PUNCHES_KEPT: Final = timedelta(days=30)
"""No access list decides for longer (rulings 5): whichever is in use by then includes what central had acknowledged."""


class VisitChange(NamedTuple):
    """The open visit of a person from now on; `None` when it has ended."""

    person: PersonId
    visit: OpenVisit | None


class EntryChange(NamedTuple):
    """The last granted entry of a credential at a barrier from now on; `None` when it does not count (rulings 11)."""

    credential: str
    barrier: str
    at: datetime | None


class Punch(NamedTuple):
    """What an entry of this journal did to a punch card."""

    change: int
    """−1: a punch was taken; +1: it was given back, nobody went through."""
    at: datetime


class PunchChange(NamedTuple):
    """A punch by the entry with this sequence; `None` when it is to be forgotten."""

    card: EntitlementId
    sequence: int
    punch: Punch | None


class PresenceChange(NamedTuple):
    """What one journal entry changes for the decisions after it."""

    visits: tuple[VisitChange, ...] = ()
    entries: tuple[EntryChange, ...] = ()
    punches: tuple[PunchChange, ...] = ()


class PresenceBook:
    """Open visits per person, last granted entries per credential and barrier, punches per card."""

    def __init__(self) -> None:
        self._visits: dict[PersonId, OpenVisit] = {}
        self._entries: dict[tuple[str, str], datetime] = {}
        self._punches: dict[EntitlementId, dict[int, Punch]] = {}
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
        visit = self._visits.get(holder.person) if isinstance(holder, Holder) else None
        last_entry = self._entries.get((credential, reader.barrier_group))
        if site.occupancy_limit:
            return Presence(visit, last_entry, self.inside(visit_day(now.astimezone(site.zone), site.rollover)))
        return Presence(visit, last_entry) if visit or last_entry else NOBODY

    def with_punches(self, holder: Lookup, epoch: Epoch) -> Lookup:
        """The holder with punch cards as they are now: less what this journal has taken and the list does not know.

        The list says of each card up to which sequence of each journal central has counted.
        """
        if not isinstance(holder, Holder) or not holder.punch_cards:
            return holder
        cards = tuple(card._replace(left=card.left + self._uncounted(card, epoch)) for card in holder.punch_cards)
        return holder._replace(punch_cards=cards)

    def _uncounted(self, card: PunchCard, epoch: Epoch) -> int:
        through = card.counted.get(epoch, 0)
        punches = self._punches.get(card.entitlement, {})
        return sum(punch.change for sequence, punch in punches.items() if sequence > through)

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
        for card, sequence, punch in change.punches:
            of_card = self._punches.setdefault(card, {})
            of_card.pop(sequence, None)
            if punch is not None:
                of_card[sequence] = punch
            if not of_card:
                del self._punches[card]

    def stale(self, now: datetime, acknowledged: int) -> PresenceChange:
        """The change that forgets what can no longer matter.

        That is visits and entries more than two days old, and punches more than thirty days old that central has had.
        """
        oldest = now - _KEPT
        return PresenceChange(
            tuple(VisitChange(p, None) for p, visit in self._visits.items() if visit.day < oldest.date()),
            tuple(EntryChange(*key, None) for key, at in self._entries.items() if at < oldest),
            tuple(
                PunchChange(card, sequence, None)
                for card, punches in self._punches.items()
                for sequence, punch in punches.items()
                if sequence <= acknowledged and punch.at < now - _PUNCHES_KEPT
            ),
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
        for card, sequence, punch in change.punches:
            if punch is None:
                execute(DROP_PUNCH, (card, sequence))
            else:
                execute(PUT_PUNCH, (card, sequence, punch.change, punch.at.astimezone(UTC).isoformat()))


def load(database: Database) -> PresenceBook:
    """Rebuild the book from what was committed."""
    book = PresenceBook()
    visits = database.conn.execute("SELECT person, visit, day FROM open_visit").fetchall()
    entries = database.conn.execute("SELECT credential, barrier, at FROM last_entry").fetchall()
    punches = database.conn.execute("SELECT card, sequence, change, at FROM punch").fetchall()
    book.apply(
        PresenceChange(
            tuple(VisitChange(PersonId(p), OpenVisit(EventId(v), date.fromisoformat(d))) for p, v, d in visits),
            tuple(EntryChange(c, b, datetime.fromisoformat(at)) for c, b, at in entries),
            tuple(PunchChange(EntitlementId(c), s, Punch(n, datetime.fromisoformat(at))) for c, s, n, at in punches),
        )
    )
    return book


def to_json(change: PresenceChange | None) -> list[list[list[Any]]] | None:
    """A change as plain lists, for the second file journal."""
    if change is None:
        return None
    return [
        [[p, v.visit, v.day.isoformat()] if v else [p, None, None] for p, v in change.visits],
        [[c, b, at.astimezone(UTC).isoformat() if at else None] for c, b, at in change.entries],
        [[c, s, p.change, p.at.astimezone(UTC).isoformat()] if p else [c, s, 0, None] for c, s, p in change.punches],
    ]


def from_json(lists: list[list[list[Any]]] | None) -> PresenceChange | None:
    """The inverse of `to_json`. Raises `ValueError` or `TypeError` when the lists are no change."""
    if lists is None:
        return None
    visits, entries, punches = lists
    return PresenceChange(
        tuple(
            VisitChange(PersonId(p), OpenVisit(EventId(v), date.fromisoformat(d)) if v else None) for p, v, d in visits
        ),
        tuple(EntryChange(c, b, datetime.fromisoformat(at) if at else None) for c, b, at in entries),
        tuple(
            PunchChange(EntitlementId(c), int(s), Punch(int(n), datetime.fromisoformat(at)) if at else None)
            for c, s, n, at in punches
        ),
    )

"""What a decision writes down: the entry of a passage, and what it changes about who is where. Pure functions."""

from datetime import datetime
from typing import NamedTuple

from edge.frames import Read
from edge.store.presence import EntryChange, PresenceBook, PresenceChange, Punch, PunchChange, VisitChange
from protocol.clock import Reading
from protocol.decision import Denied, Granted, Lookup, PassageKind, Presence, Verdict
from protocol.identity import Identity, LaneId
from protocol.journal import Passage, Stamp
from protocol.messages import Notice
from protocol.policy import ReaderPolicy, SitePolicy
from protocol.visit import OpenVisit, is_open, visit_day


class Moment(NamedTuple):
    """A read and everything it is judged by, gathered at one instant."""

    read: Read
    holder: Lookup
    reading: Reading
    boot: str
    site: SitePolicy
    reader: ReaderPolicy
    lane: LaneId
    presence: Presence
    revision: int
    offline: bool
    opened_first: bool

    @property
    def credential(self) -> str:
        """The canonical form."""
        return self.read.credential.canonical


def stamp(reading: Reading, site: SitePolicy, boot: str) -> Stamp:
    """The time of an entry, in UTC and on the site's wall."""
    return Stamp(
        at=reading.wall,
        local=reading.wall.astimezone(site.zone),
        mono_ms=reading.mono_ms,
        boot=boot,
        clock=reading.trust,
    )


def passage(moment: Moment, verdict: Verdict) -> Passage:
    """The entry of a passage (A-01)."""
    granted = isinstance(verdict, Granted)
    inside = _visit_inside(moment)
    return Passage(
        stamp=stamp(moment.reading, moment.site, moment.boot),
        site=moment.site.site,
        reader=moment.reader.reader,
        lane=moment.lane,
        direction=moment.reader.kind,
        passage=verdict.passage,
        credential=moment.credential,
        raw=moment.read.raw,
        person=verdict.person,
        granted=granted,
        reason=verdict.reason,
        all_reasons=verdict.all_reasons,
        entitlement=verdict.entitlement,
        punched=verdict.punched if isinstance(verdict, Granted) else None,
        new_visit=isinstance(verdict, Granted) and verdict.new_visit,
        visit=inside.visit if granted and inside else None,
        revision=moment.revision,
        offline=moment.offline,
        opened_first=granted and moment.opened_first,
    )


def changes(moment: Moment, verdict: Verdict, own: Identity) -> PresenceChange | None:
    """What the passage changes for the decisions after it; `own` is its identity."""
    match verdict:
        case Denied():
            return None
        case Granted(passage=kind, person=person, new_visit=new_visit, closes_visit=closes_visit, punched=card):
            visits: tuple[VisitChange, ...] = ()
            if person is not None and new_visit:
                day = visit_day(moment.reading.wall.astimezone(moment.site.zone), moment.site.rollover)
                visits = (VisitChange(person, OpenVisit(own.event_id, day)),)
            elif person is not None and closes_visit:
                visits = (VisitChange(person, None),)
            entries: tuple[EntryChange, ...] = ()
            if person is not None and kind is not PassageKind.OUT:
                entries = (EntryChange(moment.credential, moment.reader.barrier_group, moment.reading.wall),)
            punches = (PunchChange(card, own.sequence, Punch(-1, moment.reading.wall)),) if card is not None else ()
            return PresenceChange(visits, entries, punches) if visits or entries else None


def taken_back(
    moment: Moment, change: PresenceChange, book: PresenceBook, sequence: int, now: datetime
) -> PresenceChange:
    """The inverse of `change`: nobody went through, so the member may tap again at once (rulings 11).

    What another passage has changed since stays as it is in `book`. `sequence` and `now` are those of the entry that
    says so: a punch that central may have counted is not erased, it is given back.
    """
    return PresenceChange(
        tuple(
            VisitChange(person, moment.presence.open_visit)
            for person, visit in change.visits
            if book.visit(person) == visit
        ),
        tuple(
            EntryChange(credential, barrier, moment.presence.last_entry)
            for credential, barrier, at in change.entries
            if book.last_entry(credential, barrier) == at
        ),
        tuple(PunchChange(card, sequence, Punch(1, now)) for card, _, _ in change.punches),
    )


def notice(entry: Passage, edge: str, sequence: int) -> Notice:
    """The short word about a passage for the live view."""
    return Notice(
        edge=edge,
        sequence=sequence,
        at=entry.stamp.at,
        reader=entry.reader,
        person=entry.person,
        granted=entry.granted,
        reason=entry.reason,
        new_visit=entry.new_visit,
    )


def _visit_inside(moment: Moment) -> OpenVisit | None:
    day = visit_day(moment.reading.wall.astimezone(moment.site.zone), moment.site.rollover)
    return moment.presence.open_visit if is_open(moment.presence.open_visit, day) else None

"""Which passages are visits, and which visits Mywellness is still to hear of (A-34…A-40, A-51, rulings 17).

The visits of one person, site and visit day are a fold over that day's granted passages, in the order of their time
stamps. However late or often an entry arrives, the same passages give the same visits; what was sent once is never
sent again.
"""

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from protocol.identity import EventId, PersonId, SiteId
from protocol.journal import stamp_order
from protocol.policy import ReaderKind
from protocol.visit import visit_day

SUPERSEDED: Final = "superseded"
"""Why a queued visit is skipped when a recomputation finds that it is none."""

LATE_AFTER: Final = timedelta(seconds=120)
"""An entry that took longer from the door to central is late: it changes history, never live alarms (rulings 4)."""


class Seen(NamedTuple):
    """A granted passage, as far as visits depend on it."""

    event: EventId
    at: datetime
    edge: str
    epoch: str
    sequence: int
    kind: ReaderKind
    counts: bool
    """Whether it could open a visit: the reader gives new visits, and nothing but an open door spoke for the entry."""
    passed: bool | None = None
    """What the rotation sensor said; `None` without a sensor, or not yet."""
    too_soon: bool = False
    """Came within the minimum interval and passed an unlocked door: a double tap, which toggles nothing (A-38)."""


class Visit(NamedTuple):
    """A visit of one person to one site on one visit day."""

    id: EventId
    """Event id of the opening passage."""
    opened_at: datetime
    closed_at: datetime | None
    """When an exit closed it; `None` = it ends with its visit day (A-39)."""
    passages: tuple[EventId, ...]
    """Opening passage first, then re-entries, inner passages and the exit."""


class Settled(NamedTuple):
    """A visit, and the event id under which the Mywellness queue knows it."""

    visit: Visit
    sent_as: EventId


class VisitPlan(NamedTuple):
    """What a recomputation asks of the Mywellness queue, for one person, site and day."""

    site: SiteId
    person: PersonId
    zone: ZoneInfo
    """The site's."""
    day: date
    queue: tuple[Visit, ...]
    """Visits to be queued now, each under its own id, oldest first; an id that was superseded is taken up again."""
    superseded: tuple[EventId, ...]
    """Ids queued and unsent that are no visits any more: to be skipped."""
    again: frozenset[EventId]
    """Those of `queue` whose passage was stored earlier: they may stand in the queue as superseded."""


class Settlement(NamedTuple):
    """The visits of a day with the ids they are known by, and what is to be done about the queue."""

    visits: tuple[Settled, ...]
    queue: tuple[Visit, ...]
    superseded: tuple[EventId, ...]


def day_of(at: datetime, zone: ZoneInfo, rollover: int) -> date:
    """Return the visit day of an instant at a site with this zone and rollover time (A-39)."""
    return visit_day(at.astimezone(zone), rollover)


def is_late(at: datetime, received: datetime) -> bool:
    """Tell whether an entry reached central too late to be live."""
    return received - at > LATE_AFTER


def visits_of(day: Iterable[Seen]) -> tuple[Visit, ...]:
    """Fold the granted passages of one person, site and visit day into visits; order and repetition do not matter."""
    ordered = sorted(
        {seen.event: seen for seen in day}.values(),
        key=lambda seen: stamp_order(seen.at, seen.edge, seen.epoch, seen.sequence),
    )
    visits: list[Visit] = []
    current: Visit | None = None
    for seen in ordered:
        if seen.passed is False:
            continue  # granted, but nobody went through
        if current is None:
            if seen.counts and seen.kind is not ReaderKind.OUT:
                current = Visit(seen.event, seen.at, None, (seen.event,))
            continue
        current = current._replace(passages=(*current.passages, seen.event))
        if seen.kind is ReaderKind.OUT or (seen.kind is ReaderKind.IN_OUT and not seen.too_soon):
            visits.append(current._replace(closed_at=seen.at))
            current = None
    return (*visits, current) if current else tuple(visits)


def settle(visits: tuple[Visit, ...], *, decided: Iterable[EventId], waiting: Collection[EventId]) -> Settlement:
    """Compare the visits of a day with what the queue holds of that day.

    `decided`, in the order of their passages, are ids whose row is sent, being sent, or closed for a reason of its
    own; `waiting` are ids that are queued and can still be taken back. A visit that holds a decided passage is known
    by it. A decided id that no visit holds (its passage was undone by the sensor) stands for the first visit that has
    none: of one attempt, one visit is sent.
    """
    known: dict[EventId, EventId] = {}
    holder = {event: visit.id for visit in visits for event in visit.passages}
    adrift: list[EventId] = []
    for event in decided:
        if event in holder:
            known.setdefault(holder[event], event)
        else:
            adrift.append(event)
    unknown = [visit for visit in visits if visit.id not in known]
    known.update({visit.id: event for visit, event in zip(unknown, adrift, strict=False)})
    free = [visit for visit in visits if visit.id not in known]
    kept = {visit.id for visit in free if visit.id in waiting}
    return Settlement(
        tuple(Settled(visit, known.get(visit.id, visit.id)) for visit in visits),
        tuple(visit for visit in free if visit.id not in kept),
        tuple(event for event in waiting if event not in kept),
    )

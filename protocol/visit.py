"""What counts as a new visit ("Nytt besök"): A-34…A-40.

A visit ends at an exit, or at the site's rollover time. Live at the edge, in central's recomputation and in a replay of
last year the same functions decide.
"""

from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from protocol.identity import EventId
from protocol.policy import SitePolicy

_ONE_DAY = timedelta(days=1)


class OpenVisit(NamedTuple):
    """A visit that no exit has closed yet."""

    visit: EventId
    """Event id of the opening passage."""
    day: date
    """Visit day of the opening passage."""


def second_of_day(local: datetime) -> int:
    """Seconds since midnight on the wall clock that `local` shows."""
    return local.hour * 3600 + local.minute * 60 + local.second


def visit_day(local: datetime, rollover: int) -> date:
    """The day a passage belongs to: its local date, or the day before when it came before the rollover time (A-39).

    `local` is an instant as `astimezone()` of the site's zone gives it. In the hour that autumn repeats, a rollover
    time is reached once, when the clock first shows it: from one instant to a later one the day never steps back.
    """
    day = local.date()
    if second_of_day(local) >= rollover or (local.fold and _shown_twice(local, rollover)):
        return day
    return day - _ONE_DAY


def _shown_twice(local: datetime, second: int) -> bool:
    """Tell whether the wall clock shows `second` of this day twice; the first time is over when `local.fold` is set."""
    shown = datetime.combine(local.date(), time(tzinfo=local.tzinfo)) + timedelta(seconds=second)
    return shown.utcoffset() != shown.replace(fold=1).utcoffset()


def is_open(visit: OpenVisit | None, day: date) -> bool:
    """Tell whether `visit` is still open on visit day `day`.

    Later, not different: a clock that was put back does not end a visit.
    """
    return visit is not None and day <= visit.day


def is_new_visit(open_visit: OpenVisit | None, now: datetime, site: SitePolicy) -> bool:
    """Tell whether a granted entry at instant `now` begins a new visit (requirements §0.3, `new_visit`)."""
    return not is_open(open_visit, visit_day(now.astimezone(site.zone), site.rollover))

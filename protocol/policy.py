"""What staff have decided about a site: its readers, rights and schedules, as the decision reads them.

Times of day are seconds since local midnight on the wall clock of the site; interval ends are exclusive (A-14,
rulings 5).
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from protocol.identity import BarrierId, LaneId, ReaderId, RightId, SiteId

DAY_SECONDS = 86_400


class ReaderKind(StrEnum):
    """Which way a reader looks (A-34…A-38)."""

    IN = "IN"
    OUT = "OUT"
    INNER = "INNER"
    IN_OUT = "IN_OUT"


class DoorMode(StrEnum):
    """What a lane does by itself (A-56): refuse members, decide, or stand open."""

    LOCKED = "locked"
    ACTIVE = "active"
    UNLOCKED = "unlocked"


class ExitPolicy(StrEnum):
    """Whether leaving is ever refused (A-20, rulings 8)."""

    ALWAYS_OPEN = "always_open"
    STRICT = "strict"


class Interval(NamedTuple):
    """Open from `start` to just before `end`, both seconds since local midnight; `end` may be 86 400."""

    start: int
    end: int


class Schedule(NamedTuple):
    """A weekly pattern, Monday first, with dated exceptions that replace the whole day (A-14)."""

    weekly: tuple[tuple[Interval, ...], ...]
    exceptions: Mapping[date, tuple[Interval, ...]]
    """An empty tuple means closed that day."""

    def allows(self, day: date, second: int) -> bool:
        """Tell whether the schedule is open at wall-clock `second` of local `day`."""
        intervals = self.exceptions.get(day) if self.exceptions else None
        if intervals is None:
            intervals = self.weekly[day.weekday()]
        for start, end in intervals:  # noqa: SIM110 – any() would cost as much as the rest of this
            if start <= second < end:
                return True
        return False


class SitePolicy(NamedTuple):
    """Rules that hold at every reader of a site."""

    site: SiteId
    zone: ZoneInfo
    rollover: int = 0
    """Local time of day at which an open visit ends by itself, seconds since midnight (A-39)."""
    charge_grace_days: int = 0
    """Days after charged-through on which entry is still granted (A-09)."""
    occupancy_limit: int = 0
    """0 = no limit (A-30)."""


class ReaderPolicy(NamedTuple):
    """Rules of one reader, with the rights that name it already looked up."""

    reader: ReaderId
    lane: LaneId
    kind: ReaderKind
    rights: Mapping[RightId, Schedule | None]
    """Rights that allow this reader; `None` = no schedule, always."""
    barrier: BarrierId = BarrierId("")
    """Readers of one barrier share the minimum interval (A-23); empty = the reader's own lane."""
    enabled: bool = True
    mode: DoorMode = DoorMode.ACTIVE
    min_interval: int = 0
    """Seconds between granted entries of one credential; 0 = none (A-23)."""
    age_limit: int = 0
    """Full years; 0 = none (A-22)."""
    exit_policy: ExitPolicy = ExitPolicy.ALWAYS_OPEN
    counts_visits: bool = True
    """Whether an entry here gives a new visit (A-34)."""
    pulse_ms: int = 300

    @property
    def barrier_group(self) -> str:
        """The key under which granted entries are remembered for the minimum interval."""
        return self.barrier or self.lane

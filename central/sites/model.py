"""What is known of sites, lanes, readers, schedules and entry rights: the values the service takes and gives."""

from dataclasses import dataclass
from typing import TypedDict

from central.wire import TimeOfDay
from protocol.policy import DoorMode, ExitPolicy, ReaderKind

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Intervals = list[tuple[TimeOfDay, TimeOfDay]]
"""Open from the first to just before the second."""


@dataclass(frozen=True, slots=True)
class Site:
    """A gym: one roof, one time zone, one access list."""

    id: str
    name: str
    zone: str
    rollover: TimeOfDay
    charge_grace_days: int
    occupancy_limit: int
    revision: int


class SiteValues(TypedDict, total=False):
    """What staff decide about a site."""

    name: str
    zone: str
    rollover: int
    charge_grace_days: int
    occupancy_limit: int


@dataclass(frozen=True, slots=True)
class Lane:
    """A way through, with one or two readers."""

    id: str
    site: str
    name: str


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader with its rules; `min_interval` in seconds, `age_limit` in full years, 0 = none."""

    id: str
    site: str
    lane: str
    name: str
    kind: ReaderKind
    barrier: str
    enabled: bool
    mode: DoorMode
    min_interval: int
    age_limit: int
    exit_policy: ExitPolicy
    counts_visits: bool
    pulse_ms: int


class ReaderValues(TypedDict, total=False):
    """What staff decide about a reader."""

    lane: str
    name: str
    kind: ReaderKind
    barrier: str
    enabled: bool
    mode: DoorMode
    min_interval: int
    age_limit: int
    exit_policy: ExitPolicy
    counts_visits: bool
    pulse_ms: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """Opening hours by weekday (`mon` … `sun`), and days that replace the pattern; an empty day is closed (A-14)."""

    id: str
    name: str
    weekly: dict[str, Intervals]
    exceptions: dict[str, Intervals]


@dataclass(frozen=True, slots=True)
class Right:
    """An entry right: the readers it allows, and the schedule that limits it, `null` = always (A-13)."""

    id: str
    name: str
    schedule: str | None
    readers: tuple[str, ...]

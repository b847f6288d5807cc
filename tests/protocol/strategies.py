"""Everything an access list may say, for property tests: holders, readers, rights, schedules, sites."""

from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from protocol.decision import Lookup, Presence
from protocol.entitlement import CredentialStatus, Entitlement, Freeze, Holder, PunchCard
from protocol.identity import BarrierId, EntitlementId, Epoch, EventId, LaneId, PersonId, ReaderId, RightId, SiteId
from protocol.policy import DAY_SECONDS, DoorMode, ExitPolicy, Interval, ReaderKind, ReaderPolicy, Schedule, SitePolicy
from protocol.visit import OpenVisit

ZONES: Final = ("Europe/Stockholm", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC")

ids: Final = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,11}", fullmatch=True)
rights: Final = st.sampled_from([RightId("ER-GYM"), RightId("ER-SPA"), RightId("MORNING")])
days: Final = st.dates(date(2025, 1, 1), date(2028, 12, 31))
instants: Final = st.datetimes(datetime(2025, 1, 2), datetime(2028, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
"""Aware instants; hypothesis wants the bounds without a zone and puts UTC on what it draws."""


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    """One opening interval of a day."""
    start = draw(st.integers(0, DAY_SECONDS - 1))
    return Interval(start, draw(st.integers(start + 1, DAY_SECONDS)))


schedules: Final = st.builds(
    Schedule,
    st.lists(st.lists(intervals(), max_size=2).map(tuple), min_size=7, max_size=7).map(tuple),
    st.dictionaries(days, st.lists(intervals(), max_size=2).map(tuple), max_size=3),
)
freezes: Final = st.builds(Freeze, days, st.none() | days)
entitlements: Final = st.builds(
    Entitlement,
    ids.map(EntitlementId),
    rights,
    days,
    st.none() | days,
    st.lists(freezes, max_size=3).map(tuple),
    st.none() | days,
)
punch_cards: Final = st.builds(
    PunchCard,
    ids.map(EntitlementId),
    rights,
    days,
    st.integers(-2, 10),
    st.dictionaries(st.integers(0, 2**64 - 1).map(lambda number: Epoch(f"{number:016x}")), st.integers(1), max_size=2),
)
holders: Final = st.builds(
    Holder,
    ids.map(PersonId),
    st.sampled_from(CredentialStatus),
    st.lists(entitlements, max_size=3).map(tuple),
    st.booleans(),
    st.none() | days,
    st.booleans(),
    st.none() | days,
    st.lists(punch_cards, max_size=2).map(tuple),
)
_nobody: list[Lookup] = [None, "ambiguous"]
lookups: Final = st.sampled_from(_nobody) | holders
sites: Final = st.builds(
    SitePolicy,
    ids.map(SiteId),
    st.sampled_from(ZONES).map(ZoneInfo),
    st.sampled_from([0, 9_000, 14_400]) | st.integers(0, DAY_SECONDS - 1),
    st.integers(0, 10),
    st.integers(0, 3),
)
readers: Final = st.builds(
    ReaderPolicy,
    ids.map(ReaderId),
    ids.map(LaneId),
    st.sampled_from(ReaderKind),
    st.dictionaries(rights, st.none() | schedules, max_size=3),
    (st.just("") | ids).map(BarrierId),
    st.booleans(),
    st.sampled_from(DoorMode),
    st.sampled_from([0, 300]),
    st.sampled_from([0, 18]),
    st.sampled_from(ExitPolicy),
    st.booleans(),
    st.integers(50, 10_000),
)
presences: Final = st.builds(
    Presence, st.none() | st.builds(OpenVisit, ids.map(EventId), days), st.none() | instants, st.integers(0, 4)
)

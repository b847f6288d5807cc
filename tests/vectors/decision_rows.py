"""Reads the golden decision vectors: `decisions/*.json` and `visit_days/*.json`.

A row names only what differs from the fixtures of requirements §0.2: member M1001 with SUB-1 at site F1, reader RD-IN.
`given` knows the keys of `GIVEN`; `then` the fields of a verdict, with the defaults of `_verdict`. The rows are never
edited, only added.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from protocol.decision import Denied, Granted, Lookup, PassageKind, Presence, Reason, Verdict, decide
from protocol.entitlement import CredentialStatus, Entitlement, Freeze, Holder, PunchCard, entitlement_order
from protocol.identity import BarrierId, EntitlementId, EventId, LaneId, PersonId, ReaderId, RightId, SiteId
from protocol.policy import DoorMode, ExitPolicy, Interval, ReaderKind, ReaderPolicy, Schedule, SitePolicy
from protocol.visit import OpenVisit

HERE: Final = Path(__file__).parent
GIVEN: Final = frozenset(
    (
        "now",
        "reader",
        "reader_with",
        "site",
        "hours",
        "rights",
        "holder",
        "subscription",
        "subscriptions",
        "punch_cards",
        "manual",
        "open_visit_day",
        "last_entries",
        "inside",
    )
)
THEN: Final = frozenset(
    ("granted", "reason", "all_reasons", "passage", "new_visit", "closes_visit", "entitlement", "person", "punched")
)

READERS: Final = {
    "RD-IN": (ReaderKind.IN, "L-IN", "B1"),
    "RD-IN-2": (ReaderKind.IN, "L-IN-2", "B1"),
    "RD-OUT": (ReaderKind.OUT, "L-OUT", ""),
    "RD-INNER": (ReaderKind.INNER, "L-INNER", ""),
    "RD-IO": (ReaderKind.IN_OUT, "L-IO", ""),
    "RD-SPA": (ReaderKind.IN, "L-SPA", ""),
}
ER_GYM_READERS: Final = ("RD-IN", "RD-IN-2", "RD-OUT", "RD-INNER")
OPENING_HOURS: Final = "06:00-22:00"
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ENUMS: Final = {"mode": DoorMode, "exit_policy": ExitPolicy}


class Right(NamedTuple):
    """An entry right: the readers it allows, and when."""

    readers: tuple[ReaderId, ...]
    schedule: Schedule | None


class Vector(NamedTuple):
    """One row, made ready for `decide()`."""

    name: str
    req: str
    holder: Lookup
    site: SitePolicy
    readers: Mapping[ReaderId, ReaderPolicy]
    rights: Mapping[RightId, Right]
    reader: ReaderId
    now: datetime
    open_visit: OpenVisit | None
    last_entries: Mapping[str, datetime]
    inside: int
    manual: bool
    then: Verdict

    def presence(self, reader: ReaderPolicy) -> Presence:
        """What the site remembers, looked up for this reader as an edge does."""
        return Presence(self.open_visit, self.last_entries.get(reader.barrier_group), self.inside)

    def verdict(self) -> Verdict:
        """Ask the rules."""
        return judge(self, self.holder, self.site, self.readers[self.reader])


class VisitDay(NamedTuple):
    """One row of `visit_days`."""

    name: str
    local: datetime
    rollover: int
    day: date


def judge(vector: Vector, holder: Lookup, site: SitePolicy, reader: ReaderPolicy) -> Verdict:
    """Ask the rules about this vector, with holder and policies that may have come another way."""
    presence = vector.presence(reader)
    return decide(holder, reader=reader, site=site, now=vector.now, presence=presence, manual=vector.manual)


def documents(folder: str) -> list[dict[str, Any]]:
    """Return the rows of every file of a folder, as they were typed."""
    return [row for path in sorted((HERE / folder).glob("*.json")) for row in json.loads(path.read_text("utf-8"))]


def vectors() -> list[Vector]:
    """Return every decision vector."""
    return [vector(row) for row in documents("decisions")]


def visit_days() -> list[VisitDay]:
    """Return every row that says which day an instant belongs to."""
    return [
        VisitDay(
            row["id"],
            datetime.fromisoformat(row["now"]).astimezone(ZoneInfo(row["zone"])),
            seconds(row["rollover"]),
            date.fromisoformat(row["day"]),
        )
        for row in documents("visit_days")
    ]


def vector(row: dict[str, Any]) -> Vector:
    """Make one row ready; a key nobody knows is an error, so that no expectation is overlooked."""
    given, then = row["given"], row["then"]
    unknown = (row.keys() - {"id", "req", "given", "then"}) | (given.keys() - GIVEN) | (then.keys() - THEN)
    if unknown:
        raise ValueError(f"vector «{row['id']}» has keys nobody reads: {sorted(unknown)}")
    rights = _rights(given)
    chosen = ReaderId(given.get("reader", "RD-IN"))
    readers = {
        ReaderId(name): _reader(ReaderId(name), rights, given.get("reader_with", {}) if name == chosen else {})
        for name in READERS
    }
    visit_day = given.get("open_visit_day")
    return Vector(
        row["id"],
        row["req"],
        _holder(given),
        _site(given.get("site", {})),
        readers,
        rights,
        chosen,
        datetime.fromisoformat(given["now"]),
        OpenVisit(EventId("V-1"), date.fromisoformat(visit_day)) if visit_day else None,
        {barrier: datetime.fromisoformat(at) for barrier, at in given.get("last_entries", {}).items()},
        given.get("inside", 0),
        given.get("manual", False),
        _verdict(then),
    )


def seconds(text: str) -> int:
    """Read HH:MM or HH:MM:SS, up to 24:00, as seconds since midnight."""
    parts = [int(part) for part in text.split(":")] + [0]
    return parts[0] * 3600 + parts[1] * 60 + parts[2]


def _verdict(then: dict[str, Any]) -> Verdict:
    """Granted is, unless the row says otherwise, an entry on SUB-1 that begins a visit; denied gives one reason."""
    passage = PassageKind(then.get("passage", "in"))
    person, entitlement = then.get("person", "M1001"), then.get("entitlement", "SUB-1")
    if then["granted"]:
        return Granted(
            passage,
            person,
            entitlement,
            new_visit=then.get("new_visit", True),
            closes_visit=then.get("closes_visit", False),
            all_reasons=tuple(Reason(reason) for reason in then.get("all_reasons", ())),
            reason=then.get("reason", Reason.OK),
            punched=then.get("punched"),
        )
    if then.get("new_visit") or then.get("closes_visit") or then.get("punched"):
        raise ValueError("a refusal neither begins nor ends a visit (A-40), and nobody pays for it")
    reasons = then.get("all_reasons", [then["reason"]])
    return Denied(Reason(then["reason"]), passage, person, entitlement, tuple(Reason(reason) for reason in reasons))


def _site(given: dict[str, Any]) -> SitePolicy:
    return SitePolicy(
        SiteId("F1"),
        ZoneInfo(given.get("zone", "Europe/Stockholm")),
        seconds(given.get("rollover", "00:00")),
        given.get("charge_grace_days", 0),
        given.get("occupancy_limit", 0),
    )


def _reader(name: ReaderId, rights: Mapping[RightId, Right], given: dict[str, Any]) -> ReaderPolicy:
    kind, lane, barrier = READERS[name]
    grants = {key: right.schedule for key, right in rights.items() if name in right.readers}
    changes: dict[str, Any] = {key: _ENUMS[key](value) if key in _ENUMS else value for key, value in given.items()}
    return ReaderPolicy(name, LaneId(lane), kind, grants, BarrierId(barrier))._replace(**changes)


def _rights(given: dict[str, Any]) -> dict[RightId, Right]:
    hours = given.get("hours", OPENING_HOURS)
    rights: dict[str, dict[str, Any]] = {"ER-GYM": {"always": True} if hours == "always" else {"daily": hours}}
    rights |= given.get("rights", {})
    return {
        RightId(key): Right(tuple(ReaderId(one) for one in right.get("readers", ER_GYM_READERS)), _schedule(right))
        for key, right in rights.items()
    }


def _schedule(right: dict[str, Any]) -> Schedule | None:
    if right.get("always"):
        return None
    weekly: list[tuple[Interval, ...]] = [_intervals("")] * 7
    for days, text in right.get("weekdays", {"Mon-Sun": right.get("daily", OPENING_HOURS)}).items():
        first, _, last = days.partition("-")
        for place in range(WEEKDAYS.index(first), WEEKDAYS.index(last or first) + 1):
            weekly[place] = _intervals(text)
    exceptions = {date.fromisoformat(day): _intervals(text) for day, text in right.get("exceptions", {}).items()}
    return Schedule(tuple(weekly), exceptions)


def _intervals(text: str) -> tuple[Interval, ...]:
    pairs = (one.split("-") for one in text.split())
    return tuple(Interval(seconds(start), seconds(end)) for start, end in pairs)


def _holder(given: dict[str, Any]) -> Lookup:
    holder = given.get("holder", {})
    if holder == "unknown":
        return None
    if holder == "ambiguous":
        return "ambiguous"
    rows = given.get("subscriptions", [given.get("subscription", {})])
    numbered = [(_subscription(row), row.get("number", 1)) for row in rows]
    numbered.sort(key=lambda pair: entitlement_order(*pair))
    return Holder(
        PersonId(holder.get("person", "M1001")),
        CredentialStatus(holder.get("status", "active")),
        tuple(entitlement for entitlement, _ in numbered),
        holder.get("blocked", False),
        _day(holder.get("blocked_until")),
        holder.get("overrides_anti_passback", False),
        _day(holder.get("birth_date")),
        tuple(_punch_card(row) for row in given.get("punch_cards", ())),
    )


def _subscription(row: dict[str, Any]) -> Entitlement:
    return Entitlement(
        EntitlementId(row.get("id", "SUB-1")),
        RightId(row.get("right", "ER-GYM")),
        date.fromisoformat(row.get("start", "2025-06-01")),
        _day(row.get("charged_through", "2026-03-31")),
        tuple(Freeze(date.fromisoformat(first), _day(last)) for first, last in row.get("freezes", ())),
        _day(row.get("overdue_from")),
    )


def _punch_card(row: dict[str, Any]) -> PunchCard:
    return PunchCard(
        EntitlementId(row["id"]),
        RightId(row.get("right", "ER-GYM")),
        date.fromisoformat(row.get("valid_through", "2026-06-30")),
        row["left"],
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None

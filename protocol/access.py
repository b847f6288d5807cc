"""The access list of a site: rows with revisions, as they lie in the snapshot file, in a delta and in central's table.

One row is `(kind, id, body)`; a body of `None` removes it. A snapshot is an SQLite file with the tables of `SCHEMA`,
signed and numbered; a delta is the rows that changed between two revisions. Both are applied whole or not at all
(security.md §6, I-8). This module knows the forms; opening files and talking to the network is the shell's business.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from protocol.entitlement import CredentialStatus, Entitlement, Freeze, Holder, PunchCard
from protocol.identity import BarrierId, LaneId, PersonId, ReaderId, RightId, SiteId
from protocol.policy import DoorMode, ExitPolicy, Interval, ReaderKind, ReaderPolicy, Schedule, SitePolicy

_T = TypeVar("_T")

FORMAT: Final = 1

SCHEMA: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE policy (
    kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE holder (person TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE credential (canonical TEXT PRIMARY KEY, person TEXT NOT NULL, status TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""
#: `meta` holds `format`, `site`, `revision` (decimal) and `made_at` (ISO 8601, UTC).

LOOKUP: Final = """
    SELECT c.person, c.status, h.body
      FROM credential c LEFT JOIN holder h ON h.person = c.person
     WHERE c.canonical = ?
"""
#: The one point read of a badge; its row goes to `holder_from_row`.


class Kind(StrEnum):
    """What a row of the access list describes."""

    SITE = "site"
    READER = "reader"
    SCHEDULE = "schedule"
    RIGHT = "right"
    HOLDER = "holder"
    CREDENTIAL = "credential"


class Row(NamedTuple):
    """One row of an access list; `body` is compact JSON text, or `None` when the row is gone."""

    kind: Kind
    id: str
    body: str | None


def statement(row: Row) -> tuple[str, tuple[str, ...]]:
    """Return the SQL and its parameters that bring `row` into a snapshot file."""
    kind, key, body = row
    if kind is Kind.HOLDER:
        if body is None:
            return "DELETE FROM holder WHERE person = ?", (key,)
        return "INSERT OR REPLACE INTO holder (person, body) VALUES (?, ?)", (key, body)
    if kind is Kind.CREDENTIAL:
        if body is None:
            return "DELETE FROM credential WHERE canonical = ?", (key,)
        person, status = json.loads(body)
        return "INSERT OR REPLACE INTO credential (canonical, person, status) VALUES (?, ?, ?)", (key, person, status)
    if body is None:
        return "DELETE FROM policy WHERE kind = ? AND id = ?", (kind.value, key)
    return "INSERT OR REPLACE INTO policy (kind, id, body) VALUES (?, ?, ?)", (kind.value, key, body)


# --- people -----------------------------------------------------------------------------------------------------------


def holder_row(holder: Holder) -> Row:
    """The row of a person.

    Body: `[blocked, blocked_until, overrides_anti_passback, birth_date, [subscription…], [card…]]`, the last list only
    where there are cards. A subscription is `[id, right, start, charged_through, [[first, last]…], overdue_from]`, a
    punch card `[id, right, valid_through, left, {epoch: sequence}]`; dates ISO 8601 or null.
    """
    entitlements = [
        [e.entitlement, e.right, e.start, e.charged_through, [[f.first, f.last] for f in e.freezes], e.overdue_from]
        for e in holder.entitlements
    ]
    flags = [holder.blocked, holder.blocked_until, holder.overrides_anti_passback, holder.birth_date]
    cards = [[c.entitlement, c.right, c.valid_through, c.left, dict(c.counted)] for c in holder.punch_cards]
    return Row(Kind.HOLDER, holder.person, _text([*flags, entitlements, *([cards] if cards else [])]))


def credential_row(canonical: str, person: PersonId, status: CredentialStatus) -> Row:
    """The row of a credential. Body: `[person, status]`."""
    return Row(Kind.CREDENTIAL, canonical, _text([person, status]))


def holder_from_row(person: str, status: str, body: str | None) -> Holder:
    """Read what `LOOKUP` answered. A credential whose person has no row holds no entitlement."""
    if body is None:
        return Holder(PersonId(person), _STATUSES[status], ())
    (blocked, until, overrides, birth, entitlements, *more), _end = _read(body)
    held: list[Entitlement] = []
    for key, right, start, charged, freezes, overdue in entitlements:
        values = (
            key,
            right,
            _date(start),
            _date(charged) if charged else None,
            tuple(Freeze(_date(first), _date(last) if last else None) for first, last in freezes) if freezes else (),
            _date(overdue) if overdue else None,
        )
        held.append(_tuple(Entitlement, values))
    until_day, born = _date(until) if until else None, _date(birth) if birth else None
    cards = tuple(_punch_card(card) for card in more[0]) if more else ()
    return _tuple(Holder, (person, _STATUSES[status], tuple(held), blocked, until_day, overrides, born, cards))


def _punch_card(values: list[Any]) -> PunchCard:
    key, right, valid_through, left, counted = values
    return PunchCard(key, right, _date(valid_through), left, counted)


# --- policy -----------------------------------------------------------------------------------------------------------


def site_row(site: SitePolicy) -> Row:
    """The row with the rules of the whole site."""
    body = {
        "zone": site.zone.key,
        "rollover": site.rollover,
        "charge_grace_days": site.charge_grace_days,
        "occupancy_limit": site.occupancy_limit,
    }
    return Row(Kind.SITE, site.site, _text(body))


def reader_row(reader: ReaderPolicy) -> Row:
    """The row of a reader, without its rights: those are rows of their own."""
    body = {
        "lane": reader.lane,
        "kind": reader.kind,
        "barrier": reader.barrier,
        "enabled": reader.enabled,
        "mode": reader.mode,
        "min_interval": reader.min_interval,
        "age_limit": reader.age_limit,
        "exit_policy": reader.exit_policy,
        "counts_visits": reader.counts_visits,
        "pulse_ms": reader.pulse_ms,
    }
    return Row(Kind.READER, reader.reader, _text(body))


def schedule_row(key: str, schedule: Schedule) -> Row:
    """The row of a schedule: seven days of `[start, end]` seconds, Monday first, and dated exceptions."""
    exceptions = {day.isoformat(): intervals for day, intervals in schedule.exceptions.items()}
    return Row(Kind.SCHEDULE, key, _text({"weekly": schedule.weekly, "exceptions": exceptions}))


def right_row(key: RightId, readers: Iterable[ReaderId], schedule: str | None) -> Row:
    """The row of an entry right: the readers it allows and the schedule that limits it (A-13, A-14)."""
    return Row(Kind.RIGHT, key, _text({"readers": sorted(readers), "schedule": schedule}))


class Policies(NamedTuple):
    """The policy rows of a list, put together for `decide()`."""

    site: SitePolicy
    readers: Mapping[ReaderId, ReaderPolicy]


def policies(rows: Iterable[Row]) -> Policies:
    """Put the policy rows of one access list together.

    Raises `ValueError` when a row cannot be read, naming it and what to do next, or when the site row is missing: such
    a list is not applied.
    """
    bodies: dict[Kind, dict[str, str]] = {kind: {} for kind in Kind}
    for kind, key, body in rows:
        if body is not None:
            bodies[kind][key] = body
    if len(bodies[Kind.SITE]) != 1:
        msg = f"access list names {len(bodies[Kind.SITE])} sites instead of one; fetch the full list again"
        raise ValueError(msg)
    schedules = dict(_each(Kind.SCHEDULE, bodies, lambda _key, body: _schedule(body)))
    rights = dict(_each(Kind.RIGHT, bodies, lambda _key, body: _right(body, schedules)))
    readers = _each(Kind.READER, bodies, lambda key, body: _reader(key, body, rights))
    ((_, site),) = _each(Kind.SITE, bodies, _site)
    return Policies(site, {ReaderId(key): reader for key, reader in readers})


class _Right(NamedTuple):
    """A right as its row says it: the readers it allows, and the schedule that limits it."""

    readers: frozenset[str]
    schedule: Schedule | None


def _each(
    kind: Kind, bodies: Mapping[Kind, Mapping[str, str]], read: Callable[[str, dict[str, Any]], _T]
) -> Iterator[tuple[str, _T]]:
    """Read every row of a kind; whatever is wrong with one is told with its name."""
    for key, body in bodies[kind].items():
        try:
            yield key, read(key, json.loads(body))
        except (LookupError, TypeError, ValueError, AttributeError) as problem:
            msg = (
                f"access list holds a {kind.value} row {key!r} this version cannot read ({problem!r}); update the edge,"
                " then fetch the list again"
            )
            raise ValueError(msg) from problem


def _site(key: str, body: dict[str, Any]) -> SitePolicy:
    return SitePolicy(
        SiteId(key), ZoneInfo(body["zone"]), body["rollover"], body["charge_grace_days"], body["occupancy_limit"]
    )


def _right(body: dict[str, Any], schedules: Mapping[str, Schedule]) -> _Right:
    return _Right(frozenset(body["readers"]), schedules[body["schedule"]] if body["schedule"] else None)


def _reader(key: str, body: dict[str, Any], rights: Mapping[str, _Right]) -> ReaderPolicy:
    return ReaderPolicy(
        ReaderId(key),
        LaneId(body["lane"]),
        ReaderKind(body["kind"]),
        {RightId(right): grant.schedule for right, grant in rights.items() if key in grant.readers},
        BarrierId(body["barrier"]),
        body["enabled"],
        DoorMode(body["mode"]),
        body["min_interval"],
        body["age_limit"],
        ExitPolicy(body["exit_policy"]),
        body["counts_visits"],
        body["pulse_ms"],
    )


def _schedule(body: dict[str, Any]) -> Schedule:
    return Schedule(
        tuple(_intervals(day) for day in body["weekly"]),
        {date.fromisoformat(day): _intervals(intervals) for day, intervals in body["exceptions"].items()},
    )


def _intervals(pairs: Iterable[tuple[int, int]]) -> tuple[Interval, ...]:
    return tuple(Interval(start, end) for start, end in pairs)


_STATUSES = {status.value: status for status in CredentialStatus}
_date = date.fromisoformat
_read = json.JSONDecoder().raw_decode  # what json.loads ends in
_tuple = tuple.__new__  # makes a named tuple without the detour over its keyword arguments


def _text(body: object) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False, sort_keys=True, default=date.isoformat)

"""Builds access lists: snapshot files and deltas, as central would."""

import sqlite3
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from protocol.access import (
    FORMAT,
    SCHEMA,
    Row,
    credential_row,
    holder_row,
    reader_row,
    right_row,
    schedule_row,
    site_row,
    statement,
)
from protocol.entitlement import CredentialStatus, Entitlement, Holder
from protocol.identity import EntitlementId, LaneId, PersonId, ReaderId, RightId, SiteId
from protocol.messages import Change, Delta
from protocol.policy import Interval, ReaderKind, ReaderPolicy, Schedule, SitePolicy

SITE = SiteId("F1")
ENTRANCE = ReaderId("RD-IN")
GYM = RightId("gym")
OPENING_HOURS = Schedule(tuple((Interval(5 * 3600, 23 * 3600),) for _ in range(7)), {})


def site(charge_grace_days: int = 0) -> Row:
    return site_row(SitePolicy(SITE, ZoneInfo("Europe/Stockholm"), charge_grace_days=charge_grace_days))


def member(number: int, *, blocked: bool = False, charged_through: date = date(2026, 12, 31)) -> tuple[Row, Row]:
    """A member in good standing and their card."""
    person = PersonId(f"p-{number}")
    held = Entitlement(EntitlementId(f"s-{number}"), GYM, date(2026, 1, 1), charged_through)
    return (
        holder_row(Holder(person, CredentialStatus.ACTIVE, (held,), blocked)),
        credential_row(f"em40:{number:010x}", person, CredentialStatus.ACTIVE),
    )


def rules() -> tuple[Row, ...]:
    return (
        site(),
        reader_row(ReaderPolicy(ENTRANCE, LaneId("L1"), ReaderKind.IN, {})),
        schedule_row("hours", OPENING_HOURS),
        right_row(GYM, [ENTRANCE], "hours"),
    )


def snapshot(
    path: Path, revision: int, rows: Iterable[Row] = (), *, of: str = SITE, form: int = FORMAT, policy: bool = True
) -> Path:
    """Write a snapshot file with the rules of the site and `rows`."""
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as connection:
        connection.executescript("PRAGMA synchronous = OFF;" + SCHEMA)
        made = "2026-03-10T07:00:00+00:00"
        meta = [("format", str(form)), ("site", of), ("revision", str(revision)), ("made_at", made)]
        connection.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", meta)
        for row in (*(rules() if policy else ()), *rows):
            connection.execute(*statement(row))
    connection.close()
    return path


def delta(since: int, to: int, rows: Iterable[Row], *, of: str = SITE) -> Delta:
    changes = tuple(Change(kind=row.kind, id=row.id, body=row.body) for row in rows)
    return Delta(site=of, **{"from": since}, to=to, changes=changes)  # type: ignore[arg-type]

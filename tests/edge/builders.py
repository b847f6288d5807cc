"""A small site for tests of the edge: an access list as central would send it, with members in good standing."""

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
    site_row,
    statement,
)
from protocol.credential import CardFormat, normalise
from protocol.entitlement import CredentialStatus, Entitlement, Freeze, Holder
from protocol.identity import EntitlementId, LaneId, PersonId, ReaderId, RightId, SiteId
from protocol.policy import ReaderKind, ReaderPolicy, SitePolicy

SITE = SiteId("F1")
ZONE = ZoneInfo("Europe/Stockholm")
GYM = RightId("gym")


def card(number: str) -> str:
    """The canonical form of a card's decimal number."""
    return normalise(number, CardFormat.DECIMAL).canonical


def holder(person: str = "M1001", *, freezes: tuple[Freeze, ...] = (), overrides: bool = False) -> Holder:
    """A member with one charged subscription for the gym."""
    entitlement = Entitlement(
        EntitlementId(f"sub-{person}"), GYM, date(2026, 1, 1), date(2026, 12, 31), freezes=freezes
    )
    return Holder(PersonId(person), CredentialStatus.ACTIVE, (entitlement,), overrides_anti_passback=overrides)


def reader(name: str = "RD-IN", kind: ReaderKind = ReaderKind.IN, lane: str = "entrance") -> ReaderPolicy:
    """A reader whose rights are added by the list; change it with `_replace`."""
    return ReaderPolicy(ReaderId(name), LaneId(lane), kind, {})


def access_list(
    path: Path,
    *,
    revision: int = 1,
    holders: Iterable[tuple[str, Holder]] = (),
    readers: Iterable[ReaderPolicy] | None = None,
    site: SitePolicy | None = None,
) -> Path:
    """Write a snapshot file; `holders` are pairs of a card's decimal number and who has it."""
    at = [reader(), reader("RD-OUT", ReaderKind.OUT, "exit")] if readers is None else list(readers)
    rows: list[Row] = [site_row(site or SitePolicy(SITE, ZONE)), right_row(GYM, [one.reader for one in at], None)]
    rows += [reader_row(one) for one in at]
    for number, who in holders:
        rows += [holder_row(who), credential_row(card(number), who.person, CredentialStatus.ACTIVE)]
    with sqlite3.connect(path) as connection:
        connection.executescript(SCHEMA)
        meta = {
            "format": str(FORMAT),
            "site": SITE,
            "revision": str(revision),
            "made_at": "2026-03-01T00:00:00+00:00",
        }
        connection.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", meta.items())
        for row in rows:
            connection.execute(*statement(row))
    connection.close()
    return path

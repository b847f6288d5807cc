"""A door that decides by the access list central has compiled: for claims that end at a reader."""

import sqlite3
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from central.database import Database
from central.schema import access_row
from protocol.access import LOOKUP, SCHEMA, Kind, Row, holder_from_row, policies, statement
from protocol.decision import Reason, Verdict, decide
from protocol.identity import ReaderId

ZONE = ZoneInfo("Europe/Stockholm")


def reason_at(database: Database, reader: str, credential: str, when: str, *, site: str = "F1") -> Reason:
    """Present a credential at local time `when` and return the reason of the verdict."""
    return verdict_at(database, reader, credential, when, site=site).reason


def verdict_at(database: Database, reader: str, credential: str, when: str, *, site: str = "F1") -> Verdict:
    """Present a credential at local time `when`."""
    rows = database.sync_read(_rows, site)
    rules = policies(row for row in rows if row.kind not in {Kind.HOLDER, Kind.CREDENTIAL})
    found = _lookup(rows, credential)
    now = datetime.fromisoformat(when).replace(tzinfo=ZONE)
    holder = holder_from_row(*found) if found else None
    return decide(holder, reader=rules.readers[ReaderId(reader)], site=rules.site, now=now)


def _rows(connection: sa.Connection, site: str) -> list[Row]:
    question = sa.select(access_row.c.kind, access_row.c.id, access_row.c.body).where(access_row.c.site == site)
    return [Row(Kind(kind), key, body) for kind, key, body in connection.execute(question) if body is not None]


def _lookup(rows: list[Row], credential: str) -> tuple[str, str, str | None] | None:
    file = sqlite3.connect(":memory:")
    try:
        file.executescript(SCHEMA)
        for row in rows:
            file.execute(*statement(row))
        found: tuple[str, str, str | None] | None = file.execute(LOOKUP, (credential,)).fetchone()
        return found
    finally:
        file.close()

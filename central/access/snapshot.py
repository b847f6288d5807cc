"""A site's whole access list as one file: built, signed and pressed once per revision."""

import hashlib
import sqlite3
from datetime import UTC, datetime
from typing import NamedTuple

import sqlalchemy as sa
import zstandard

from central.access import service, store
from central.access.signing import Signer
from protocol.access import FORMAT, SCHEMA, statement


class Snapshot(NamedTuple):
    """A list ready to be sent."""

    site: str
    revision: int
    body: bytes
    """SQLite file, zstd."""
    signature: str
    """Over the SHA-256 of the file before it was pressed."""


class Snapshots:
    """Builds snapshots and keeps the newest of each site."""

    def __init__(self, signer: Signer) -> None:
        """Sign with `signer`."""
        self._signer = signer
        self._kept: dict[str, Snapshot] = {}

    def newest(self, connection: sa.Connection, site: str, now: datetime) -> Snapshot:
        """Return the newest list of `site`, building it if it has changed."""
        revision = service.revision(connection, site)
        kept = self._kept.get(site)
        if kept is None or kept.revision != revision:
            kept = self._kept[site] = self._build(connection, site, revision, now)
        return kept

    def _build(self, connection: sa.Connection, site: str, revision: int, now: datetime) -> Snapshot:
        file = snapshot_file(connection, site, revision, now.astimezone(UTC).isoformat())
        signature = self._signer.signature("snapshot", site, hashlib.sha256(file).digest())
        return Snapshot(site, revision, zstandard.compress(file, 3), signature)


def snapshot_file(connection: sa.Connection, site: str, revision: int, made_at: str) -> bytes:
    """Return the bytes of the SQLite file described in `protocol.access`."""
    file = sqlite3.connect(":memory:")
    try:
        file.executescript(SCHEMA)
        meta = {"format": str(FORMAT), "site": site, "revision": str(revision), "made_at": made_at}
        file.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", meta.items())
        for row in store.rows_of(connection, store.ALL_ROWS, site=site):
            file.execute(*statement(row))
        file.commit()
        return file.serialize()
    finally:
        file.close()

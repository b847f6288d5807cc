"""One forwarder per facility at a time (rulings 26): a lock that goes with the process that holds it.

On PostgreSQL an advisory lock of a connection of its own, on SQLite a lock on a file beside the database. Neither needs
a clock, and neither outlives a SIGKILL.
"""

from __future__ import annotations

import fcntl
import zlib
from io import BufferedRandom
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from central.database import Database


class Lease:
    """The right to forward for one facility."""

    def __init__(self, database: Database, facility: str) -> None:
        """Stand for the right; `hold` asks for it."""
        self._database = database
        self._key = zlib.crc32(f"wellgate-forwarder-{facility}".encode())
        self._file: BufferedRandom | None = None
        self._connection: sa.Connection | None = None

    def hold(self) -> bool:
        """Take the right or make sure of still having it; false while another process forwards."""
        return self._hold_file() if self._database.is_sqlite else self._hold_advisory()

    def release(self) -> None:
        """Give the right up."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _hold_file(self) -> bool:
        if self._file is not None:
            return True
        path = Path(self._database.url.database or "wellgate").with_suffix(f".forwarder-{self._key:08x}")
        file = path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file = file
        return True

    def _hold_advisory(self) -> bool:
        try:
            if self._connection is not None:
                self._connection.execute(sa.text("SELECT 1"))
                return True
            self._connection = self._database.lone_connection()
            taken = self._connection.execute(
                sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": self._key}
            ).scalar_one()
        except DBAPIError:
            self.release()
            return False
        if not taken:
            self.release()
        return bool(taken)

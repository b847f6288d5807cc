"""SQLite files the way this project opens them: WAL, synchronous FULL, no mmap, one writing connection a file.

Older SQLite (3.7.0–3.51.2) can damage a WAL file when two connections write or checkpoint at once (security.md §2), so
whoever writes is alone; everybody else reads through a read-only connection, which never checkpoints.
"""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlite_utils import Database, Migrations

_FULL: Final = 2
_BUSY_SECONDS: Final = 5.0


class StoreError(Exception):
    """A file of ours cannot be used. The text says which, why, and what a technician does next."""


def create(path: Path, application_id: int, migrations: Migrations, fill: Callable[[Database], None]) -> None:
    """Make a new file that appears under its name complete or not at all.

    Schema and first rows are written beside it; only the finished file, on the medium, gets the name.
    """
    draft = path.with_name(path.name + ".new")
    for leftover in (draft, *companions(draft)):
        leftover.unlink(missing_ok=True)
    database = writing(draft)
    try:
        database.execute(f"PRAGMA application_id = {application_id}")
        migrations.apply(database)
        with database.atomic():
            fill(database)
    finally:
        database.close()
    put_in_place(draft, path)


def writing(path: Path) -> Database:
    """Open the one writing connection of a file and prove that it is as durable as we promise."""
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        mode = str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA mmap_size = 0")
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # its owner checkpoints when nobody waits for a commit
        level = int(connection.execute("PRAGMA synchronous").fetchone()[0])
    except sqlite3.OperationalError as problem:
        connection.close()
        raise StoreError(f"{path} cannot be opened ({problem}): check room, rights and health of the disk") from problem
    except sqlite3.DatabaseError as problem:
        connection.close()
        raise StoreError(f"{path} is not a readable database ({problem}); {KEEP}") from problem
    if mode.lower() != "wal" or level != _FULL:
        connection.close()
        raise StoreError(
            f"{path} opens with journal_mode={mode}, synchronous={level} instead of wal, {_FULL}: entries would not "
            "survive a"
            " power cut; put the data folder on a local file system (no network share)"
        )
    return Database(connection, recursive_triggers=False, execute_plugins=False)


def reading(path: Path) -> sqlite3.Connection:
    """Open a connection that can neither write nor checkpoint. One thread at a time may use it."""
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    connection = sqlite3.connect(
        uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=32
    )
    connection.execute("PRAGMA query_only = 1")
    return connection


def claim(database: Database, path: Path, application_id: int, what: str) -> None:
    """Refuse a file that is not `what`: somebody else's database, or an emptied one."""
    found = int(database.execute("PRAGMA application_id").fetchone()[0])
    if found != application_id:
        raise StoreError(f"{path} is no {what} of ours (application id {found:#x}, not {application_id:#x}); {KEEP}")


def companions(path: Path) -> tuple[Path, Path]:
    """The files SQLite keeps beside a database in WAL mode."""
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def put_in_place(draft: Path, path: Path) -> None:
    """Give a finished file its name: after a power cut there is the old file or the new one, never a part (I-20)."""
    sync(draft)
    draft.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Bring a file, or a folder's entries, onto the medium."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


KEEP: Final = (
    "nothing was changed. Keep a copy of the file and its -wal for support, move it away, then start again: a new "
    "file gets a"
    " new epoch, and central keeps what it already has"
)
"""What to do with a file that cannot be read."""

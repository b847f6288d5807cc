"""One database, two engines: SQLite inside the process by default, PostgreSQL by address.

Work is a plain function that takes a connection. `write` runs it in one transaction in a writer thread, `read` in a
reader thread; a function that raises leaves nothing behind. On SQLite there is exactly one writing connection
(security.md §0.7).
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import NullPool, QueuePool

P = ParamSpec("P")
T = TypeVar("T")

_WRITERS: Final = 4
_READERS: Final = 4


class UTCDateTime(sa.TypeDecorator[datetime]):
    """An instant: aware on the way in, aware and UTC on the way out, with microseconds, on both engines."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Refuse wall clocks, store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = f"{value!r} has no time zone; central stores instants, not wall clocks"
            raise ValueError(msg)
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Return an aware UTC instant."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """Runs functions over connections; owns the threads and the pools."""

    def __init__(self, url: str) -> None:
        """Open `url`: `sqlite:///path/to/file.db` or `postgresql+psycopg://…`."""
        self.url = sa.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            Path(self.url.database or "").parent.mkdir(parents=True, exist_ok=True)
            self._write_engine = _sqlite(self.url)
            self._read_engine = _sqlite(self.url, readers=_READERS)
        else:
            self._write_engine = self._read_engine = sa.create_engine(
                self.url,
                poolclass=QueuePool,
                pool_size=_WRITERS + _READERS,
                max_overflow=0,
                pool_pre_ping=True,
                hide_parameters=True,
            )
        self._writers = ThreadPoolExecutor(1 if self.is_sqlite else _WRITERS, thread_name_prefix="db-write")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="db-read")

    def sync_write(self, work: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in a transaction in this thread: commands and tests."""
        with self._write_engine.begin() as connection:
            return work(connection, *args, **kwargs)

    def sync_read(self, work: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` on a reading connection in this thread."""
        with self._read_engine.connect() as connection:
            return work(connection, *args, **kwargs)

    async def write(self, work: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in one transaction; committed when this returns, rolled back when it raises."""
        return await self.in_writer(lambda: self.sync_write(work, *args, **kwargs))

    async def in_writer(self, work: Callable[[], T]) -> T:
        """Run `work` in a writer thread: on SQLite one at a time."""
        return await _in(self._writers, work)

    async def read(self, work: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` on a reading connection."""
        return await _in(self._readers, lambda: self.sync_read(work, *args, **kwargs))

    def lone_connection(self) -> sa.Connection:
        """Open a connection outside the pools that commits each statement by itself: for locks that last."""
        engine = sa.create_engine(self.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        return engine.connect()

    def close(self) -> None:
        """Finish what is running, then close every connection."""
        self._writers.shutdown()
        self._readers.shutdown()
        self._write_engine.dispose()
        self._read_engine.dispose()


async def _in(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    # A transaction that has begun is finished even when its caller is cancelled: shield keeps the outcome honest.
    return await asyncio.shield(asyncio.get_running_loop().run_in_executor(pool, work))


def _sqlite(url: sa.URL, *, readers: int = 0) -> sa.Engine:
    pool: dict[str, Any] = (
        {"poolclass": QueuePool, "pool_size": readers, "max_overflow": 2}
        if readers
        else {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
    )
    if url.database in (None, "", ":memory:"):
        pool = {"poolclass": NullPool}
    connect = {"check_same_thread": False, "timeout": 15}
    # The values of a statement are names and cards: a fault of the database must not carry them into the log.
    engine = sa.create_engine(url, connect_args=connect, hide_parameters=True, **pool)

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: object) -> None:
        # The driver must not begin or commit by itself: the begin below decides (transactional DDL, IMMEDIATE).
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=15000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN" if readers else "BEGIN IMMEDIATE")

    return engine

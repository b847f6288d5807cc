"""What tests of central may ask for: a migrated database on both engines, a clock that stands, the API with a key."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from central import keys
from central.access.service import recompile
from central.changes import Units
from central.database import Database
from central.migrate import migrate
from central.server import create_server
from tests.central.api import Api
from tests.fakes import FakeClock
from tests.services import Cluster


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "wellgate.db"
    database = Database(f"sqlite:///{path}")
    migrate(database)
    database.close()
    return path


@pytest.fixture(scope="session")
def empty_postgres(postgres: Cluster) -> str:
    """The name of a migrated PostgreSQL database to copy."""
    name = postgres.create()
    database = Database(postgres.url(name))
    migrate(database)
    database.close()
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, empty_sqlite: Path) -> Iterator[str]:
    """The URL of a migrated, empty database of the test's own, on each engine."""
    if request.param == "sqlite":
        shutil.copy(empty_sqlite, tmp_path / "wellgate.db")
        yield f"sqlite:///{tmp_path / 'wellgate.db'}"
        return
    postgres: Cluster = request.getfixturevalue("postgres")
    name = postgres.create(request.getfixturevalue("empty_postgres"))
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated, empty database of the test's own, on each engine."""
    one = Database(database_url)
    yield one
    one.close()


@pytest.fixture
def clock() -> FakeClock:
    """Tuesday 2026-03-10, 09:00 at the sites (requirements §0.2)."""
    return FakeClock()


@pytest.fixture
def units(database: Database, clock: FakeClock) -> Units:
    """Units of work that keep the access lists true."""
    return Units(database, clock, [recompile])


@pytest.fixture
async def api(units: Units) -> AsyncIterator[Api]:
    """The API over real HTTP, asked with a key."""
    key = units.run_sync(keys.create, "test")
    async with TestClient(TestServer(create_server(units))) as client:
        yield Api(client, key)

"""A database of this test alone, on each engine: every claim about central is made twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from central.database import Database
from central.schema import METADATA


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/wellgate.db"
    url: str = request.getfixturevalue("fresh_postgres_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with all tables and nothing in them."""
    one = Database(database_url)
    with one._write_engine.begin() as connection:
        METADATA.create_all(connection)
    yield one
    one.close()

"""Journeys run on both engines, with the broker this machine has."""

from pathlib import Path

import pytest

from deploy.dev.services import MOSQUITTO
from tests.services import program


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str | None:
    """The database of a journey: `None` is SQLite in the journey's folder."""
    if request.param == "sqlite":
        return None
    url: str = request.getfixturevalue("fresh_postgres_url")
    return url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for everything a journey writes; journeys need a real broker."""
    program(MOSQUITTO)
    return tmp_path

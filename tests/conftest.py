"""What every test may ask for: real services, the reference data beside the checkout, steady property tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import services
from tests.services import Broker, Cluster

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

# The same examples in every run, on machines that are now and then busy; `--hypothesis-profile=random` searches anew.
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("random", deadline=None, max_examples=2_000)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `../shared` with reference data; tests that replay it skip where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip("reference data missing: ../shared/data is not beside this checkout")
    return SHARED


@pytest.fixture
def mosquitto() -> Iterator[Broker]:
    """A private broker of this test, with a password and without access control."""
    with services.broker() as one:
        yield one


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A private PostgreSQL server, one per worker, kept for the whole run."""
    with services.postgres() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def postgres_url(postgres: Cluster) -> str:
    """The URL of that server's maintenance database."""
    return postgres.url()


@pytest.fixture
def fresh_postgres_url(postgres: Cluster) -> Iterator[str]:
    """The URL of an empty database that this test has to itself."""
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the machine's Chromium; start it with `services.CHROMIUM_ARGUMENTS`."""
    return services.chromium()

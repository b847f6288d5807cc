"""What tests of links, queue and forwarder may ask for."""

from collections.abc import AsyncIterator

import pytest

from central.database import Database
from tests.central.mywellness.gym import Central, Gym, sandbox_at
from tests.fakes import FakeClock


@pytest.fixture
def central(database: Database, clock: FakeClock) -> Central:
    """Links and queue of a gym, without a forwarder."""
    return Central(database, clock)


@pytest.fixture
async def gym(database: Database, clock: FakeClock) -> AsyncIterator[Gym]:
    """A gym whose forwarder sends to a sandbox over HTTP."""
    async with sandbox_at(clock) as (url, sandbox):
        yield Gym(database, clock, url, sandbox)

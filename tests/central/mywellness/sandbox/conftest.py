"""A sandbox on a real port with a standing clock, and a raw caller."""

from collections.abc import AsyncIterator

import pytest

from central.mywellness.sandbox import Facility, Ledger, Switches, create_app, running
from tests.central.mywellness.sandbox.raw import API_KEY, EVA, PASSWORD, USERNAME, Raw, StillClock


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
async def raw(clock: StillClock) -> AsyncIterator[Raw]:
    """A caller that is not logged in yet."""
    clubs = [Facility.named("mygym", "My Gym"), Facility.named("othergym", "Other Gym")]
    app = create_app(Ledger(), clock, Switches(), (API_KEY, USERNAME, PASSWORD), clubs)
    async with running(app, "127.0.0.1", 0) as url, Raw(url) as caller:
        yield caller


@pytest.fixture
async def club(raw: Raw) -> Raw:
    """A caller that is logged in at `mygym`."""
    await raw.log_in()
    return raw


@pytest.fixture
async def eva(club: Raw) -> dict[str, str]:
    """Eva's four ids, as create answered them."""
    return (await club.create(EVA)).data

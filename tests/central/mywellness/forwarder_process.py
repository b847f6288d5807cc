"""A forwarder as a process of its own, made to be killed.

Started from a fork server that has everything imported, so that a life begins within a few milliseconds.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from central.changes import Units
from central.database import Database
from central.mywellness.client import MywellnessClient
from central.mywellness.service import Mywellness
from central.mywellness.worker import Forwarder
from tests.central.mywellness.gym import FACILITY, REPLAY, client_settings
from tests.fakes import FakeClock


def live(database_url: str, sandbox_url: str, boot: str, now: datetime) -> None:
    """Forward as process `boot` until killed; the clock stands at `now`."""
    logging.disable(logging.CRITICAL)
    asyncio.run(_live(Database(database_url), sandbox_url, boot, FakeClock(now)))


async def _live(database: Database, sandbox_url: str, boot: str, clock: FakeClock) -> None:
    mywellness = Mywellness(REPLAY)
    units = Units(database, clock, [mywellness.react])
    async with MywellnessClient(client_settings(sandbox_url), now=lambda: clock.read().wall) as client:
        await Forwarder(units, mywellness, client, boot=boot, facility=FACILITY).run()

"""The forwarder: sends the rows of the queue, in order per member, once, and writes down every answer (D-45…D-59).

A row is marked `sending` and committed before anything is sent, so a crash at any point leaves a trace: a visit that
was being sent is then of unknown outcome and is not sent again, everything else is safe to send again (rulings 22).
"""

from __future__ import annotations

import asyncio
import logging
from datetime import date
from typing import Final

from sqlalchemy.exc import OperationalError

from central.changes import Change, Unit, Units
from central.clock import first_of, sleep
from central.mywellness.answers import TryLater, Unknown
from central.mywellness.client import MywellnessClient
from central.mywellness.lease import Lease
from central.mywellness.sending import Job, Result, Sender
from central.mywellness.service import Mywellness
from central.mywellness.settling import Ledger
from central.schema import QueueAction

log = logging.getLogger(__name__)

_LOOK_AGAIN_SECONDS: Final = 1.0
_LEASE_SECONDS: Final = 0.2
"""Of real time: whether the other process is still there has nothing to do with the clock of a replay."""
_DATABASE_WAITS: Final = (0.1, 0.5, 2.0, 5.0)
"""Seconds of real time between attempts to write down an answer; the last one from then on."""


class Forwarder:
    """Works off the queue of one facility."""

    def __init__(
        self, units: Units, mywellness: Mywellness, client: MywellnessClient, *, boot: str, facility: str
    ) -> None:
        """Forward as process `boot`, which no other process was or will be called."""
        self._units = units
        self._mywellness = mywellness
        self._ledger = Ledger(mywellness, boot=boot, facility=facility)
        self._sender = Sender(units, mywellness.settings, client)
        self._lease = Lease(units.database, facility)
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._night: date | None = None
        units.listen(self._wake)

    async def run(self) -> None:
        """Forward until cancelled; then a call that is under way is finished and written down first."""
        self._stopping.clear()
        forwarding = asyncio.create_task(self._forward(), name="forwarding")
        try:
            await asyncio.shield(forwarding)
        except asyncio.CancelledError:
            self._stopping.set()
            await forwarding
            raise

    async def _forward(self) -> None:
        """Forward for as long as the lease is held, and wait for it otherwise."""
        while not self._stopping.is_set():
            if not await asyncio.to_thread(self._lease.hold):
                await first_of(self._stopping.wait, lambda: asyncio.sleep(_LEASE_SECONDS))
                continue
            try:
                await self._units.run(self._ledger.recover)
                while not self._stopping.is_set() and await asyncio.to_thread(self._lease.hold):
                    await self._work()
            finally:
                await asyncio.to_thread(self._lease.release)

    async def _work(self) -> None:
        """Send what is due, then wait for something new."""
        self._woken.clear()
        job = await self._next(None, None)
        while job is not None:
            job = await self._next(job, await self._send(job))
        await first_of(
            self._woken.wait,
            self._stopping.wait,
            lambda: sleep(self._units.clock, _LOOK_AGAIN_SECONDS),
            # Also while the clock of a replay stands: ingest may just have held the row that is due.
            lambda: asyncio.sleep(_LOOK_AGAIN_SECONDS),
        )

    async def _send(self, job: Job) -> Result:
        try:
            return await self._sender.send(job)
        except Exception as problem:
            # Whatever one row does, the others are sent.
            log.exception("queue row %d (%s) could not be sent", job.row.id, job.row.action)
            reason = f"{type(problem).__name__} while sending; see the log of central"
            return Unknown(reason) if job.row.action is QueueAction.VISIT else TryLater(reason)

    # --- one row down, the next one up --------------------------------------------------------------------------------

    async def _next(self, job: Job | None, result: Result | None) -> Job | None:
        """Write down how a row ended and take the next: in one commit, unless something comes in between."""
        night = self._mywellness.today(self._units.clock.read().wall)
        if night != self._night or self._mywellness.settings.calls_per_second:
            await self._commit(job, result, take=False)
            job = result = None
            if night != self._night:
                await self._units.run(self._mywellness.nightly)
                self._night = night
            if not self._ledger.pause.stands(self._units.clock.read().wall):
                await first_of(self._stopping.wait, self._sender.pace)
        return await self._commit(job, result, take=True)

    async def _commit(self, job: Job | None, result: Result | None, *, take: bool) -> Job | None:
        """Commit, for as long as it takes the database to come back: an answer that is known must not be lost."""
        tries = 0
        while True:
            try:
                return await self._units.run(self._settle_and_take, job, result, take=take, anew=tries > 0)
            except OperationalError as problem:
                if self._stopping.is_set():
                    raise
                if tries == 0:
                    log.warning("database does not take what Mywellness answered (%s); trying on", problem.orig)
                await asyncio.sleep(_DATABASE_WAITS[min(tries, len(_DATABASE_WAITS) - 1)])
                tries += 1

    def _settle_and_take(
        self, unit: Unit, job: Job | None, result: Result | None, *, take: bool, anew: bool
    ) -> Job | None:
        if anew:
            self._ledger.give_back(unit, job.row.id if job is not None else None)
        if job is not None and result is not None:
            self._ledger.settle(unit, job, result)
        may_take = take and not self._stopping.is_set() and self._lease.hold()
        return self._ledger.take(unit) if may_take else None

    # --- waiting ------------------------------------------------------------------------------------------------------

    def _wake(self, _changes: frozenset[Change]) -> None:
        self._loop.call_soon_threadsafe(self._woken.set)

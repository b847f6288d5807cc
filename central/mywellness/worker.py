"""The forwarder: sends the rows of the queue, in order per member, once, and writes down every answer (D-45…D-59).

A row is marked `sending` and committed before anything is sent, so a crash at any point leaves a trace: a visit that
was being sent is then of unknown outcome and is not sent again, everything else is safe to send again (rulings 22).
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from central import alarms
from central.alarms import AlarmKind
from central.changes import Aggregate, Change, Unit, Units
from central.clock import first_of, sleep
from central.mywellness import mapping, store
from central.mywellness.answers import UNKNOWN_ACTION, Done, FacilityDown, Failure, Refused, TryLater, Unknown
from central.mywellness.client import MywellnessClient
from central.mywellness.evaluation import Facts, Link, fingerprint, memberships_due
from central.mywellness.lease import Lease
from central.mywellness.mapping import Body, MembershipSend
from central.mywellness.replies import RemoteIds
from central.mywellness.rules import Held
from central.mywellness.service import Mywellness
from central.mywellness.states import LinkContext, LinkEvent, LinkState, step
from central.mywellness.store import QueueRow
from central.schema import QueueAction, QueueState, site

log = logging.getLogger(__name__)

_LOOK_AGAIN_SECONDS: Final = 1.0
_WAIT_FOR_PERSON: Final = timedelta(hours=1)
_STOPPED: Final = (LinkState.SUSPENDED, LinkState.TO_DELETE)


@dataclass(frozen=True, slots=True)
class Job:
    """A row that is being sent, with what was known when it was taken."""

    row: QueueRow
    facts: Facts
    zone: ZoneInfo
    day: date

    @property
    def link(self) -> Link:
        """The person's link; an empty one when there is none."""
        return self.facts.link or Link()


@dataclass(frozen=True, slots=True)
class Skip:
    """Nothing was sent, and nothing will be."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing was sent yet: the person does not exist at Mywellness."""

    reason: str


@dataclass(frozen=True, slots=True)
class Sent:
    """All calls of the row succeeded."""


Result: TypeAlias = Sent | Skip | Wait | Failure


class Forwarder:
    """Works off the queue of one facility."""

    def __init__(
        self, units: Units, mywellness: Mywellness, client: MywellnessClient, *, boot: str, facility: str
    ) -> None:
        """Forward as process `boot`: the name that a crash leaves on the row it interrupted."""
        self._units = units
        self._mywellness = mywellness
        self._settings = mywellness.settings
        self._client = client
        self._boot = boot
        self._facility = facility
        self._lease = Lease(units.database, facility)
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._paused_until: datetime | None = None
        self._outages = 0
        self._night: date | None = None
        units.listen(self._wake)

    async def run(self) -> None:
        """Forward until cancelled; a process without the lease waits for it."""
        try:
            while not await asyncio.to_thread(self._lease.hold):
                await sleep(self._units.clock, _LOOK_AGAIN_SECONDS)
            await self._units.run(self._recover)
            while await asyncio.to_thread(self._lease.hold):
                await self._work()
        finally:
            self._lease.release()

    async def _work(self) -> None:
        """Send what is due, then wait for something new."""
        self._woken.clear()
        await self._nightly()
        job = None if self._is_paused() else await self._units.run(self._settle_and_take, None, None)
        while job is not None:
            result = await self._send(job)
            await self._pace()
            job = await self._units.run(self._settle_and_take, job, result)
            await self._nightly()
        await self._next_look()

    def _settle_and_take(self, unit: Unit, job: Job | None, result: Result | None) -> Job | None:
        """Write down how a row ended and take the next: one commit for both."""
        if job is not None and result is not None:
            self._settle(unit, job, result)
        return None if self._is_paused() else self._take(unit)

    def _take(self, unit: Unit) -> Job | None:
        row = store.next_due(unit.connection, unit.now)
        if row is None:
            return None
        store.update_row(
            unit.connection,
            row.id,
            state=QueueState.SENDING,
            sending_since=unit.now,
            sender=self._boot,
            attempts=row.attempts + 1,
        )
        zone = self._settings.zone
        if row.site is not None:
            zone = ZoneInfo(unit.connection.execute(sa.select(site.c.zone).where(site.c.id == row.site)).scalar_one())
        facts = store.load(unit.connection, [row.person])[row.person]
        return Job(row._replace(attempts=row.attempts + 1), facts, zone, self._mywellness.today(unit.now))

    def _recover(self, unit: Unit) -> None:
        """Deal with rows another process was sending when it stopped (rulings 22)."""
        for row, sender in store.interrupted(unit.connection):
            detail = f"central {sender} stopped while sending"
            if row.action is QueueAction.VISIT:
                store.update_row(unit.connection, row.id, state=QueueState.UNKNOWN, detail=detail, done_at=unit.now)
                self._alarm(unit, AlarmKind.MYWELLNESS_UNKNOWN, row.visit or str(row.id), detail)
            else:
                store.update_row(unit.connection, row.id, state=QueueState.RETRY, detail=detail, due_at=unit.now)
            log.warning("queue row %d (%s): %s", row.id, row.action, detail)

    # --- sending ------------------------------------------------------------------------------------------------------

    async def _send(self, job: Job) -> Result:
        if (held := _withheld(job)) is not None:
            return Skip(held)
        match job.row.action:
            case QueueAction.PERSON:
                return await self._send_person(job)
            case QueueAction.MEMBERSHIP:
                return await self._send_membership(job)
            case QueueAction.VISIT:
                return await self._send_visit(job)
            case QueueAction.DELETE:
                return _result(await self._client.delete(job.link.facility_user_id or ""))

    async def _send_person(self, job: Job) -> Result:
        person = job.facts.person
        try:
            create = mapping.create_body(person, self._settings.policy.genders)
            first = mapping.update_body(person, self._settings.policy.genders, first=True)
            update = mapping.update_body(person, self._settings.policy.genders)
        except mapping.NotSendable as lacking:
            return Skip(lacking.code)
        facility_user_id = job.link.facility_user_id
        if facility_user_id is not None:
            return _result(await self._client.update(facility_user_id, update))
        found = await self._create(person.id, create)
        if not isinstance(found, RemoteIds):
            return found
        await self._units.run(self._attach, job, found)
        if mapping.has_optional_data(person):
            return _result(await self._client.update(found.facility_user_id, first))
        return Sent()

    async def _create(self, person: str, body: Body) -> RemoteIds | Failure:
        """Look for our id first: a lost link, or a create whose answer was lost, never makes a second person (D-15)."""
        found = await self._client.lookup_external_id(person)
        if isinstance(found, Done) and found.data is not None:
            return found.data
        if not isinstance(found, Done) and not (isinstance(found, Refused) and found.code == UNKNOWN_ACTION):
            return found
        created = await self._client.create(body)
        return created.data if isinstance(created, Done) else created

    async def _send_membership(self, job: Job) -> Result:
        facility_user_id = job.link.facility_user_id
        if facility_user_id is None:
            return Wait("the person is not at Mywellness yet")
        due = memberships_due(job.facts, job.day, open_end_accepted=self._settings.open_end_accepted)
        for call in due:
            outcome = await self._client.save_membership(facility_user_id, mapping.save_membership_body(call))
            if not isinstance(outcome, Done):
                return outcome
            await self._units.run(self._remember_membership, job, call)
        return Sent()

    async def _send_visit(self, job: Job) -> Result:
        user_id = job.link.user_id
        if job.row.visit_at is None or job.link.facility_user_id is None:
            return Wait("the person is not at Mywellness yet")
        if user_id is None:
            found = await self._client.lookup_external_id(job.facts.person.id)
            if not isinstance(found, Done):
                return TryLater(f"user id unknown: {found}") if isinstance(found, (Refused, Unknown)) else found
            if found.data is None or found.data.user_id is None:
                return TryLater("Mywellness does not tell the user id of this person")
            user_id = found.data.user_id
            await self._units.run(self._attach, job, found.data)
        return _result(await self._client.visit(user_id, mapping.visit_body(job.row.visit_at, job.zone)))

    # --- writing down -------------------------------------------------------------------------------------------------

    @staticmethod
    def _attach(unit: Unit, job: Job, ids: RemoteIds) -> None:
        values = {
            "facility_user_id": ids.facility_user_id,
            "user_id": ids.user_id,
            "permanent_token": ids.permanent_token,
        }
        known = {name: value for name, value in values.items() if value is not None}
        store.save_link(unit.connection, job.row.person, **known)

    @staticmethod
    def _remember_membership(unit: Unit, job: Job, call: MembershipSend) -> None:
        sent = store.representation_to_json(call.membership)
        store.save_link(unit.connection, job.row.person, membership_sent=sent)

    def _settle(self, unit: Unit, job: Job, result: Result) -> None:
        row, now = job.row, unit.now
        if self._outages and not isinstance(result, FacilityDown):
            self._outages, self._paused_until = 0, None
            alarms.clear_alarm(unit.connection, AlarmKind.MYWELLNESS_DOWN, self._facility, now)
        match result:
            case Sent():
                store.update_row(unit.connection, row.id, state=QueueState.DONE, detail="", done_at=now)
                self._succeed(unit, job)
            case Skip(reason):
                store.update_row(unit.connection, row.id, state=QueueState.SKIPPED, detail=reason, done_at=now)
            case Wait(reason):
                later = now + _WAIT_FOR_PERSON
                values = {"detail": reason, "due_at": later, "attempts": row.attempts - 1}
                store.update_row(unit.connection, row.id, state=QueueState.RETRY, **values)
            case Refused():
                self._fail(unit, job, f"{result.code} {result.field}: {result.message}".strip())
            case Unknown(reason) if row.action is QueueAction.VISIT:
                self._leave_unknown(unit, job, reason)
            case TryLater(reason) | Unknown(reason):
                self._try_later(unit, job, reason)
            case FacilityDown():
                self._pause(unit, job, result)

    def _succeed(self, unit: Unit, job: Job) -> None:
        person, action = job.row.person, job.row.action
        if action is QueueAction.VISIT:
            return
        if action is QueueAction.DELETE:
            gone = {"facility_user_id": None, "user_id": None, "permanent_token": None}
            forgotten = {"person_sent": None, "membership_sent": None, "pending": False, "reason": None}
            store.save_link(unit.connection, person, state=None, tombstone=True, **gone, **forgotten)
            return
        if action is QueueAction.PERSON:
            sent = fingerprint(job.facts.person, self._settings.policy)
            store.save_link(unit.connection, person, person_sent=sent, person_sent_at=unit.now)
        store.save_link(unit.connection, person, last_error=None)
        self._step(unit, person, LinkEvent.SYNC_OK)
        # What was sent is what was known when the row was taken; newer data make the link ToUpdate again (rulings 20).
        self._mywellness.react(unit, Change(Aggregate.PERSON, person))

    def _fail(self, unit: Unit, job: Job, reason: str) -> None:
        store.update_row(unit.connection, job.row.id, state=QueueState.FAILED, detail=reason, done_at=unit.now)
        log.warning("queue row %d (%s of %s) failed: %s", job.row.id, job.row.action, job.row.person, reason)
        if job.row.action is not QueueAction.VISIT:
            store.save_link(unit.connection, job.row.person, last_error=reason)
            self._step(unit, job.row.person, LinkEvent.SYNC_FAILED)

    def _try_later(self, unit: Unit, job: Job, reason: str) -> None:
        if job.row.attempts >= self._settings.attempts:
            self._fail(unit, job, f"{reason} (after {job.row.attempts} attempts)")
            return
        due_at = unit.now + self._settings.backoff(job.row.attempts)
        store.update_row(unit.connection, job.row.id, state=QueueState.RETRY, detail=reason, due_at=due_at)

    def _leave_unknown(self, unit: Unit, job: Job, reason: str) -> None:
        if self._settings.retry_unknown_once and job.row.attempts == 1:
            due_at = unit.now + self._settings.backoff(1)
            store.update_row(unit.connection, job.row.id, state=QueueState.RETRY, detail=reason, due_at=due_at)
            return
        store.update_row(unit.connection, job.row.id, state=QueueState.UNKNOWN, detail=reason, done_at=unit.now)
        self._alarm(unit, AlarmKind.MYWELLNESS_UNKNOWN, job.row.visit or str(job.row.id), reason)

    def _pause(self, unit: Unit, job: Job, down: FacilityDown) -> None:
        """The whole facility waits, and no row pays for it with an attempt (rulings 22)."""
        self._outages += 1
        self._paused_until = unit.now + max(down.retry_after or timedelta(), self._settings.backoff(self._outages))
        values = {"detail": down.reason, "attempts": job.row.attempts - 1, "due_at": unit.now}
        store.update_row(unit.connection, job.row.id, state=QueueState.RETRY, **values)
        self._alarm(unit, AlarmKind.MYWELLNESS_DOWN, self._facility, down.reason)
        log.warning("mywellness %s paused until %s: %s", self._facility, self._paused_until, down.reason)

    @staticmethod
    def _alarm(unit: Unit, kind: AlarmKind, subject: str, detail: str) -> None:
        alarms.raise_alarm(unit.connection, kind, subject, detail, unit.now)

    def _step(self, unit: Unit, person: str, event: LinkEvent) -> None:
        facts = store.load(unit.connection, [person])[person]
        state = facts.link.state if facts.link else None
        if state is None or state in _STOPPED:
            return
        store.save_link(unit.connection, person, state=step(state, event, context=LinkContext()))

    # --- waiting ------------------------------------------------------------------------------------------------------

    def _is_paused(self) -> bool:
        return self._paused_until is not None and self._units.clock.read().wall < self._paused_until

    async def _pace(self) -> None:
        if self._settings.calls_per_second:
            await sleep(self._units.clock, 1 / self._settings.calls_per_second)

    async def _nightly(self) -> None:
        today = self._mywellness.today(self._units.clock.read().wall)
        if today != self._night:
            await self._units.run(self._mywellness.nightly)
            self._night = today

    async def _next_look(self) -> None:
        await first_of(self._woken.wait, lambda: sleep(self._units.clock, _LOOK_AGAIN_SECONDS))

    def _wake(self, _changes: frozenset[Change]) -> None:
        self._loop.call_soon_threadsafe(self._woken.set)


def _withheld(job: Job) -> str | None:
    """What has changed since the row was queued and forbids sending it now (D-10, D-11, D-31)."""
    if job.row.action is QueueAction.DELETE:
        return None
    if not job.facts.person.allow_sync:
        return Held.OPTED_OUT
    if job.link.state is LinkState.SUSPENDED:
        return Held.SUSPENDED
    if job.link.state is LinkState.TO_DELETE or job.link.tombstoned:
        return Held.TO_DELETE
    if job.row.action is QueueAction.VISIT and not job.facts.person.allow_activity_sync:
        return Held.ACTIVITY_OPTED_OUT
    return None


def _result(outcome: Done[None] | Failure) -> Result:
    return Sent() if isinstance(outcome, Done) else outcome

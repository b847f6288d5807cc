"""Sends one row of the queue: which calls it takes, in which order, and what came of them (D-14, D-15, D-45, D-49)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TypeAlias
from zoneinfo import ZoneInfo

from central.changes import Unit, Units
from central.clock import sleep
from central.mywellness import mapping, store
from central.mywellness.answers import UNKNOWN_ACTION, Done, FacilityDown, Failure, Outcome, Refused, TryLater, Unknown
from central.mywellness.client import MywellnessClient
from central.mywellness.evaluation import Facts, Link, memberships_due
from central.mywellness.mapping import Body, MembershipSend
from central.mywellness.replies import RemoteIds
from central.mywellness.rules import Held
from central.mywellness.settings import ForwardSettings
from central.mywellness.states import LinkState
from central.mywellness.store_queue import QueueRow
from central.schema import QueueAction

_NOT_THERE = "the person is not at Mywellness yet"


@dataclass(frozen=True, slots=True)
class Job:
    """A row that is being sent, with what was known when it was taken."""

    row: QueueRow
    link: Link
    """The person's link; an empty one when there is none."""
    allow_sync: bool
    allow_activity_sync: bool
    zone: ZoneInfo
    """Of the site of a visit, else of the facility."""
    day: date
    facts: Facts | None
    """For what tells the person or the membership."""
    doubtful: bool = False
    """The last answers were lost: ask something harmless before a visit is risked."""


@dataclass(frozen=True, slots=True)
class Sent:
    """All calls of the row succeeded."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Nothing was sent, and nothing will be."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing was sent yet: the person does not exist at Mywellness."""

    reason: str


Result: TypeAlias = Sent | Skip | Wait | Failure


class Sender:
    """Makes the calls of a job, no faster than the settings allow."""

    def __init__(self, units: Units, settings: ForwardSettings, client: MywellnessClient) -> None:
        """Send through `client`; ids and memberships are kept with `units` as soon as they are known."""
        self._units = units
        self._settings = settings
        self._client = client
        self._free_at_ms = 0.0

    async def send(self, job: Job) -> Result:
        """Make the calls of a job and return what came of them."""
        held = withheld(job)
        if held is not None:
            return Skip(held)
        match job.row.action:
            case QueueAction.PERSON:
                return await self._send_person(job)
            case QueueAction.MEMBERSHIP:
                return await self._send_membership(job)
            case QueueAction.VISIT:
                return await self._send_visit(job)
            case QueueAction.DELETE:
                return await self._send_delete(job)

    async def pace(self) -> None:
        """Wait until the next call is allowed."""
        rate = self._settings.calls_per_second
        if not rate:
            return
        now = self._units.clock.read().mono_ms
        if now < self._free_at_ms:
            await sleep(self._units.clock, (self._free_at_ms - now) / 1000)
        self._free_at_ms = max(float(now), self._free_at_ms) + 1000 / rate

    async def _send_person(self, job: Job) -> Result:
        if job.facts is None:
            return Skip("nobody is there to be sent")
        person, genders = job.facts.person, self._settings.policy.genders
        try:
            create = mapping.create_body(person, genders)
            first = mapping.update_body(person, genders, first=True)
            update = mapping.update_body(person, genders)
        except mapping.NotSendable as lacking:
            return Skip(lacking.code)
        if job.link.facility_user_id is not None:
            return _result(await self._client.update(job.link.facility_user_id, update))
        # A lost link, or a create whose answer was lost, never makes a second person: look for our id first (D-15).
        found = await self._look_up(person.id)
        if isinstance(found, RemoteIds):
            await self._attach(job, found)
            return await self._follow(found, update)
        if found is not None:
            return found
        return await self._create(job, create, first if mapping.has_optional_data(person) else None)

    async def _create(self, job: Job, create: Body, rest: Body | None) -> Result:
        await self.pace()
        created = await self._client.create(create)
        if not isinstance(created, Done):
            return created
        await self._attach(job, created.data)
        return Sent() if rest is None else await self._follow(created.data, rest)

    async def _follow(self, ids: RemoteIds, update: Body) -> Result:
        await self.pace()
        return _result(await self._client.update(ids.facility_user_id, update))

    async def _look_up(self, person: str) -> RemoteIds | Failure | None:
        """Return the ids of whoever carries our id; None if nobody does, or nobody can say."""
        found = await self._client.lookup_external_id(person)
        if isinstance(found, Done):
            return found.data
        return None if isinstance(found, Refused) and found.code == UNKNOWN_ACTION else found

    async def _send_membership(self, job: Job) -> Result:
        facility_user_id = job.link.facility_user_id
        if facility_user_id is None or job.facts is None:
            return Wait(_NOT_THERE)
        due = memberships_due(job.facts, job.day, open_end_accepted=self._settings.open_end_accepted)
        for number, call in enumerate(due):
            if number:
                await self.pace()
            outcome = await self._client.save_membership(facility_user_id, mapping.save_membership_body(call))
            if not isinstance(outcome, Done):
                return outcome
            await self._units.run(_remember_membership, job, call)
        return Sent()

    async def _send_visit(self, job: Job) -> Result:
        if job.link.facility_user_id is None or job.row.visit_at is None:
            return Wait(_NOT_THERE)
        user_id = job.link.user_id
        if user_id is None or job.doubtful:
            found = await self._find(job)
            await self.pace()
            if isinstance(found, Unknown) or (job.doubtful and isinstance(found, TryLater)):
                return FacilityDown(f"{found.reason}; no visit is risked until answers come again")
            if isinstance(found, (Refused, TryLater, FacilityDown)):
                return TryLater(f"user id not found: {found}") if isinstance(found, Refused) else found
            if user_id is None:
                if found.data is None or found.data.user_id is None:
                    return TryLater("Mywellness does not tell the user id of this person")
                user_id = found.data.user_id
                await self._attach(job, found.data)
        return _result(await self._client.visit(user_id, mapping.visit_body(job.row.visit_at, job.zone)))

    async def _find(self, job: Job) -> Outcome[RemoteIds | None]:
        """Ask who a person at Mywellness is, by the name that is certain to be answered to if we have it."""
        if job.link.permanent_token is not None:
            return await self._client.lookup_permanent_token(job.link.permanent_token)
        return await self._client.lookup_external_id(job.row.person)

    async def _send_delete(self, job: Job) -> Result:
        facility_user_id = job.link.facility_user_id
        if facility_user_id is None:
            # A create was begun and its answer lost: whoever came of it goes too.
            found = await self._look_up(job.row.person)
            if not isinstance(found, RemoteIds):
                return found or Sent()
            facility_user_id = found.facility_user_id
            await self.pace()
        return _result(await self._client.delete(facility_user_id))

    async def _attach(self, job: Job, ids: RemoteIds) -> None:
        await self._units.run(_attach, job.row.person, ids)


def withheld(job: Job) -> str | None:
    """Return what forbids sending a row now, though nothing did when it was queued (D-10, D-11, D-31)."""
    if job.row.action is QueueAction.DELETE:
        return None
    if not job.allow_sync:
        return Held.OPTED_OUT
    if job.link.state is LinkState.SUSPENDED:
        return Held.SUSPENDED
    if job.link.state is LinkState.TO_DELETE or job.link.tombstoned:
        return Held.TO_DELETE
    if job.row.action is QueueAction.VISIT and not job.allow_activity_sync:
        return Held.ACTIVITY_OPTED_OUT
    return None


def _attach(unit: Unit, person: str, ids: RemoteIds) -> None:
    values = {
        "facility_user_id": ids.facility_user_id,
        "user_id": ids.user_id,
        "permanent_token": ids.permanent_token,
    }
    known = {name: value for name, value in values.items() if value is not None}
    store.save_link(unit.connection, person, **known)


def _remember_membership(unit: Unit, job: Job, call: MembershipSend) -> None:
    store.save_link(unit.connection, job.row.person, membership_sent=store.representation_to_json(call.membership))


def _result(outcome: Done[None] | Failure) -> Result:
    return Sent() if isinstance(outcome, Done) else outcome

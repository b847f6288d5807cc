"""Takes rows of the queue and writes down how they ended, with what follows for link and facility (rulings 20, 22)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final

from central import alarms
from central.alarms import AlarmKind
from central.changes import Unit
from central.mywellness import store, store_queue
from central.mywellness.answers import FacilityDown, Refused, TryLater, Unknown
from central.mywellness.evaluation import fingerprint
from central.mywellness.pause import Pause
from central.mywellness.sending import Job, Result, Sent, Skip, Wait
from central.mywellness.service import Mywellness
from central.mywellness.states import LinkContext, LinkEvent, LinkState, step
from central.mywellness.store_queue import QueueRow
from central.schema import QueueAction, QueueState

log = logging.getLogger(__name__)

_WAIT_FOR_PERSON: Final = timedelta(hours=1)
"""A row that waits for its person is looked at again by itself only so often; it is woken when the person is there."""
_STOPPED: Final = (LinkState.SUSPENDED, LinkState.TO_DELETE)
_ONCE_UNKNOWN: Final = "sent before, outcome unknown; "
"""How the row of a visit remembers that its one repetition is spent (D-49)."""


class Ledger:
    """The queue as the forwarder of one process keeps it."""

    def __init__(self, mywellness: Mywellness, *, boot: str, facility: str) -> None:
        """Keep it as process `boot`: the name that a crash leaves on the row it interrupted."""
        self._mywellness = mywellness
        self._settings = mywellness.settings
        self._boot = boot
        self._facility = facility
        self._alarmed = True  # an earlier process may have left the alarm
        self.pause = Pause(mywellness.settings)

    def take(self, unit: Unit) -> Job | None:
        """Mark the next row as being sent and return it with what is known of its person."""
        if self.pause.stands(unit.now):
            return None
        row = store_queue.take(unit.connection, unit.now, self._boot)
        if row is None:
            return None
        link, allow_sync, allow_activity_sync, zone = store.situation(unit.connection, row.person, row.site)
        tells = row.action in {QueueAction.PERSON, QueueAction.MEMBERSHIP}
        return Job(
            row,
            link,
            allow_sync,
            allow_activity_sync,
            zone or self._settings.zone,
            self._mywellness.today(unit.now),
            store.load(unit.connection, [row.person]).get(row.person) if tells else None,
            self.pause.doubtful,
        )

    def recover(self, unit: Unit) -> None:
        """Deal with rows that another process was sending when it stopped (rulings 22)."""
        for row, sender in store_queue.interrupted(unit.connection):
            self._settle_interrupted(unit, row, sender)

    def _settle_interrupted(self, unit: Unit, row: QueueRow, sender: str) -> None:
        detail = f"central {sender} stopped while sending"
        log.warning("queue row %d (%s): %s", row.id, row.action, detail)
        if row.action is QueueAction.VISIT:
            self._leave_unknown(unit, row, sender, detail)
        else:
            self._again(unit, row, detail, unit.now, counts=False, sender=sender)

    def give_back(self, unit: Unit, but: int | None) -> None:
        """Put back what this process took in a transaction whose end it never heard of: nothing of it was sent."""
        for row, sender in store_queue.interrupted(unit.connection):
            if sender == self._boot and row.id != but:
                self._again(unit, row, "", unit.now, counts=False)

    def settle(self, unit: Unit, job: Job, result: Result) -> None:
        """Write down how a row ended. Where another process has taken the row over, its word stands."""
        self._note_weather(unit, result)
        row, now = job.row, unit.now
        match result:
            case Sent():
                if self._end(unit, row, QueueState.DONE):
                    self._succeed(unit, job)
            case Skip(reason):
                self._end(unit, row, QueueState.SKIPPED, reason)
            case Wait(reason):
                self._again(unit, row, reason, now + _WAIT_FOR_PERSON, counts=False)
            case Refused():
                self._fail(unit, row, f"{result.code} {result.field}: {result.message}".strip())
            case Unknown(reason) if row.action is QueueAction.VISIT:
                self._leave_unknown(unit, row, self._boot, reason)
            case TryLater(reason) | Unknown(reason):
                self._try_later(unit, row, reason, counts=not self.pause.doubtful)
            case FacilityDown(reason):
                self._again(unit, row, reason, now, counts=False)

    # --- how a row ends -----------------------------------------------------------------------------------------------

    def _end(self, unit: Unit, row: QueueRow, state: QueueState, why: str = "", *, sender: str | None = None) -> bool:
        written = store_queue.finish(unit.connection, row, sender or self._boot, state, detail=why, done_at=unit.now)
        if not written:
            log.warning("queue row %d was taken over by another process; it ended as that one says", row.id)
        return written

    def _again(
        self,
        unit: Unit,
        row: QueueRow,
        why: str,
        due_at: datetime,
        *,
        counts: bool = True,
        sender: str | None = None,
    ) -> None:
        if row.detail.startswith(_ONCE_UNKNOWN) and not why.startswith(_ONCE_UNKNOWN):
            why = _ONCE_UNKNOWN + why
        store_queue.finish(
            unit.connection,
            row,
            sender or self._boot,
            QueueState.RETRY,
            detail=why,
            attempts=row.attempts if counts else row.attempts - 1,
            due_at=due_at,
        )

    def _try_later(self, unit: Unit, row: QueueRow, why: str, *, counts: bool) -> None:
        if counts and row.attempts >= self._settings.attempts:
            self._fail(unit, row, f"{why} (after {row.attempts} attempts)")
        else:
            self._again(unit, row, why, unit.now + self._settings.backoff(row.attempts), counts=counts)

    def _leave_unknown(self, unit: Unit, row: QueueRow, sender: str, why: str) -> None:
        """A visit that may have arrived is not sent again, unless once by setting (D-49)."""
        if self._settings.retry_unknown_once and not row.detail.startswith(_ONCE_UNKNOWN):
            self._again(unit, row, _ONCE_UNKNOWN + why, unit.now + self._settings.backoff(1), sender=sender)
        elif self._end(unit, row, QueueState.UNKNOWN, why, sender=sender):
            subject = row.visit or str(row.id)
            alarms.raise_alarm(unit.connection, AlarmKind.MYWELLNESS_UNKNOWN, subject, why, unit.now)

    def _fail(self, unit: Unit, row: QueueRow, why: str) -> None:
        log.warning("queue row %d (%s of %s) failed: %s", row.id, row.action, row.person, why)
        if self._end(unit, row, QueueState.FAILED, why) and row.action is not QueueAction.VISIT:
            store.save_link(unit.connection, row.person, last_error=why)
            _step(unit, row.person, LinkEvent.SYNC_FAILED)

    def _succeed(self, unit: Unit, job: Job) -> None:
        person, action = job.row.person, job.row.action
        if action is QueueAction.VISIT:
            return
        if action is QueueAction.DELETE:
            gone = {"facility_user_id": None, "user_id": None, "permanent_token": None}
            forgotten = {"person_sent": None, "membership_sent": None, "pending": False, "reason": None}
            told = {"state": None, "tombstone": True, "last_error": None}
            store.save_link(unit.connection, person, **gone, **forgotten, **told)
            return
        if action is QueueAction.PERSON and job.facts is not None:
            sent = fingerprint(job.facts.person, self._settings.policy)
            store.save_link(unit.connection, person, person_sent=sent, person_sent_at=unit.now)
            if job.link.facility_user_id is None:
                store_queue.hasten(unit.connection, person, unit.now)
        store.save_link(unit.connection, person, last_error=None)
        _step(unit, person, LinkEvent.SYNC_OK)
        # What was sent is what was known when the row was taken; newer data make the link ToUpdate again (rulings 20).
        self._mywellness.reevaluate(unit, [person])

    # --- what it says of the facility ---------------------------------------------------------------------------------

    def _note_weather(self, unit: Unit, result: Result) -> None:
        """The whole facility waits after an outage, and no row pays for it with an attempt (rulings 22)."""
        now, until = unit.now, None
        match result:
            case FacilityDown(reason):
                until = self.pause.outage(now, result.retry_after)
            case Unknown(reason):
                until = self.pause.lost(now)
            case Skip() | Wait():
                return
            case _:
                self.pause.answered()
                if self._alarmed:
                    alarms.clear_alarm(unit.connection, AlarmKind.MYWELLNESS_DOWN, self._facility, now)
                    self._alarmed = False
                return
        if until is not None:
            self._alarmed = True
            alarms.raise_alarm(unit.connection, AlarmKind.MYWELLNESS_DOWN, self._facility, reason, now)
            log.warning("mywellness %s paused until %s: %s", self._facility, until, reason)


def _step(unit: Unit, person: str, event: LinkEvent) -> None:
    state = store.link_state(unit.connection, person)
    if state is not None and state not in _STOPPED:
        store.save_link(unit.connection, person, state=step(state, event, context=LinkContext()))

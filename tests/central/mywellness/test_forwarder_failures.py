"""The forwarder where something goes wrong: lost answers, outages, refusals, crashes, a database that is away."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from central.changes import Unit
from central.memberships import service as memberships
from central.mywellness import mapping, store_queue
from central.mywellness.client import MywellnessClient
from central.mywellness.mapping import create_body
from central.mywellness.rules import GENDERS, Person
from central.mywellness.sandbox import Fault, FaultKind
from central.mywellness.sandbox.switches import CreateUserId, LookupExternal
from central.mywellness.states import LinkEvent, LinkState
from central.schema import QueueAction, QueueState, link, queue
from tests.central.mywellness.builders import EVELINA
from tests.central.mywellness.gym import PATIENT, Gym
from tests.central.passages.builders import local

VISIT, UPDATE, CREATE, MEMBERSHIP = "Visit", "Update", "CreateFacilityUserFromThirdParty", "SaveMembership"
PROBE = "GetFacilityUserFromPermanentToken"
NINE = "2026-03-10 09:00:00 +01:00"


@pytest.fixture
async def at_nine(gym: Gym) -> Gym:
    """A gym with a member at Mywellness whose visit of 09:00 waits to be sent."""
    await gym.member()
    gym.clock.set(local("2026-03-10 09:05"))
    gym.enters("2026-03-10 09:00")
    return gym


# --- lost answers -----------------------------------------------------------------------------------------------------


@pytest.mark.req("D-49")
async def test_a_visit_that_was_taken_but_never_answered_is_unknown_and_not_sent_again(at_nine: Gym) -> None:
    at_nine.arm(FaultKind.CUT_AFTER_COMMIT, VISIT)
    await at_nine.sends()
    at_nine.later(days=1)
    await at_nine.sends()
    ((state, detail),) = at_nine.visits()
    assert state is QueueState.UNKNOWN
    assert "lost before the answer" in detail
    assert at_nine.alarms() == ["mywellness_unknown"]
    assert at_nine.times() == [NINE]
    assert len(at_nine.calls(VISIT)) == 1


@pytest.mark.req("D-49")
async def test_a_visit_that_met_a_refused_connection_is_sent_again_and_counts_once(at_nine: Gym) -> None:
    way_in = at_nine.client_settings
    at_nine.client_settings = replace(way_in, base_url="http://127.0.0.1:9")  # nobody listens there
    async with at_nine.forwarding():
        await at_nine.until(lambda: at_nine.alarms() == ["mywellness_down"])
    assert at_nine.visits()[0][0] is QueueState.RETRY
    at_nine.client_settings = way_in
    await at_nine.sends()
    assert at_nine.visits() == [(QueueState.DONE, "")]
    assert at_nine.times() == [NINE]


@pytest.mark.req("D-49")
async def test_with_retry_unknown_once_exactly_one_more_attempt_is_made(at_nine: Gym) -> None:
    at_nine.mywellness.settings = replace(PATIENT, retry_unknown_once=True)
    at_nine.arm(FaultKind.CUT_AFTER_COMMIT, VISIT, count=9)
    for _ in range(4):
        await at_nine.sends()
        at_nine.later(hours=1)
    assert len(at_nine.calls(VISIT)) == 2
    assert at_nine.visits()[0][0] is QueueState.UNKNOWN


async def test_an_error_between_does_not_spend_the_one_repetition_twice(at_nine: Gym) -> None:
    at_nine.mywellness.settings = replace(PATIENT, retry_unknown_once=True)
    at_nine.arm(FaultKind.SERVER_ERROR, VISIT)
    at_nine.arm(FaultKind.CUT_AFTER_COMMIT, VISIT)
    at_nine.arm(FaultKind.SERVER_ERROR, VISIT)
    at_nine.arm(FaultKind.CUT_AFTER_COMMIT, VISIT, count=9)
    for _ in range(8):
        await at_nine.sends()
        at_nine.later(hours=1)
    assert len(at_nine.calls(VISIT)) == 4
    assert at_nine.times() == [NINE, NINE]


async def test_a_gateway_that_only_times_out_costs_three_visits_and_then_the_queue_waits(gym: Gym) -> None:
    people = ["M1001", "M1002", "M1003"]
    for one in people:
        gym.joins(one)
    gym.later(seconds=30)
    await gym.sends()
    gym.later(seconds=30)
    await gym.sends()
    gym.clock.set(local("2026-03-10 20:00"))
    for hour in (10, 12, 14):
        for number, one in enumerate(people):
            gym.reads(f"2026-03-10 {hour}:0{number}", person=one)
            gym.reads(f"2026-03-10 {hour}:3{number}", "RD-OUT", person=one)
    gym.arrives()
    gym.arm(FaultKind.CUT_BEFORE_COMMIT, VISIT, count=99)
    gym.arm(FaultKind.CUT_BEFORE_COMMIT, PROBE, count=3)
    async with gym.forwarding():
        await gym.until(lambda: "mywellness_down" in gym.alarms())
        for asked in (1, 2, 3):
            gym.later(minutes=16)
            await gym.until(lambda asked=asked: len(gym.calls(PROBE)) == asked)  # type: ignore[misc]
        gym.sandbox.faults.clear()
        gym.later(minutes=16)
        await gym.until(gym.is_idle)
    states = [state for state, _ in gym.visits()]
    assert (states.count(QueueState.UNKNOWN), states.count(QueueState.DONE)) == (3, 6)
    assert len(gym.times()) == 6
    assert "mywellness_down" not in gym.alarms()


async def test_a_create_whose_answer_was_lost_is_found_and_not_made_twice(gym: Gym) -> None:
    gym.joins()
    gym.arm(FaultKind.CUT_AFTER_COMMIT, CREATE)
    for _ in range(3):
        gym.later(seconds=30)
        await gym.sends()
    assert gym.link().state is LinkState.ENABLED
    assert gym.actions() == ["look up", "create", "look up", "update", "membership"]
    assert len(gym.sandbox.ledger.people) == 1


# --- crashes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look_up", [LookupExternal.BY_EXTERNAL_ID, LookupExternal.ABSENT])
async def test_a_crash_between_a_create_and_its_ids_never_makes_a_second_person(
    gym: Gym, look_up: LookupExternal
) -> None:
    gym.switch(lookup_external=look_up)
    gym.joins()
    gym.later(seconds=30)
    _dies_while_sending(gym)
    async with MywellnessClient(gym.client_settings, now=lambda: gym.clock.wall) as client:
        await client.create(create_body(replace(EVELINA, id="M1001", last_name="M1001"), GENDERS))
    for _ in range(2):
        await gym.sends("boot-2")
        gym.later(seconds=30)
    (held,) = gym.sandbox.ledger.people.values()
    assert gym.link().facility_user_id == held.facility_user_id
    assert gym.link().state is LinkState.ENABLED


async def test_a_visit_that_was_being_sent_when_central_died_is_unknown_and_names_that_process(at_nine: Gym) -> None:
    _dies_while_sending(at_nine, "boot-dead")
    await at_nine.sends("boot-2")
    assert at_nine.visits() == [(QueueState.UNKNOWN, "central boot-dead stopped while sending")]
    assert at_nine.calls() == []
    assert at_nine.alarms() == ["mywellness_unknown"]


async def test_what_may_be_repeated_is_sent_again_after_a_crash(gym: Gym) -> None:
    await gym.member()
    gym.changes(phone="+468999")
    gym.later(seconds=30)
    _dies_while_sending(gym)
    await gym.sends("boot-2")
    assert gym.actions() == ["update"]
    assert gym.link().state is LinkState.ENABLED


async def test_a_break_between_two_membership_calls_resumes_with_the_second(gym: Gym) -> None:
    sub = gym.subscribes()
    gym.does(memberships.freeze, sub, date(2026, 3, 5), date(2026, 3, 20))
    gym.completes()
    gym.arm(FaultKind.SERVER_ERROR, MEMBERSHIP, skip=1)
    for _ in range(3):
        gym.later(seconds=30)
        await gym.sends()
    assert [call.body["operation"] for call in gym.calls(MEMBERSHIP)] == ["Subscribe", "Froze", "Froze"]
    assert [save.operation for save in gym.sandbox.ledger.saves] == ["Subscribe", "Froze"]


def _dies_while_sending(gym: Gym, boot: str = "boot-dead") -> None:
    def begin(unit: Unit) -> None:
        assert store_queue.take(unit.connection, unit.now, boot) is not None

    gym.does(begin)


async def test_a_forwarder_that_is_stopped_waits_for_the_answer_under_way(at_nine: Gym) -> None:
    at_nine.sandbox.faults.arm(_slow(VISIT))
    async with at_nine.forwarding():
        await at_nine.until(lambda: bool(at_nine.calls(VISIT)))
        assert at_nine.times() == []
    assert at_nine.visits() == [(QueueState.DONE, "")]
    assert at_nine.times() == [NINE]


def _slow(action: str, delay_ms: int = 200) -> Fault:
    return Fault(FaultKind.SLOW, action, delay_ms=delay_ms)


# --- refusals and outages ---------------------------------------------------------------------------------------------


@pytest.mark.req("D-56")
async def test_one_who_fails_for_good_does_not_hold_up_another(gym: Gym) -> None:
    await gym.member("M1001")
    gym.arm(FaultKind.SERVER_ERROR, UPDATE, count=99)
    gym.changes("M1001", phone="+468999")
    gym.joins("M1002")
    gym.later(seconds=30)
    await gym.sends()
    gym.later(seconds=30)
    await gym.sends()
    assert gym.link("M1002").state is LinkState.ENABLED
    assert gym.link("M1001").state is LinkState.TO_UPDATE
    for _ in range(10):
        gym.later(hours=6)
        await gym.sends()
    assert gym.link("M1001").state is LinkState.ERROR
    assert len(gym.calls(UPDATE)) == 8
    ((error,),) = gym.asks(sa.select(link.c.last_error).where(link.c.person == "M1001"))
    assert error == "Mywellness answered 500 (after 8 attempts)"


async def test_the_pauses_between_attempts_double(gym: Gym) -> None:
    await gym.member()
    gym.arm(FaultKind.SERVER_ERROR, UPDATE, count=3)
    gym.changes(phone="+468999")
    tried = []
    for seconds in (30, 29, 1, 59, 1, 119, 1):
        gym.later(seconds=seconds)
        await gym.sends()
        tried.append(len(gym.calls(UPDATE)))
    assert tried == [1, 1, 2, 2, 3, 3, 4]


@pytest.mark.parametrize("outage", [FaultKind.RATE_429, FaultKind.RATE_403, FaultKind.HTML_200])
async def test_an_outage_of_the_facility_pauses_all_and_spends_no_attempt(at_nine: Gym, outage: FaultKind) -> None:
    at_nine.arm(outage, VISIT, count=12)
    async with at_nine.forwarding():
        for made in range(1, 13):
            await at_nine.until(lambda made=made: len(at_nine.calls()) == made)  # type: ignore[misc]
            at_nine.later(minutes=15)
        await at_nine.until(lambda: at_nine.visits() == [(QueueState.DONE, "")])
    assert at_nine.times() == [NINE]
    assert [row.attempts for row in at_nine.asks(sa.select(queue.c.attempts).where(queue.c.action == "visit"))] == [1]
    assert at_nine.alarms() == []


async def test_a_refused_create_waits_for_staff_and_its_visit_comes_after_it(gym: Gym) -> None:
    gym.arm(FaultKind.MATCH_CONFLICT)
    gym.joins()
    gym.enters("2026-03-10 08:55")
    for _ in range(3):
        gym.later(hours=2)
        await gym.sends()
    assert gym.link().state is LinkState.CREATION_ERROR
    assert [name for name in gym.actions() if name != "look up"] == ["create"]
    gym.operates(LinkEvent.SYNCHRONISE)
    await gym.sends()
    gym.later(seconds=30)
    await gym.sends()
    assert gym.link().state is LinkState.ENABLED
    assert gym.times() == ["2026-03-10 08:55:00 +01:00"]


async def test_a_visit_that_waits_for_its_person_asks_nobody_in_the_meantime(gym: Gym) -> None:
    gym.arm(FaultKind.MATCH_CONFLICT)
    gym.joins()
    gym.enters("2026-03-10 08:55")
    gym.later(seconds=30)
    async with gym.forwarding():
        await gym.until(lambda: gym.link().state is LinkState.CREATION_ERROR and gym.is_idle())
        gym.forgets_calls()
        for _ in range(20):
            gym.later(minutes=30)
            await gym.until(gym.is_idle)
    assert gym.calls() == []
    assert [row.attempts for row in gym.asks(sa.select(queue.c.attempts).where(queue.c.action == "visit"))] == [0]


async def test_a_create_without_a_user_id_still_brings_the_visit(gym: Gym) -> None:
    gym.switch(create_user_id=CreateUserId.OMITTED, lookup_external=LookupExternal.ABSENT)
    gym.joins()
    gym.enters("2026-03-10 08:55")
    gym.later(seconds=30)
    await gym.sends()
    assert gym.times() == ["2026-03-10 08:55:00 +01:00"]


async def test_newer_data_stay_to_update_when_an_older_update_succeeds(gym: Gym) -> None:
    await gym.member()
    gym.changes(phone="1")
    gym.later(seconds=30)
    gym.sandbox.faults.arm(_slow(UPDATE))
    async with gym.forwarding():
        await gym.until(lambda: bool(gym.calls(UPDATE)), seconds=5)
        gym.changes(phone="2")
        await gym.until(gym.is_idle)
    assert gym.link().state is LinkState.TO_UPDATE
    gym.later(seconds=30)
    await gym.sends()
    assert [call.body["phoneNumber"] for call in gym.calls()] == ["1", "2"]
    assert gym.link().state is LinkState.ENABLED


# --- deletion ---------------------------------------------------------------------------------------------------------


async def test_a_deletion_while_mywellness_is_down_is_done_later_and_leaves_a_tombstone(gym: Gym) -> None:
    await gym.member()
    gym.arm(FaultKind.SERVER_ERROR, "Delete")
    gym.operates(LinkEvent.DELETE)
    await gym.sends()
    assert gym.link().state is LinkState.TO_DELETE
    gym.later(seconds=30)
    await gym.sends()
    assert (gym.link().state, gym.link().tombstoned) == (None, True)
    assert all(held.deleted_at for held in gym.sandbox.ledger.people.values())
    gym.night("2026-03-11 00:05")
    gym.later(seconds=30)
    await gym.sends()
    assert gym.link().state is None
    gym.operates(LinkEvent.SYNCHRONISE)
    await gym.sends()
    assert "create" in gym.actions()


async def test_who_is_deleted_while_being_created_is_not_left_behind(gym: Gym) -> None:
    gym.joins()
    gym.later(seconds=30)
    gym.arm(FaultKind.CUT_AFTER_COMMIT, CREATE)
    async with gym.forwarding():
        await gym.until(lambda: bool(gym.sandbox.ledger.people))
    assert gym.operates(LinkEvent.DELETE) is LinkState.TO_DELETE
    await gym.sends()
    assert [bool(held.deleted_at) for held in gym.sandbox.ledger.people.values()] == [True]
    assert (gym.link().state, gym.link().tombstoned) == (None, True)


# --- the database -----------------------------------------------------------------------------------------------------


async def test_an_answer_outlives_a_database_that_is_away(at_nine: Gym, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failing = store_queue.finish, [OperationalError("COMMIT", {}, Exception("gone"))] * 2

    def finish(*args: object, **kwargs: object) -> bool:
        if failing:
            raise failing.pop()
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(store_queue, "finish", finish)
    await at_nine.sends()
    assert at_nine.visits() == [(QueueState.DONE, "")]
    assert at_nine.times() == [NINE]
    assert failing == []


async def test_a_row_taken_in_a_commit_whose_end_was_not_heard_is_not_taken_for_sent(at_nine: Gym) -> None:
    at_nine.enters("2026-03-10 09:02", "RD-OUT")
    at_nine.enters("2026-03-10 09:04")
    run, lost = at_nine.units.run, ["first take"]

    async def unheard(work: object, *args: object, **kwargs: object) -> object:
        answer: object = await run(work, *args, **kwargs)  # type: ignore[arg-type]
        if kwargs.get("take") and answer is not None and lost:
            lost.clear()
            raise OperationalError("COMMIT", {}, Exception("gone"))
        return answer

    at_nine.units.run = unheard  # type: ignore[assignment,method-assign]
    await at_nine.sends()
    assert [state for state, _ in at_nine.visits()] == [QueueState.DONE, QueueState.DONE]
    assert len(at_nine.times()) == 2
    assert lost == []


async def test_a_row_that_breaks_our_own_code_does_not_stop_the_others(
    gym: Gym, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gym.member("M1001")
    real = mapping.update_body

    def update_body(person: Person, *args: object, **kwargs: object) -> object:
        if person.id == "M1001":
            raise ZeroDivisionError
        return real(person, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr("central.mywellness.sending.mapping.update_body", update_body)
    gym.does(store_queue_person, "M1001")
    gym.joins("M1002")
    for _ in range(2):
        gym.later(seconds=30)
        await gym.sends()
    assert gym.link("M1002").state is LinkState.ENABLED
    assert (QueueAction.PERSON, QueueState.RETRY, BROKEN) in gym.queued()


BROKEN = "ZeroDivisionError while sending; see the log of central"


def store_queue_person(unit: Unit, person: str) -> None:
    """Queue an update of a person, as a change would."""
    store_queue.enqueue(unit.connection, person, QueueAction.PERSON, now=unit.now, due_at=unit.now)

"""The client against the sandbox, over real HTTP: sessions, outcomes, and what reached the other side."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from central.mywellness.answers import Done, FacilityDown, Outcome, Refused, TryLater, Unknown
from central.mywellness.client import MywellnessClient
from central.mywellness.mapping import (
    Body,
    MembershipSend,
    Operation,
    Representation,
    create_body,
    save_membership_body,
    update_body,
    visit_body,
)
from central.mywellness.replies import RemoteIds
from central.mywellness.rules import GENDERS
from central.mywellness.sandbox import Facility, Fault, FaultKind, Ledger, Sandbox, Switches, create_app, running
from central.mywellness.sandbox.control import SANDBOX
from central.mywellness.sandbox.switches import CreateUserId, DeleteThenGet, LookupExternal, TokenMode
from central.mywellness.settings import ClientSettings
from tests.central.mywellness.builders import EVELINA, STOCKHOLM, person

CREATE = create_body(EVELINA, GENDERS)
VISIT = visit_body(datetime(2026, 3, 10, 8, 0, tzinfo=UTC), STOCKHOLM)
PASSWORD = "correct horse"


class Hands:
    """A clock both sides read and the test turns."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 10, 8, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def turn(self, **by: float) -> None:
        self.moment += timedelta(**by)


@pytest.fixture
def hands() -> Hands:
    return Hands()


class Stand:
    """A running sandbox and what it saw."""

    def __init__(self, url: str, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.settings = ClientSettings(
            base_url=url,
            facility="mygym",
            api_key="KEY-123456789",
            username="sync@club.example",
            password=PASSWORD,
            connect_timeout=timedelta(seconds=1),
            answer_timeout=timedelta(seconds=0.3),
        )

    def arm(self, kind: FaultKind, **how: object) -> None:
        self.sandbox.faults.arm(Fault(kind, **how))  # type: ignore[arg-type]

    def switch(self, **positions: object) -> None:
        self.sandbox.switches = replace(self.sandbox.switches, **positions)  # type: ignore[arg-type]

    def actions(self) -> list[str]:
        return [call.action for call in self.sandbox.calls.after(0)]

    def logins(self) -> int:
        return self.actions().count("AccessIntegration")


@pytest.fixture
async def stand(hands: Hands) -> AsyncIterator[Stand]:
    facilities = [Facility.named("mygym"), Facility.named("othergym")]
    credentials = ("KEY-123456789", "sync@club.example", PASSWORD)
    app = create_app(Ledger(None), hands, Switches(), credentials, facilities)
    async with running(app, "127.0.0.1", 0) as url:
        yield Stand(url, app[SANDBOX])


@pytest.fixture
async def client(stand: Stand, hands: Hands) -> AsyncIterator[MywellnessClient]:
    async with MywellnessClient(stand.settings, now=hands.now) as client:
        yield client


async def created(client: MywellnessClient, body: Body = CREATE) -> RemoteIds:
    outcome = await client.create(body)
    assert isinstance(outcome, Done)
    return outcome.data


def user_id(ids: RemoteIds) -> str:
    assert ids.user_id is not None
    return ids.user_id


async def test_a_create_brings_back_the_ids_of_the_new_person(client: MywellnessClient, stand: Stand) -> None:
    ids = await created(client)
    held = stand.sandbox.ledger.people[ids.facility_user_id]
    assert (ids.user_id, ids.permanent_token) == (held.user_id, held.permanent_token)
    assert held.external_id == "M1001-uuid"
    assert held.details["birthDate"] == "1990-05-15"


@pytest.mark.req("D-14")
async def test_the_first_sync_sends_what_is_mandatory_and_then_address_and_phones(
    client: MywellnessClient, stand: Stand
) -> None:
    whole = person(address="Storgatan 1", postcode="11122", city="Stockholm", phone="+468123", mobile="+467012")
    ids = await created(client, create_body(whole, GENDERS))
    await client.update(ids.facility_user_id, update_body(whole, GENDERS, first=True))
    create, update = (call.body for call in stand.sandbox.calls.after(1))
    assert {name: value for name, value in create.items() if name != "token"} == {
        "firstName": "Evelina",
        "lastName": "Lind",
        "gender": "F",
        "dateOfBirth": "1990-05-15",
        "email": "evelina@example.com",
        "externalId": "M1001-uuid",
    }
    optional = ("address1", "zipCode", "city", "phoneNumber", "mobilePhoneNumber")
    assert [update[name] for name in optional] == ["Storgatan 1", "11122", "Stockholm", "+468123", "+467012"]


async def test_creating_the_same_person_again_matches_the_first(client: MywellnessClient, stand: Stand) -> None:
    assert await created(client) == await created(client)
    assert len(stand.sandbox.ledger.people) == 1


async def test_the_facility_is_chosen_by_its_slug_not_by_its_place(client: MywellnessClient, stand: Stand) -> None:
    await created(client)
    assert stand.sandbox.calls.after(1)[0].path.split("/")[4] == Facility.named("mygym").id


async def test_a_missing_user_id_is_fetched_by_a_look_up(client: MywellnessClient, stand: Stand) -> None:
    stand.switch(create_user_id=CreateUserId.OMITTED)
    ids = await created(client)
    assert ids.user_id == stand.sandbox.ledger.people[ids.facility_user_id].user_id
    assert stand.actions()[-1] == "GetFacilityUserFromPermanentToken"


async def test_an_ambiguous_match_is_refused_with_its_masked_candidates(client: MywellnessClient, stand: Stand) -> None:
    stand.arm(FaultKind.MATCH_CONFLICT)
    outcome = await client.create(CREATE)
    assert isinstance(outcome, Refused)
    assert outcome.code == "UserEmailAndDataMatchFound"
    assert [candidate.email for candidate in outcome.candidates] == ["j***@example.com", "e***@example.org"]
    assert not stand.sandbox.ledger.people


async def test_missing_data_are_refused_by_field(client: MywellnessClient) -> None:
    without_gender = {name: value for name, value in CREATE.items() if name != "gender"}
    assert await client.create(without_gender) == Refused("Required", "Gender", "Mandatory data")


@pytest.mark.parametrize("shape", list(DeleteThenGet))
async def test_a_look_up_of_nobody_gives_none_in_every_shape(
    client: MywellnessClient, stand: Stand, shape: DeleteThenGet
) -> None:
    stand.switch(delete_then_get=shape)
    assert await client.lookup_external_id("nobody") == Done(None)
    assert await client.lookup_permanent_token("nothing") == Done(None)


async def test_a_look_up_finds_the_person_by_our_id(client: MywellnessClient) -> None:
    ids = await created(client)
    assert await client.lookup_external_id("M1001-uuid") == Done(RemoteIds(ids.facility_user_id, ids.user_id))


async def test_a_look_up_that_is_not_offered_says_so_without_stopping_the_facility(
    client: MywellnessClient, stand: Stand
) -> None:
    stand.switch(lookup_external=LookupExternal.ABSENT)
    outcome = await client.lookup_external_id("M1001-uuid")
    assert isinstance(outcome, Refused)
    assert outcome.code == "UNKNOWN_ACTION"


async def test_an_action_name_nobody_knows_is_a_setting_to_correct(stand: Stand, hands: Hands) -> None:
    wrong = replace(stand.settings, actions=replace(stand.settings.actions, update="Renovate"))
    async with MywellnessClient(wrong, now=hands.now) as client:
        outcome = await client.update("anyone", {})
    assert isinstance(outcome, FacilityDown)
    assert outcome.needs_staff


async def test_an_update_changes_the_person(client: MywellnessClient, stand: Stand) -> None:
    ids = await created(client)
    moved = person(address="Storgatan 1", phone="+468123")
    assert await client.update(ids.facility_user_id, update_body(moved, GENDERS, groups=[7])) == Done(None)
    held = stand.sandbox.ledger.people[ids.facility_user_id]
    assert (held.details["address1"], held.details["phoneNumber"]) == ("Storgatan 1", "+468123")
    assert list(held.groups) == [7]


@pytest.mark.parametrize("operation", list(Operation))
async def test_each_membership_operation_is_taken(client: MywellnessClient, operation: Operation) -> None:
    ids = await created(client)
    gym = Representation(date(2025, 6, 1), None, date(2019, 1, 15), frozen=False, ended=False, description="Gym")
    body = save_membership_body(MembershipSend(operation, gym))
    assert await client.save_membership(ids.facility_user_id, body) == Done(None)


async def test_a_visit_arrives_with_its_own_time(client: MywellnessClient, stand: Stand) -> None:
    ids = await created(client)
    assert await client.visit(user_id(ids), VISIT) == Done(None)
    assert [visit.visit_date for visit in stand.sandbox.ledger.visits] == ["2026-03-10 09:00:00 +01:00"]


async def test_a_visit_of_somebody_unknown_is_refused(client: MywellnessClient) -> None:
    outcome = await client.visit("nobody", VISIT)
    assert isinstance(outcome, Refused)
    assert outcome.code == "NotFound"


async def test_deleting_twice_is_done_twice(client: MywellnessClient, stand: Stand) -> None:
    ids = await created(client)
    assert await client.delete(ids.facility_user_id) == Done(None)
    assert await client.delete(ids.facility_user_id) == Done(None)
    assert stand.sandbox.ledger.people[ids.facility_user_id].deleted_at is not None


@pytest.mark.req("D-59")
@pytest.mark.parametrize("kind", [FaultKind.TOKEN_NOT_VALID, FaultKind.UNAUTHORIZED_EMPTY])
async def test_an_expired_token_costs_exactly_one_more_login(
    client: MywellnessClient, stand: Stand, kind: FaultKind
) -> None:
    ids = await created(client)
    stand.arm(kind, action="Update")
    assert await client.update(ids.facility_user_id, {}) == Done(None)
    assert stand.actions()[-3:] == ["Update", "AccessIntegration", "Update"]
    assert stand.logins() == 2


@pytest.mark.req("D-59")
async def test_a_session_that_ran_out_at_mywellness_is_renewed_once(stand: Stand, hands: Hands) -> None:
    async with MywellnessClient(stand.settings, now=Hands().now) as client:
        ids = await created(client)
        hands.turn(minutes=30)
        assert await client.visit(user_id(ids), VISIT) == Done(None)
    assert stand.logins() == 2
    assert len(stand.sandbox.ledger.visits) == 1


@pytest.mark.parametrize(
    ("age", "logins"),
    [
        pytest.param(timedelta(minutes=24, seconds=59), 1, id="24:59"),
        pytest.param(timedelta(minutes=25), 2, id="25:00"),
    ],
)
async def test_the_session_is_renewed_at_twenty_five_minutes(
    client: MywellnessClient, stand: Stand, hands: Hands, age: timedelta, logins: int
) -> None:
    ids = await created(client)
    hands.moment += age
    assert await client.update(ids.facility_user_id, {}) == Done(None)
    assert stand.logins() == logins
    assert client.last_login == hands.moment - (age if logins == 1 else timedelta())


async def test_a_token_refused_right_after_a_login_stops_the_facility(client: MywellnessClient, stand: Stand) -> None:
    ids = await created(client)
    stand.arm(FaultKind.TOKEN_NOT_VALID, action="Update", count=2)
    outcome = await client.update(ids.facility_user_id, {})
    assert isinstance(outcome, FacilityDown)
    assert stand.actions().count("Update") == 2
    assert isinstance(await client.update(ids.facility_user_id, {}), FacilityDown)
    assert stand.actions().count("Update") == 2


async def test_calls_at_the_same_time_wait_for_each_other_and_share_one_session(
    client: MywellnessClient, stand: Stand
) -> None:
    stand.switch(token_mode=TokenMode.SINGLE_USE)
    ids = await created(client)
    outcomes = await asyncio.gather(*(client.update(ids.facility_user_id, {}) for _ in range(8)))
    assert outcomes == [Done(None)] * 8
    assert stand.logins() == 1


async def test_without_a_new_token_the_old_one_stays_in_use(client: MywellnessClient, stand: Stand) -> None:
    ids = await created(client)
    stand.arm(FaultKind.MISSING_TOKEN, action="Update")
    assert await client.update(ids.facility_user_id, {}) == Done(None)
    assert await client.update(ids.facility_user_id, {}) == Done(None)
    assert stand.logins() == 1


async def test_a_wrong_password_is_not_tried_again_before_its_pause(stand: Stand, hands: Hands) -> None:
    wrong = replace(stand.settings, password="wrong")
    async with MywellnessClient(wrong, now=hands.now) as client:
        first = await client.create(CREATE)
        assert first == FacilityDown("login refused: Mywellness answered 401", timedelta(minutes=15), needs_staff=True)
        hands.turn(minutes=14)
        second = await client.create(CREATE)
        assert isinstance(second, FacilityDown)
        assert second.retry_after == timedelta(minutes=1)
        assert stand.logins() == 1
        hands.turn(minutes=1)
        third = await client.create(CREATE)
        assert isinstance(third, FacilityDown)
        assert third.retry_after == timedelta(minutes=30)
        assert stand.logins() == 2


async def test_a_locked_account_waits_as_long_as_it_is_locked(
    client: MywellnessClient, stand: Stand, hands: Hands
) -> None:
    stand.arm(FaultKind.ACCOUNT_LOCKED)
    locked = await client.create(CREATE)
    assert isinstance(locked, FacilityDown)
    assert "locked" in locked.reason
    assert isinstance(await client.create(CREATE), FacilityDown)
    assert stand.actions() == ["AccessIntegration"]
    hands.turn(minutes=15)
    assert isinstance(await client.create(CREATE), Done)


async def test_a_user_without_access_to_the_facility_is_a_setting_to_correct(stand: Stand, hands: Hands) -> None:
    async with MywellnessClient(replace(stand.settings, facility="elsewhere"), now=hands.now) as client:
        outcome = await client.create(CREATE)
    assert isinstance(outcome, FacilityDown)
    assert outcome.needs_staff


async def test_a_login_without_an_answer_leaves_the_call_unsent(client: MywellnessClient, stand: Stand) -> None:
    stand.arm(FaultKind.CUT_AFTER_COMMIT, action="AccessIntegration")
    outcome = await client.create(CREATE)
    assert isinstance(outcome, FacilityDown)
    assert not outcome.needs_staff
    assert stand.actions() == ["AccessIntegration"]


@pytest.mark.parametrize(
    ("fault", "meaning", "visits"),
    [
        pytest.param(Fault(FaultKind.SERVER_ERROR), TryLater, 0, id="500"),
        pytest.param(Fault(FaultKind.SERVER_ERROR, status=503), FacilityDown, 0, id="503"),
        pytest.param(Fault(FaultKind.HTML_200), FacilityDown, 0, id="a page with 200"),
        pytest.param(Fault(FaultKind.RATE_403), FacilityDown, 0, id="rate limit 403"),
        pytest.param(Fault(FaultKind.RATE_429), FacilityDown, 0, id="rate limit 429"),
        pytest.param(Fault(FaultKind.CUT_BEFORE_COMMIT), Unknown, 0, id="cut before it took effect"),
        pytest.param(Fault(FaultKind.CUT_AFTER_COMMIT), Unknown, 1, id="cut after it took effect"),
        pytest.param(Fault(FaultKind.HANG_BEFORE_COMMIT), Unknown, 0, id="no answer, no effect"),
        pytest.param(Fault(FaultKind.HANG_AFTER_COMMIT), Unknown, 1, id="no answer after it took effect"),
        pytest.param(Fault(FaultKind.SLOW, delay_ms=50), Done, 1, id="slow but in time"),
    ],
)
async def test_a_visit_that_may_have_arrived_is_told_from_one_that_cannot_have(
    client: MywellnessClient, stand: Stand, fault: Fault, meaning: type, visits: int
) -> None:
    ids = await created(client)
    stand.sandbox.faults.arm(replace(fault, action="Visit"))
    outcome: Outcome[None] = await client.visit(user_id(ids), VISIT)
    assert isinstance(outcome, meaning)
    assert len(stand.sandbox.ledger.visits) == visits
    assert stand.actions().count("Visit") == 1


async def test_after_a_lost_answer_the_next_call_succeeds(client: MywellnessClient, stand: Stand) -> None:
    ids = await created(client)
    stand.arm(FaultKind.HANG_AFTER_COMMIT, action="Visit")
    await client.visit(user_id(ids), VISIT)
    assert await client.update(ids.facility_user_id, {}) == Done(None)


async def test_a_refused_connection_is_certain_to_have_had_no_effect(stand: Stand, hands: Hands) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = replace(stand.settings, base_url=f"http://127.0.0.1:{unused.getsockname()[1]}")
        async with MywellnessClient(nowhere, now=hands.now) as client:
            outcome = await client.create(CREATE)
    assert isinstance(outcome, FacilityDown)
    assert "cannot be reached" in outcome.reason
    assert not outcome.needs_staff


async def test_no_secret_appears_in_logs_or_in_the_settings_text(
    client: MywellnessClient, stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ids = await created(client)
    stand.arm(FaultKind.TOKEN_NOT_VALID, action="Update")
    await client.update(ids.facility_user_id, {})
    said = caplog.text + repr(stand.settings) + repr(ids) + repr(client._session)
    tokens = [*stand.sandbox.sessions._tokens, ids.permanent_token]
    secrets = [PASSWORD, "KEY-123456789", *tokens]
    assert "logged in" in said
    assert not [secret for secret in secrets if secret and secret in said]


@pytest.mark.parametrize(
    ("url", "allow_plain"),
    [
        pytest.param("https://api.mywellness.com", False, id="https"),
        pytest.param("http://127.0.0.1:8089", False, id="this machine"),
        pytest.param("http://sandbox:8089", True, id="plain, allowed"),
    ],
)
def test_a_base_url_is_safe_or_allowed(url: str, *, allow_plain: bool) -> None:
    settings = ClientSettings(url, "mygym", "key", "user", "password", allow_plain=allow_plain)
    assert settings.base_url == url


def test_passwords_never_travel_in_the_clear_by_accident() -> None:
    with pytest.raises(ValueError, match="is not https"):
        ClientSettings("http://api.mywellness.com", "mygym", "key", "user", "password")

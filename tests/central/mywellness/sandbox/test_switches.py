"""Contract §1.15, "Switches": each position of each, the default first."""

from typing import Any

import pytest

from central.mywellness.sandbox import Switches
from tests.central.mywellness.sandbox.raw import EVA, OLA, SUBSCRIBE, VISIT, Raw, StillClock


@pytest.mark.parametrize(("mode", "works"), [("sliding", True), ("single_use", False)])
async def test_token_mode_decides_whether_a_token_serves_twice(club: Raw, *, mode: str, works: bool) -> None:
    """Contract §1.15 `token_mode`."""
    await club.switch(token_mode=mode)
    first = club.token
    newer = (await club.create(EVA)).json["token"]
    club.token = first
    assert ("data" in (await club.create(EVA)).json) is works
    club.token = newer
    assert "data" in (await club.create(EVA)).json


async def test_a_single_use_token_survives_a_refusal_that_brings_no_new_one(club: Raw) -> None:
    """Contract §1.2: keep the old token when an error brings none."""
    await club.switch(token_mode="single_use")
    assert "errors" in (await club.create({})).json
    assert "data" in (await club.create(EVA)).json


@pytest.mark.parametrize(
    ("position", "answers"),
    [
        ("by_external_id", {"GetFacilityUserByExternalID": 200, "GetFacilityUserFromExternalId": 404}),
        ("from_external_id", {"GetFacilityUserByExternalID": 404, "GetFacilityUserFromExternalId": 200}),
        ("absent", {"GetFacilityUserByExternalID": 404, "GetFacilityUserFromExternalId": 404}),
    ],
)
async def test_lookup_external_decides_under_which_name_the_look_up_exists(
    club: Raw, eva: dict[str, str], position: str, answers: dict[str, int]
) -> None:
    """Contract §1.15 `lookup_external`, §1.5 row 2."""
    await club.switch(lookup_external=position)
    replies = {action: await club.find("M-1042", action) for action in answers}
    assert {action: reply.status for action, reply in replies.items()} == answers
    for reply in replies.values():
        assert reply.status == 404 or reply.data["facilityUserId"] == eva["facilityUserId"]


@pytest.mark.parametrize(
    ("position", "shape"),
    [
        ("match_found", {"data": "MatchFound"}),
        ("ambiguous_list", {"data": "UserEmailAndDataMatchFound"}),
        ("errors", {"errors": "AlreadyExists"}),
    ],
)
async def test_match_result_decides_what_a_second_create_answers(
    club: Raw, eva: dict[str, str], position: str, shape: dict[str, str]
) -> None:
    """Contract §1.15 `match_result`."""
    await club.switch(match_result=position)
    reply = await club.create(EVA | {"externalId": "M-2000"})
    found = {"errors": reply.error["type"]} if "errors" in reply.json else {"data": reply.data["result"]}
    assert found == shape
    assert len((await club.ledger())["persons"]) == 1


async def test_the_ambiguous_list_has_masked_mails_and_no_permanent_token(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.4, `matchedUsers`."""
    await club.switch(match_result="ambiguous_list")
    data = (await club.create(EVA)).data
    assert data["matchedUsers"] == [
        {"userId": eva["userId"], "facilityUserId": eva["facilityUserId"], "email": "e***@example.com"}
    ]
    assert "permanentToken" not in data


@pytest.mark.parametrize(("position", "accepted"), [("accept_missing", True), ("require_expires_on", False)])
async def test_membership_open_end_decides_whether_a_last_day_is_needed(
    club: Raw, eva: dict[str, str], *, position: str, accepted: bool
) -> None:
    """Contract §1.15 `membership_open_end`."""
    await club.switch(membership_open_end=position)
    endless = {name: value for name, value in SUBSCRIBE.items() if name != "expiresOn"}
    reply = await club.on_person(eva, "SaveMembership", endless)
    assert ("data" in reply.json) is accepted
    assert accepted or (reply.error["field"], reply.error["type"]) == ("ExpiresOn", "Required")
    assert (await club.on_person(eva, "SaveMembership", SUBSCRIBE)).data["result"] == "Success"


@pytest.mark.parametrize(
    ("position", "sent", "happened"),
    [
        ("honoured", "2026-09-01 08:00:00 +02:00", ["2026-09-01T08:00:00+02:00"]),
        ("ignored", "2026-09-01 08:00:00 +02:00", ["2026-11-21T06:42:10+00:00"]),
        ("refuse_older", "2026-11-20 07:42:09 +01:00", []),
        ("refuse_older", "2026-11-20 07:42:10 +01:00", ["2026-11-20T07:42:10+01:00"]),
    ],
)
async def test_visit_date_is_honoured_ignored_or_refused_when_older(
    club: Raw, eva: dict[str, str], position: str, sent: str, happened: list[str]
) -> None:
    """Contract §1.15 `visit_date`, N = 24 h: the clock stands at 2026-11-21 06:42:10 UTC."""
    await club.switch(visit_date=position, visit_max_age_h=24)
    reply = await club.visit(eva, {"visitDate": sent})
    visits = (await club.ledger())["visits"]
    assert [visit["happenedAt"] for visit in visits] == happened
    assert ("data" in reply.json) is bool(happened)
    assert all(visit["visitDate"] == sent for visit in visits)


@pytest.mark.parametrize(("position", "counted"), [("counts_twice", 2), ("collapses", 1)])
async def test_visit_dup_decides_whether_the_same_visit_counts_twice(
    club: Raw, eva: dict[str, str], position: str, counted: int
) -> None:
    """Contract §1.15 `visit_dup`: both are answered with success and both are in the ledger."""
    await club.switch(visit_dup=position)
    for _ in range(2):
        assert (await club.visit(eva, VISIT)).data["result"] == "Success"
    ledger = await club.ledger()
    assert (len(ledger["visits"]), ledger["counters"]["visits_counted"]) == (2, counted)
    await club.visit(eva, {"visitDate": "2026-11-21 07:42:11 +01:00"})
    assert (await club.ledger())["counters"]["visits_counted"] == counted + 1


@pytest.mark.parametrize(("position", "left"), [("keep", [100001]), ("clear", [])])
async def test_omitted_groups_are_kept_or_cleared(
    club: Raw, eva: dict[str, str], position: str, left: list[int]
) -> None:
    """Contract §1.15 `omitted_groups`."""
    await club.switch(omitted_groups=position)
    await club.on_person(eva, "Update", {"groups": [100001]})
    await club.on_person(eva, "Update", {"city": "Stockholm"})
    assert (await club.ledger())["persons"][0]["groups"] == left


@pytest.mark.parametrize(
    ("position", "shape"),
    [("not_found", {"data": {"notFound": True}}), ("empty_data", {"data": {}}), ("errors", {"errors": "NotFound"})],
)
async def test_delete_then_get_has_three_shapes_of_not_found(
    club: Raw, eva: dict[str, str], position: str, shape: dict[str, Any]
) -> None:
    """Contract §1.15 `delete_then_get`, §1.2; by either look-up, always with status 200."""
    await club.switch(delete_then_get=position)
    await club.on_person(eva, "Delete", {})
    for reply in (await club.get(eva["permanentToken"]), await club.find("M-1042")):
        assert reply.status == 200
        found = {"errors": reply.error["type"]} if "errors" in reply.json else {"data": reply.data}
        assert found == shape


@pytest.mark.parametrize(("position", "excess"), [("off", 200), ("json_403", 403), ("http_429", 429)])
async def test_rate_limit_refuses_the_call_above_the_window_s_number(
    club: Raw, clock: StillClock, position: str, excess: int
) -> None:
    """Contract §1.15 `rate_limit`, §1.13: windows at :00/:15/:30/:45; the clock stands at :42:10."""
    await club.switch(rate_limit=position, rate_limit_calls=3)
    statuses = [(await club.create(OLA)).status for _ in range(4)]
    assert statuses == [200, 200, 200, excess]
    clock.forward(minutes=2, seconds=49)
    assert (await club.create(OLA)).status == excess
    clock.forward(seconds=1)
    assert (await club.create(OLA)).status == 200


async def test_a_refusal_for_rate_is_json_and_429_says_how_long_to_wait(club: Raw) -> None:
    """Contract §1.13: 403 with a JSON error; the seconds to the next window at :45:00 are 170."""
    await club.switch(rate_limit="json_403", rate_limit_calls=1)
    await club.create(EVA)
    assert "errors" in (await club.create(EVA)).json
    await club.switch(rate_limit="http_429")
    reply = await club.create(EVA)
    assert (reply.status, reply.headers["Retry-After"]) == (429, "170")


async def test_the_day_has_its_limit_too(club: Raw) -> None:
    """Contract §1.13: 5,500 per day; the next day begins after 17 h 17 min 50 s."""
    await club.switch(rate_limit="http_429", rate_limit_calls=10_000)
    statuses = {(await club.send("/mygym/core/user/1/Visit", {})).status for _ in range(5500)}
    assert statuses == {200}
    last = await club.create(EVA)
    assert (last.status, last.headers["Retry-After"]) == (429, "62270")


async def test_plain_http_is_accepted_by_default(club: Raw) -> None:
    """Contract §1.1, row Plain http: a stand-in on loopback has no TLS."""
    await club.switch(plain_http="accepted")
    assert (await club.create(EVA)).data["result"] == "Created"


async def test_plain_http_can_be_refused_as_documented(club: Raw) -> None:
    """Contract §1.1, row Plain http."""
    await club.switch(plain_http="refused")
    assert (await club.create(EVA)).json["errors"] == [
        {
            "field": "http-protocol",
            "type": "Security",
            "details": "https required",
            "errorMessage": "Api can be called only using https protocol",
            "message": "Api can be called only using https protocol",
        }
    ]
    assert (await club.ledger())["persons"] == []


@pytest.mark.parametrize(("position", "returned"), [("returned", True), ("omitted", False)])
async def test_create_user_id_decides_whether_a_look_up_is_needed_before_the_first_visit(
    club: Raw, *, position: str, returned: bool
) -> None:
    """Contract §1.4: that create returns `userId` too has one source only."""
    await club.switch(create_user_id=position)
    created = (await club.create(EVA)).data
    assert ("userId" in created) is returned
    assert (await club.get(created["permanentToken"])).data["userId"]


async def test_switches_start_with_the_contract_s_defaults_and_change_one_by_one(raw: Raw) -> None:
    """Contract §1.15: default first."""
    before = await raw.standin("switches")
    assert before["token_mode"] == Switches().token_mode == "sliding"
    await raw.switch(visit_dup="collapses")
    assert await raw.standin("switches") == before | {"visit_dup": "collapses"}


@pytest.mark.parametrize("wish", [{"token_mod": "sliding"}, {"token_mode": "double"}, {"visit_max_age_h": 0}, [1]])
async def test_a_switch_or_position_nobody_knows_is_a_400_and_changes_nothing(raw: Raw, wish: object) -> None:
    """The invented prefix is strict where Mywellness is not."""
    before = await raw.standin("switches")
    reply = await raw.send("/_standin/switches", wish, method="PUT")
    assert reply.status == 400
    assert reply.json["detail"]
    assert await raw.standin("switches") == before

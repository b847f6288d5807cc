"""Contract §1.3: AccessIntegration and the life of a token."""

import pytest

from tests.central.mywellness.sandbox.raw import EVA, LOGIN_BODY, LOGIN_PATH, USERNAME, Raw, StillClock


async def test_login_answers_result_facilities_user_and_a_token_for_half_an_hour(raw: Raw) -> None:
    """Contract §1.3, the answer."""
    reply = await raw.send(LOGIN_PATH, LOGIN_BODY)
    assert reply.data["result"] == "Success"
    assert reply.data["userContext"]["email"] == USERNAME
    assert set(reply.data["facilities"][0]) == {"id", "url", "name", "companyName", "logoUrl", "isDemo"}
    assert reply.json["token"]
    assert reply.json["expireIn"] == 1800


async def test_the_asked_club_is_found_by_its_url_and_is_not_the_first(raw: Raw) -> None:
    """Contract §1.3: `facilities` can hold several clubs; choose by `url`."""
    for slug in ("mygym", "othergym"):
        facilities = (await raw.log_in(slug)).data["facilities"]
        assert facilities[0]["url"] != slug
        assert slug in [facility["url"] for facility in facilities]


async def test_a_wrong_password_is_a_401_without_a_token(raw: Raw) -> None:
    """Contract §1.2: 401 for a bad login."""
    reply = await raw.send(LOGIN_PATH, LOGIN_BODY | {"password": "guessed"})
    assert reply.status == 401
    assert "token" not in reply.json
    assert reply.error["type"] == "Security"


@pytest.mark.parametrize("field", ["apiKey", "username", "password"])
async def test_each_field_of_the_login_is_required(raw: Raw, field: str) -> None:
    """Contract §1.3, the body."""
    reply = await raw.send(LOGIN_PATH, {name: value for name, value in LOGIN_BODY.items() if name != field})
    assert reply.error["type"] == "Required"
    assert reply.error["field"].lower() == field.lower()


async def test_login_lives_under_the_public_application_id_only(raw: Raw) -> None:
    """Contract §1.3, the path."""
    assert (await raw.send("/mygym/application/00000000/AccessIntegration", LOGIN_BODY)).status == 404


async def test_a_club_nobody_knows_gives_no_session(raw: Raw) -> None:
    """Contract §1.2: `NoPermissionsForUserException`."""
    reply = await raw.send(LOGIN_PATH.replace("mygym", "nogym"), LOGIN_BODY)
    assert reply.error["details"] == "NoPermissionsForUserException"
    assert "token" not in reply.json


async def test_a_token_ends_half_an_hour_after_it_was_given(club: Raw, clock: StillClock) -> None:
    """Contract §1.15: expiry after `expireIn`; the last second is still good."""
    at_login = club.token
    clock.forward(seconds=1799)
    club.token = at_login
    assert "data" in (await club.create(EVA)).json
    clock.forward(seconds=1)
    club.token = at_login
    assert (await club.create(EVA)).error["details"] == "TokenNotValid"


async def test_a_session_slides_as_long_as_it_is_used(club: Raw, clock: StillClock) -> None:
    """Contract §1.3, rolling token: each answer brings a new one with its own half hour."""
    for _ in range(4):
        clock.forward(minutes=25)
        assert "data" in (await club.create(EVA)).json

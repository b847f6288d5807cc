"""Contract §1.1 and §1.2: paths, headers, token, envelope and the shapes of failure."""

import pytest

from tests.central.mywellness.sandbox.raw import API_KEY, EVA, HEADERS, LOGIN_BODY, LOGIN_PATH, VISIT, Raw


async def test_paths_are_found_in_any_case(club: Raw) -> None:
    """Contract §1.1, row Case: paths and GUIDs."""
    path = f"/MyGym/CORE/Facility/{club.facility_id.upper()}/createfacilityuserfromTHIRDPARTY"
    assert (await club.call(path, EVA)).data["result"] == "Created"


async def test_property_names_are_read_in_any_case(club: Raw) -> None:
    """Contract §1.1, row Case: JSON property names too."""
    shouted = {name.upper(): value for name, value in EVA.items()} | {"Token": club.token}
    reply = await club.send(f"/mygym/core/facility/{club.facility_id}/CreateFacilityUserFromThirdParty", shouted)
    assert reply.data["result"] == "Created"


@pytest.mark.parametrize("missing", ["X-MWAPPS-CLIENT", "X-MWAPPS-APIKEY"])
@pytest.mark.parametrize("path", [LOGIN_PATH, "/mygym/core/user/1/Visit"])
async def test_a_call_without_one_of_the_headers_is_a_401_with_an_empty_body(raw: Raw, missing: str, path: str) -> None:
    """Contract §1.1, row Headers: on every call, login included; §1.2: 401 for a missing header."""
    reply = await raw.send(path, LOGIN_BODY, headers={n: v for n, v in HEADERS.items() if n != missing})
    assert (reply.status, reply.text) == (401, "")


@pytest.mark.parametrize("header", [{"X-MWAPPS-CLIENT": "somebody"}, {"X-MWAPPS-APIKEY": "ANOTHER-KEY"}])
async def test_an_unknown_client_is_not_trusted_and_told_so_inside_a_200(raw: Raw, header: dict[str, str]) -> None:
    """Contract §1.1, row Unknown client header."""
    reply = await raw.send(LOGIN_PATH, LOGIN_BODY, headers=HEADERS | header)
    assert reply.status == 200
    assert reply.error["field"] == "ClientApplicationNotTrusted"


async def test_the_token_belongs_in_the_body_and_a_header_does_not_replace_it(club: Raw) -> None:
    """Contract §1.1, row Session token."""
    path = f"/mygym/core/facility/{club.facility_id}/CreateFacilityUserFromThirdParty"
    reply = await club.send(path, EVA, headers=HEADERS | {"Authorization": f"Bearer {club.token}"})
    assert (reply.status, reply.error["field"], reply.error["type"]) == (200, "Token", "Required")
    assert (await club.send(path, EVA | {"token": club.token})).data["result"] == "Created"


async def test_a_token_of_nobody_is_not_valid_and_the_status_is_still_200(club: Raw) -> None:
    """Contract §1.2: the code `TokenNotValid` in `field` or `details`."""
    club.token = "of-nobody"
    reply = await club.create(EVA)
    assert reply.status == 200
    assert "TokenNotValid" in {reply.error["field"], reply.error["details"]}


async def test_unknown_body_fields_are_ignored(club: Raw) -> None:
    """Contract §1.1, row Unknown body fields."""
    assert (await club.create(EVA | {"shoeSize": 38, "nested": {"a": [1]}})).data["result"] == "Created"


@pytest.mark.parametrize(
    "path",
    [
        "/mygym/core/facility/1/SearchUsers",
        "/mygym/core/facility/1/GetFacilityUserFromUserId",
        "/mygym/core/user/1/Delete",
        "/mygym/core",
        "/nothing",
    ],
)
async def test_an_unknown_action_is_a_404_with_an_html_page(club: Raw, path: str) -> None:
    """Contract §1.1, row Unknown action."""
    reply = await club.call(path, {})
    assert (reply.status, reply.content_type) == (404, "text/html")
    assert "The resource cannot be found" in reply.text


async def test_only_post_is_served(club: Raw) -> None:
    """Contract §1.1, row Method."""
    assert (await club.send(LOGIN_PATH, LOGIN_BODY, method="GET")).status == 404
    assert (await club.send(LOGIN_PATH, LOGIN_BODY, method="PUT")).status == 404


async def test_missing_fields_are_required_inside_a_200_each_with_five_keys(club: Raw) -> None:
    """Contract §1.1, row Missing parameter; §1.2, the shape of a failure."""
    reply = await club.create({"firstName": "Eva", "dateOfBirth": "1990-05-15", "gender": "F"})
    assert reply.status == 200
    assert reply.json == {
        "errors": [
            {
                "field": field,
                "type": "Required",
                "details": "",
                "errorMessage": "Mandatory data",
                "message": "Mandatory data",
            }
            for field in ("LastName", "ExternalId")
        ]
    }


async def test_the_text_of_an_error_follows_the_culture_and_its_type_does_not(club: Raw) -> None:
    """Contract §1.1, row Culture; §1.2: the text is display text."""
    path = f"/mygym/core/facility/{club.facility_id}/CreateFacilityUserFromThirdParty"
    english, swedish = await club.call(path, {}), await club.call(f"{path}?_c=sv-SE", {})
    assert english.error["errorMessage"] != swedish.error["errorMessage"]
    assert english.error["type"] == swedish.error["type"] == "Required"


@pytest.mark.parametrize("body", ["", "no json", "[1, 2]", '{"half": '])
async def test_a_body_that_is_no_json_object_counts_as_empty(club: Raw, body: str) -> None:
    """Contract §1.1, row Missing parameter: nothing could be read, so everything is missing."""
    reply = await club.send(LOGIN_PATH, body)
    assert [error["field"] for error in reply.json["errors"]] == ["ApiKey", "Username", "Password"]


async def test_a_success_carries_data_a_new_token_and_how_long_it_lasts_and_no_errors(club: Raw) -> None:
    """Contract §1.2: `data` and `errors` exclude each other; §1.15: a new token in each success."""
    first = club.token
    reply = await club.create(EVA)
    assert set(reply.json) == {"data", "token", "version", "expireIn", "currentUtcTimestamp"}
    assert reply.json["token"] not in {first, ""}
    assert reply.json["expireIn"] == 1800


async def test_dates_and_times_follow_mywellness_and_not_iso_8601(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.1, rows Date and Date-time."""
    assert (await club.create(EVA | {"dateOfBirth": "15/05/1990"})).error["field"] == "DateOfBirth"
    assert (await club.create(EVA | {"dateOfBirth": "1990-02-30"})).error["field"] == "DateOfBirth"
    assert (await club.visit(eva, {"visitDate": "2026-11-21T07:42:10+01:00"})).error["field"] == "VisitDate"
    assert (await club.visit(eva, {"visitDate": "2026-11-21 07:42:10"})).error["field"] == "VisitDate"
    assert (await club.visit(eva, VISIT)).data["result"] == "Success"


async def test_an_unpadded_day_is_tolerated(club: Raw) -> None:
    """Contract §1.1, row Date: one client sends `2020-7-2`."""
    created = (await club.create(EVA | {"dateOfBirth": "1990-5-15"})).data
    assert (await club.get(created["permanentToken"])).data["birthDate"] == "1990-05-15"


async def test_a_session_of_one_club_opens_no_other(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.3: one session per facility; §1.2: `NoPermissionsForUserException`."""
    reply = await club.call(f"/othergym/core/facilityuser/{eva['facilityUserId']}/Delete", {})
    assert reply.error["details"] == "NoPermissionsForUserException"
    reply = await club.call("/mygym/core/facility/5b1e0000/CreateFacilityUserFromThirdParty", EVA)
    assert reply.error["details"] == "NoPermissionsForUserException"


async def test_the_key_itself_is_what_opens(raw: Raw) -> None:
    """Contract §1.1, row Headers: the same call with the right key goes through."""
    assert (await raw.send(LOGIN_PATH, LOGIN_BODY, headers=HEADERS | {"X-MWAPPS-APIKEY": API_KEY})).status == 200

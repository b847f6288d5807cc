"""Members over HTTP: one person with facets, flags, photo and credentials."""

import pytest
import sqlalchemy as sa

from central.changes import Aggregate, Unit, Units
from central.database import Database
from central.people import service
from central.schema import change_event
from protocol.credential import from_import
from protocol.decision import Reason
from tests.central.api import SUB_1, Api, gym, product
from tests.central.door import reason_at

EVELINA = from_import("10000342").canonical
JPEG = b"\xff\xd8\xff\xe0" + bytes(200)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


@pytest.mark.req("B-01")
async def test_a_customer_who_becomes_trainer_is_one_person_in_both_lists(api: Api) -> None:
    await gym(api)
    before = await api.get("/api/members/M1001")

    await api.patch("/api/members/M1001", {"roles": ["Trainer"]})

    customers = {member["id"]: member for member in (await api.get("/api/members?facet=customer"))["items"]}
    staff = {member["id"]: member for member in (await api.get("/api/members?facet=staff"))["items"]}
    assert set(customers) == {"M1001", "M1002"}
    assert set(staff) == {"M1001"}
    assert staff["M1001"]["credentials"] == customers["M1001"]["credentials"] == before["credentials"] != []
    assert [each["product"] for each in (await api.get("/api/subscriptions?person=M1001"))["items"]] == ["P-GYM"]


FULL = {
    "number": "1001",
    "first_name": "Evelina",
    "last_name": "Ek",
    "birth_date": "1987-02-10",
    "gender": "female",
    "email": "evelina@example.org",
    "phone": "+46 8 123",
    "mobile": "+46 70 123",
    "street": "Storgatan 1",
    "postcode": "111 22",
    "city": "Stockholm",
    "country": "SE",
    "invoice_address": "Box 1\n111 22 Stockholm",
    "identity_number": "19870210-1234",
    "language": "sv",
    "home_site": "F1",
    "organisation": "Ek AB",
}


@pytest.mark.req("B-07")
async def test_a_full_record_shows_every_attribute_by_name(api: Api) -> None:
    await api.post("/api/sites", {"id": "F1", "name": "One", "zone": "Europe/Stockholm"})
    member = await api.post("/api/members", FULL)
    await api.post(f"/api/members/{member['id']}/credentials", {"card": "10000342"})
    photo = f"/api/members/{member['id']}/photo"
    taken = "?taken_at=2026-02-01T10:00:00Z"
    await api.ask("PUT", photo + taken, JPEG, status=200, headers={"Content-Type": "image/jpeg"})

    shown = await api.get(f"/api/members/{member['id']}")

    assert {name: shown[name] for name in FULL} == FULL
    assert (shown["photo"], shown["photo_at"]) == (photo, "2026-02-01T10:00:00Z")
    assert [(each["credential"], each["number"], each["status"]) for each in shown["credentials"]] == [
        (EVELINA, "10000342", "active")
    ]


async def test_a_photo_comes_back_as_it_was_sent_and_can_be_removed(api: Api) -> None:
    await gym(api)
    await api.ask("PUT", "/api/members/M1001/photo", PNG, status=200, headers={"Content-Type": "image/png"})
    headers = {"Authorization": f"Bearer {api.key}"}
    async with api.client.get("/api/members/M1001/photo", headers=headers) as answer:
        assert (answer.content_type, await answer.read()) == ("image/png", PNG)

    assert (await api.ask("DELETE", "/api/members/M1001/photo", status=200))["photo"] is None
    await api.get("/api/members/M1001/photo", status=404)


@pytest.mark.parametrize(
    ("content", "media_type", "status", "code"),
    [
        pytest.param(b"GIF89a", "image/jpeg", 422, "NOT_A_PHOTO", id="says jpeg, is none"),
        pytest.param(b"GIF89a", "image/gif", 415, "MEDIA_TYPE", id="another format"),
        pytest.param(JPEG + bytes(service.PHOTO_LIMIT), "image/jpeg", 413, "TOO_LARGE", id="too large"),
    ],
)
async def test_what_is_no_photo_is_refused(api: Api, content: bytes, media_type: str, status: int, code: str) -> None:
    await gym(api)
    headers = {"Content-Type": media_type}
    refusal = await api.ask("PUT", "/api/members/M1001/photo", content, status=status, headers=headers)
    assert refusal["code"] == code


@pytest.mark.req("B-13")
async def test_each_flag_of_a_person_is_off_until_set_and_set_alone(api: Api) -> None:
    flags = (
        "allow_sync",
        "allow_activity_sync",
        "allow_photo_publication",
        "allow_mail",
        "allow_email_marketing",
        "allow_sms_marketing",
    )
    await gym(api)
    shown = await api.get("/api/members/M1001")
    assert {flag: shown[flag] for flag in flags} == dict.fromkeys(flags, False)
    for flag in flags:
        await api.patch("/api/members/M1001", {flag: True})
    await api.patch("/api/members/M1001", {"allow_sync": False})

    shown = await api.get("/api/members/M1001")

    assert {flag: shown[flag] for flag in flags} == {**dict.fromkeys(flags, True), "allow_sync": False}


@pytest.mark.req("A-04")
async def test_an_active_card_has_one_holder_and_a_blocked_one_is_denied(api: Api, database: Database) -> None:
    await gym(api)

    refusal = await api.post("/api/members/M1002/credentials", {"card": "10000342"}, status=409)
    assert refusal["code"] == "CREDENTIAL_IN_USE"
    assert "10000342" not in refusal["detail"]
    assert reason_at(database, "RD-IN", EVELINA, "2026-03-10T09:00:00") is Reason.OK

    await api.patch(f"/api/members/M1001/credentials/{EVELINA}", {"status": "blocked"})

    assert reason_at(database, "RD-IN", EVELINA, "2026-03-10T09:00:00") is Reason.CREDENTIAL_BLOCKED


@pytest.mark.parametrize(
    ("keep_old", "old_status"),
    [pytest.param(False, "blocked", id="the old one is blocked"), pytest.param(True, "active", id="unless it is kept")],
)
async def test_a_replacement_card_comes_with_a_word_about_the_old_one(
    api: Api, *, keep_old: bool, old_status: str
) -> None:
    await gym(api)
    wish = {"card": "10000343", "keep_old": keep_old}
    member = await api.post(f"/api/members/M1001/credentials/{EVELINA}/replacement", wish)
    assert {each["number"]: each["status"] for each in member["credentials"]} == {
        "10000342": old_status,
        "10000343": "active",
    }


async def test_a_refused_replacement_leaves_the_old_card_as_it_was(api: Api) -> None:
    await gym(api)
    await api.post("/api/members/M1002/credentials", {"card": "10000343"})
    path = f"/api/members/M1001/credentials/{EVELINA}/replacement"
    assert (await api.post(path, {"card": "10000343"}, status=409))["code"] == "CREDENTIAL_IN_USE"
    member = await api.get("/api/members/M1001")
    assert [(each["number"], each["status"]) for each in member["credentials"]] == [("10000342", "active")]


async def test_a_returned_card_opens_for_its_next_holder_only(api: Api, database: Database) -> None:
    await gym(api)
    await api.post("/api/subscriptions", {**SUB_1, "person": "M1002", "charged_through": None})
    await api.patch(f"/api/members/M1001/credentials/{EVELINA}", {"status": "returned"})
    await api.post("/api/members/M1002/credentials", {"card": EVELINA})

    assert (await api.get("/api/members/M1001"))["credentials"] == []
    assert reason_at(database, "RD-IN", EVELINA, "2026-03-10T09:00:00") is Reason.NOT_CHARGED


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"card": "10000342"}, id="as printed"),
        pytest.param({"card": "0010000342"}, id="with leading zeros"),
        pytest.param({"card": EVELINA}, id="canonical"),
        pytest.param({"card": "9897D6", "format": "HEX_MSB"}, id="as a reader read it"),
        pytest.param({"card": "664910000342", "format": "DECIMAL", "prefix": "6649"}, id="with the site's prefix"),
    ],
)
async def test_a_card_is_the_same_card_however_it_is_given(api: Api, body: dict[str, str]) -> None:
    member = await api.post("/api/members", {"id": "M1"})
    member = await api.post(f"/api/members/{member['id']}/credentials", body)
    assert [each["credential"] for each in member["credentials"]] == [EVELINA]
    assert [each["id"] for each in (await api.get("/api/members?credential=10000342"))["items"]] == ["M1"]


async def test_what_is_no_card_is_refused_with_what_to_do(api: Api) -> None:
    await gym(api)
    refusal = await api.post("/api/members/M1001/credentials", {"card": "12x"}, status=422)
    assert refusal["code"] == "NOT_A_CREDENTIAL"
    assert "decimal digits" in refusal["detail"]


async def test_a_blocked_member_is_denied_through_the_last_day_of_the_block(api: Api, database: Database) -> None:
    await gym(api)
    await api.post("/api/members/M1001/block", {"until": "2026-03-15"}, status=200)
    assert reason_at(database, "RD-IN", EVELINA, "2026-03-15T12:00:00") is Reason.PERSON_BLOCKED
    assert reason_at(database, "RD-IN", EVELINA, "2026-03-16T06:00:00") is Reason.OK
    await api.post("/api/members/M1001/unblock", status=200)
    assert reason_at(database, "RD-IN", EVELINA, "2026-03-15T12:00:00") is Reason.OK


async def test_a_number_that_is_not_given_is_the_next_one_and_none_is_given_twice(api: Api) -> None:
    await api.post("/api/members", {"number": "1001", "first_name": "Evelina"})
    assert (await api.post("/api/members", {"first_name": "Anna"}))["number"] == "1002"
    refusal = await api.post("/api/members", {"number": "1001"}, status=409)
    assert refusal["code"] == "CUSTOMER_NUMBER_IN_USE"


async def test_groups_and_categories_are_replaced_as_a_whole(api: Api) -> None:
    await api.post("/api/members", {"id": "M1", "groups": ["TG", "Seniors"], "categories": ["Gold"]})
    member = await api.patch("/api/members/M1", {"groups": ["TG"]})
    assert (member["groups"], member["categories"]) == (["TG"], ["Gold"])


@pytest.mark.req("B-21")
async def test_a_saved_change_leaves_one_event_per_aggregate_and_a_rolled_back_one_none(
    api: Api, units: Units, database: Database
) -> None:
    await gym(api)
    known = len(_events(database))

    def save_and_fall(unit: Unit) -> None:
        service.change(unit, "M1001", {"phone": "1"})
        raise RuntimeError

    with pytest.raises(RuntimeError):
        units.run_sync(save_and_fall)
    assert len(_events(database)) == known

    def save_twice(unit: Unit) -> None:
        service.change(unit, "M1001", {"phone": "1"})
        service.change(unit, "M1001", {"mobile": "2", "groups": ["TG"]})
        service.change(unit, "M1002", {"allow_sync": True})

    units.run_sync(save_twice)
    assert _events(database)[known:] == [(Aggregate.PERSON, "M1001"), (Aggregate.PERSON, "M1002")]


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        pytest.param("PATCH", "members/M1001", {"phone": "1"}, [("person", "M1001")], id="update"),
        pytest.param("PATCH", "members/M1001", {"allow_sync": True}, [("person", "M1001")], id="flag"),
        pytest.param("PATCH", "members/M1001", {"groups": ["TG"]}, [("person", "M1001")], id="group"),
        pytest.param("PATCH", "members/M1001", {"last_name": "Ek"}, [], id="nothing different"),
        pytest.param("POST", "subscriptions/1/charge", {"through": "2026-04-30"}, [("person", "M1001")], id="charge"),
        pytest.param("POST", "subscriptions/1/annul", None, [("person", "M1001")], id="annulled subscription"),
        pytest.param("PATCH", "products/P-GYM", {"name": "Gym"}, [("product", "P-GYM")], id="product"),
        pytest.param("PATCH", "sites/F2", {"name": "Two"}, [("site", "F2")], id="site"),
        pytest.param("PATCH", "readers/RD-IN", {"enabled": False}, [("site", "F1")], id="reader"),
        pytest.param("PATCH", "schedules/DAILY", {"weekly": {}}, [("site", "F1")], id="schedule in use"),
        pytest.param("POST", "products", product("P-NEW"), [("product", "P-NEW")], id="new product"),
        pytest.param("POST", "members/M1002/credentials", {"card": "10000342"}, [], id="refused"),
    ],
)
async def test_what_is_saved_over_the_api_leaves_the_event_of_its_aggregate(
    api: Api, database: Database, method: str, path: str, body: object, expected: list[tuple[str, str]]
) -> None:
    await gym(api)
    known = len(_events(database))
    headers = {"Authorization": f"Bearer {api.key}"}
    await api.client.request(method, f"/api/{path}", json=body, headers=headers)
    assert _events(database)[known:] == expected


def _events(database: Database) -> list[tuple[str, str]]:
    question = sa.select(change_event.c.aggregate, change_event.c.key).order_by(change_event.c.id)
    return database.sync_read(lambda connection: [(kind, key) for kind, key in connection.execute(question)])

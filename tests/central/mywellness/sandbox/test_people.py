"""Contract §1.4, §1.5, §1.6 and §1.9: create, look up, update, delete."""

from uuid import UUID

import pytest

from tests.central.mywellness.sandbox.raw import EVA, OLA, Raw


async def test_create_returns_the_person_with_four_different_ids(club: Raw) -> None:
    """Contract §1.4: `userId`, `facilityUserId`, `permanentToken`, and our own `externalId`."""
    created = (await club.create(EVA)).data
    assert created["result"] == "Created"
    assert len({created["userId"], created["facilityUserId"], created["permanentToken"], "M-1042"}) == 4
    assert str(UUID(created["userId"])) == created["userId"]
    assert str(UUID(created["facilityUserId"])) == created["facilityUserId"]
    person = (await club.ledger())["persons"][0]
    assert (person["externalId"], person["userId"]) == ("M-1042", created["userId"])


@pytest.mark.parametrize("field", ["firstName", "lastName", "dateOfBirth", "gender", "externalId"])
async def test_create_requires(club: Raw, field: str) -> None:
    """Contract §1.4, the table: all but the e-mail."""
    reply = await club.create({name: value for name, value in EVA.items() if name != field})
    assert reply.status == 200
    assert (reply.error["type"], reply.error["field"].lower()) == ("Required", field.lower())
    assert (await club.ledger())["persons"] == []


async def test_create_without_an_email_goes_through(club: Raw) -> None:
    """Contract §1.4: probably optional on the wire."""
    assert (await club.create({n: v for n, v in EVA.items() if n != "email"})).data["result"] == "Created"


async def test_create_knows_no_birth_date_and_update_no_date_of_birth(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.6: `birthDate` here, `dateOfBirth` in create."""
    wrong = {n: v for n, v in OLA.items() if n != "dateOfBirth"} | {"birthDate": "1980-01-01"}
    assert (await club.create(wrong)).error["field"] == "DateOfBirth"
    await club.on_person(eva, "Update", {"dateOfBirth": "1991-01-01"})
    assert (await club.get(eva["permanentToken"])).data["birthDate"] == "1990-05-15"
    await club.on_person(eva, "Update", {"birthDate": "1991-01-01"})
    assert (await club.get(eva["permanentToken"])).data["birthDate"] == "1991-01-01"


@pytest.mark.parametrize("gender", ["K", "female", "", "m"])
async def test_gender_is_m_or_f(club: Raw, gender: str) -> None:
    """Contract §1.4, the table."""
    assert (await club.create(EVA | {"gender": gender})).error["field"] == "Gender"


async def test_the_same_person_once_more_is_a_match_with_the_same_ids(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.4, `MatchFound`; §2.3, the recovery after a crash."""
    again = (await club.create(EVA)).data
    assert again == eva | {"result": "MatchFound"}
    assert len((await club.ledger())["persons"]) == 1


@pytest.mark.parametrize(
    "other", [{"firstName": "eva"}, {"lastName": "Lindh"}, {"gender": "M"}, {"dateOfBirth": "1990-05-16"}]
)
async def test_a_match_needs_name_gender_and_birth_date_to_be_exactly_the_same(
    club: Raw, eva: dict[str, str], other: dict[str, str]
) -> None:
    """Contract §1.4, match key."""
    created = (await club.create(EVA | {"externalId": "M-9"} | other)).data
    assert created["result"] == "Created"
    assert created["userId"] != eva["userId"]


async def test_a_person_keeps_the_user_id_in_a_second_club_and_gets_new_local_ids(
    club: Raw, eva: dict[str, str]
) -> None:
    """Contract §1.4: `userId` is the global person, `facilityUserId` that person in this club."""
    await club.log_in("othergym")
    path = f"/othergym/core/facility/{club.facility_id}/CreateFacilityUserFromThirdParty"
    there = (await club.call(path, EVA)).data
    assert there["userId"] == eva["userId"]
    assert there["facilityUserId"] != eva["facilityUserId"]
    assert there["permanentToken"] != eva["permanentToken"]


async def test_an_external_id_of_somebody_else_is_refused(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.4: `externalId` is our own id of one person (uniqueness is our reading, §4 question 4)."""
    assert (await club.create(OLA | {"externalId": "M-1042"})).error["field"] == "ExternalId"


async def test_look_up_by_permanent_token_returns_the_person_s_details(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.5, row 1 and the response fields."""
    found = (await club.get(eva["permanentToken"])).data
    assert found["facilityUserId"] == eva["facilityUserId"]
    assert found["userId"] == eva["userId"]
    assert found["externalId"] == "M-1042"
    assert found["createdOn"] == "2026-11-21 06:42:10 +00:00"
    assert {"nickName", "zipCode", "phoneNumber", "levelOfInterest", "modifiedOn"} <= set(found)
    assert (await club.call(f"/mygym/core/facility/{club.facility_id}/GetFacilityUserFromPermanentToken", {})).error[
        "field"
    ] == "PermanentToken"


async def test_update_changes_what_is_sent_and_leaves_the_rest(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.6: partial updates, unknown names ignored (`address` is none of them)."""
    reply = await club.on_person(eva, "Update", {"address1": "Storgatan 1", "zipCode": "11122", "address": "Nowhere 9"})
    assert "errors" not in reply.json
    found = (await club.get(eva["permanentToken"])).data
    assert (found["address1"], found["zipCode"], found["email"]) == ("Storgatan 1", "11122", "eva@example.com")
    assert "address" not in found


@pytest.mark.parametrize("wrong", [{"birthDate": "15 May 1990"}, {"birthDate": None}, {"gender": "other"}])
async def test_update_refuses_a_day_that_is_none_and_a_gender_it_does_not_know(
    club: Raw, eva: dict[str, str], wrong: dict[str, object]
) -> None:
    """Contract §1.6; nothing else of the same body is taken either."""
    reply = await club.on_person(eva, "Update", wrong | {"city": "Kiruna"})
    assert reply.error["field"].lower() == next(iter(wrong)).lower()
    assert (await club.get(eva["permanentToken"])).data["city"] is None


async def test_groups_are_integers_and_are_replaced_as_a_whole(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.6, `groups`."""
    await club.on_person(eva, "Update", {"groups": [100001, 100002]})
    await club.on_person(eva, "Update", {"groups": [100003]})
    assert (await club.on_person(eva, "Update", {"groups": ["gold"]})).error["field"] == "Groups"
    assert (await club.ledger())["persons"][0]["groups"] == [100003]


async def test_an_updated_name_is_the_one_that_matches_from_then_on(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.4, match key, after §1.6."""
    await club.on_person(eva, "Update", {"lastName": "Berg"})
    assert (await club.create(EVA | {"lastName": "Berg"})).data["result"] == "MatchFound"
    assert (await club.create(EVA | {"externalId": "M-77"})).data["result"] == "Created"


async def test_delete_takes_the_person_out_of_the_club(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.9."""
    assert (await club.on_person(eva, "Delete", {})).data["result"] == "Success"
    ledger = await club.ledger()
    assert ledger["persons"] == []
    assert [gone["facilityUserId"] for gone in ledger["deletes"]] == [eva["facilityUserId"]]
    for action in ("Update", "SaveMembership", "Delete"):
        reply = await club.on_person(eva, action, {"operation": "Froze"})
        assert reply.error["type"] == "NotFound"
    assert (await club.visit(eva, {})).error["type"] == "NotFound"


async def test_a_deleted_person_comes_back_as_somebody_new(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.9: the effect on re-creation is unknown; here nothing of the old ids returns."""
    await club.on_person(eva, "Delete", {})
    again = (await club.create(EVA)).data
    assert again["result"] == "Created"
    assert again["facilityUserId"] != eva["facilityUserId"]
    assert "notFound" in (await club.get(eva["permanentToken"])).data

"""Contract §1.7 and §1.8: one membership per person, and visits with their time as sent."""

import pytest

from tests.central.mywellness.sandbox.raw import SUBSCRIBE, VISIT, Raw

MEMBER, EX_MEMBER, PROSPECT = 10, 7, 5


async def test_subscribe_is_answered_with_success_and_makes_a_member(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.7; the status codes are those of §1.12."""
    assert (await club.ledger())["persons"][0]["status"] == PROSPECT
    assert (await club.on_person(eva, "SaveMembership", SUBSCRIBE)).data["result"] == "Success"
    ledger = await club.ledger()
    assert ledger["persons"][0]["status"] == MEMBER
    assert ledger["memberships"] == [
        {
            "facilityUserId": eva["facilityUserId"],
            "externalId": "M-1042",
            "memberSince": "2021-03-01",
            "startOn": "2026-01-01",
            "expiresOn": "2026-12-31",
            "description": "Gold 12 m",
            "lastOperation": "Subscribe",
            "frozen": False,
            "ended": False,
        }
    ]


async def test_a_second_subscribe_replaces_the_membership(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.7: no membership id, so one membership per facility user."""
    await club.on_person(eva, "SaveMembership", SUBSCRIBE)
    await club.on_person(eva, "SaveMembership", SUBSCRIBE | {"operation": "Renew", "expiresOn": "2027-12-31"})
    ledger = await club.ledger()
    assert [m["expiresOn"] for m in ledger["memberships"]] == ["2027-12-31"]
    assert [s["operation"] for s in ledger["saves"]] == ["Subscribe", "Renew"]


@pytest.mark.parametrize(
    ("operations", "frozen", "ended", "status"),
    [
        pytest.param(["Froze"], True, False, MEMBER, id="frozen"),
        pytest.param(["Froze", "UnFroze"], False, False, MEMBER, id="thawed"),
        pytest.param(["Froze", "Update"], True, False, MEMBER, id="changed while frozen"),
        pytest.param(["UnSubscribe"], False, True, EX_MEMBER, id="ended"),
        pytest.param(["Froze", "UnSubscribe"], True, True, EX_MEMBER, id="ended while frozen"),
    ],
)
async def test_the_operations_change_the_one_membership(
    club: Raw, eva: dict[str, str], *, operations: list[str], frozen: bool, ended: bool, status: int
) -> None:
    """Contract §1.7, `operation`; dates may be left out for these."""
    await club.on_person(eva, "SaveMembership", SUBSCRIBE)
    for operation in operations:
        assert (await club.on_person(eva, "SaveMembership", {"operation": operation})).data["result"] == "Success"
    ledger = await club.ledger()
    membership = ledger["memberships"][0]
    assert (membership["frozen"], membership["ended"]) == (frozen, ended)
    assert membership["expiresOn"] == "2026-12-31"
    assert ledger["persons"][0]["status"] == status


@pytest.mark.parametrize("operation", ["Unbscribe", "subscribe", "Freeze", "Unfroze", 7])
async def test_an_operation_spelled_otherwise_is_refused(club: Raw, eva: dict[str, str], operation: object) -> None:
    """Contract §1.7: spelled exactly so."""
    reply = await club.on_person(eva, "SaveMembership", SUBSCRIBE | {"operation": operation})
    assert reply.error["field"] == "Operation"
    assert (await club.ledger())["memberships"] == []


@pytest.mark.parametrize("field", ["operation", "memberSince", "startOn"])
async def test_subscribe_requires(club: Raw, eva: dict[str, str], field: str) -> None:
    """Contract §1.7: required; the description is optional."""
    reply = await club.on_person(eva, "SaveMembership", {n: v for n, v in SUBSCRIBE.items() if n != field})
    assert (reply.error["type"], reply.error["field"].lower()) == ("Required", field.lower())
    without = {n: v for n, v in SUBSCRIBE.items() if n != "description"}
    assert (await club.on_person(eva, "SaveMembership", without)).data["result"] == "Success"


async def test_a_membership_day_is_a_day(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.1, row Date."""
    reply = await club.on_person(eva, "SaveMembership", SUBSCRIBE | {"expiresOn": "31.12.2026"})
    assert reply.error["field"] == "ExpiresOn"


async def test_a_visit_is_kept_with_its_date_as_received(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.8: the global `userId`, the club of the URL, the text with its offset."""
    assert (await club.visit(eva, VISIT)).data["result"] == "Success"
    visit = (await club.ledger())["visits"][0]
    assert visit["visitDate"] == "2026-11-21 07:42:10 +01:00"
    assert visit["happenedAt"] == "2026-11-21T07:42:10+01:00"
    assert (visit["facility"], visit["userId"], visit["externalId"]) == ("mygym", eva["userId"], "M-1042")


async def test_a_visit_without_a_date_is_now(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.8: one client's body has no date."""
    await club.visit(eva, {})
    visit = (await club.ledger())["visits"][0]
    assert (visit["visitDate"], visit["happenedAt"]) == (None, "2026-11-21T06:42:10+00:00")


async def test_a_visit_by_the_facility_user_id_is_not_found(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.8: `userId`, not `facilityUserId`."""
    reply = await club.visit({"userId": eva["facilityUserId"]}, VISIT)
    assert reply.error["type"] == "NotFound"
    assert (await club.ledger())["visits"] == []

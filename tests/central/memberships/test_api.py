"""Products, subscriptions and freezes as staff use them over HTTP."""

from datetime import date

import pytest

from central.database import Database
from central.memberships import rules, service
from protocol.credential import from_import
from protocol.decision import Reason
from tests.central.api import SUB_1, Api, gym, product
from tests.central.door import reason_at

EVELINA = from_import("10000342").canonical
NINE = "2026-03-10T09:00:00"


@pytest.mark.req("C-01")
async def test_a_product_sold_at_f1_only_is_refused_at_f2(api: Api) -> None:
    await gym(api)
    await api.post("/api/products", product("P-2001", number="2001", sites=["F1"]))
    wish = {"person": "M1002", "product": "P-2001", "site": "F2", "start": "2026-03-10"}

    refusal = await api.post("/api/subscriptions", wish, status=422)

    assert refusal["code"] == "PRODUCT_NOT_AT_FACILITY"
    assert (await api.get("/api/subscriptions?person=M1002"))["items"] == []


@pytest.mark.req("C-02")
async def test_who_holds_only_a_locker_is_no_member(api: Api, database: Database) -> None:
    await gym(api)
    await api.post("/api/products", product("P-LOCKER", gives_membership=False))
    await api.post("/api/subscriptions", {**SUB_1, "person": "M1002", "product": "P-LOCKER"})

    def is_member(person: str) -> bool:
        held = database.sync_read(service.held_by, person)
        return any(rules.is_sync_candidate(each, date(2026, 3, 10)) for each in held)

    assert is_member("M1001")
    assert not is_member("M1002")


async def test_a_product_that_requires_membership_gives_none(api: Api) -> None:
    await gym(api)
    refusal = await api.post("/api/products", product("P-PT", requires_membership=True), status=422)
    assert refusal["code"] == "GIVES_AND_REQUIRES_MEMBERSHIP"
    made = await api.post("/api/products", product("P-PT", requires_membership=True, gives_membership=False))
    assert made["requires_membership"]
    refusal = await api.patch("/api/products/P-PT", {"gives_membership": True}, status=422)
    assert refusal["code"] == "GIVES_AND_REQUIRES_MEMBERSHIP"


@pytest.mark.req("C-08")
async def test_a_saved_subscription_shows_all_its_attributes(api: Api) -> None:
    await gym(api)
    wish = {**SUB_1, "price": 39_900, "payer": "M1002", "sold_at": "2025-05-30T15:00:00Z"}
    made = await api.post("/api/subscriptions", {**wish, "charged_through": None})
    path = f"/api/subscriptions/{made['id']}"
    assert made["charged_through"] is None  # before the first charge

    charged = await api.post(f"{path}/charge", {"through": "2026-03-31"}, status=200)
    refusal = await api.patch(path, {"charged_through": None}, status=422)
    ending = {"on": "2026-05-31", "reason": "moves", "comment": "to Gothenburg"}
    await api.post(f"{path}/terminate", ending, status=200)

    assert {name: charged[name] for name in wish} == wish
    assert (charged["annulled"], charged["terminated_on"]) == (False, None)
    assert refusal["code"] == "CHARGED_ALREADY"
    shown = await api.get(path)
    assert [shown[name] for name in ("terminated_on", "termination_reason", "termination_comment")] == [
        "2026-05-31",
        "moves",
        "to Gothenburg",
    ]
    assert (shown["auto_renew"], shown["bound_through"]) == (False, "2026-05-31")
    annulled = await api.post(f"{path}/annul", status=200)
    assert annulled["annulled"] is True


@pytest.mark.req("C-16")
async def test_freezes_of_a_subscription_do_not_overlap(api: Api, database: Database) -> None:
    await gym(api)
    freezes = "/api/subscriptions/1/freezes"
    await api.post(freezes, {"from": "2026-03-05", "to": "2026-03-20", "reason": "ill"})

    refusal = await api.post(freezes, {"from": "2026-03-18", "to": "2026-03-25"}, status=409)

    assert refusal["code"] == "FREEZE_OVERLAP"
    shown = await api.get("/api/subscriptions/1")
    assert [(each["from"], each["to"], each["reason"]) for each in shown["freezes"]] == [
        ("2026-03-05", "2026-03-20", "ill")
    ]
    assert reason_at(database, "RD-IN", EVELINA, "2026-03-20T09:00:00") is Reason.FROZEN
    assert reason_at(database, "RD-IN", EVELINA, "2026-03-21T09:00:00") is Reason.OK


async def test_an_open_ended_freeze_lasts_until_it_is_ended(api: Api, database: Database) -> None:
    await gym(api)
    shown = await api.post("/api/subscriptions/1/freezes", {"from": "2026-03-05"})
    freeze = f"/api/subscriptions/1/freezes/{shown['freezes'][0]['id']}"
    assert shown["freezes"][0]["to"] is None
    assert reason_at(database, "RD-IN", EVELINA, "2026-03-31T09:00:00") is Reason.FROZEN
    refusal = await api.post("/api/subscriptions/1/freezes", {"from": "2027-01-01"}, status=409)
    assert refusal["code"] == "FREEZE_OVERLAP"

    await api.patch(freeze, {"to": "2026-03-09"})
    assert reason_at(database, "RD-IN", EVELINA, NINE) is Reason.OK

    await api.patch(freeze, {"to": "2026-03-04"})  # before it began
    assert (await api.get("/api/subscriptions/1"))["freezes"] == []


async def test_an_annulled_subscription_opens_nothing(api: Api, database: Database) -> None:
    await gym(api)
    assert reason_at(database, "RD-IN", EVELINA, NINE) is Reason.OK
    await api.post("/api/subscriptions/1/annul", status=200)
    assert reason_at(database, "RD-IN", EVELINA, NINE) is Reason.NO_ENTITLEMENT


@pytest.mark.req("C-12")
async def test_a_member_is_one_since_the_first_subscription_whatever_the_gap(api: Api) -> None:
    await gym(api)
    assert (await api.get("/api/members/M1001"))["member_since"] == "2025-06-01"
    first = {**SUB_1, "start": "2019-01-15", "bound_through": "2019-12-31", "charged_through": "2019-12-31"}

    await api.post("/api/subscriptions", {**first, "auto_renew": False})

    assert (await api.get("/api/members/M1001"))["member_since"] == "2019-01-15"
    member = await api.patch("/api/members/M1001", {"member_since_override": "2010-05-01"})
    assert member["member_since"] == "2010-05-01"
    assert (await api.get("/api/members/M1002"))["member_since"] is None


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        pytest.param("", {**SUB_1, "person": "M9"}, "NO_SUCH_MEMBER", id="for nobody"),
        pytest.param("", {**SUB_1, "payer": "M9"}, "NO_SUCH_MEMBER", id="paid by nobody"),
        pytest.param("", {**SUB_1, "product": "P-TICKET"}, "NOT_A_SUBSCRIPTION", id="of a ticket"),
        pytest.param("", {**SUB_1, "bound_through": "2025-05-31"}, "DATES_REVERSED", id="bound before it starts"),
        pytest.param("/1/charge", {"through": "2025-05-31"}, "DATES_REVERSED", id="charged before it starts"),
        pytest.param("/1/terminate", {"on": "2026-03-30", "reason": "x"}, "CHARGED_BEYOND", id="ended before paid"),
        pytest.param("/1/terminate", {"on": "2025-05-31", "reason": "x"}, "DATES_REVERSED", id="ended before begun"),
        pytest.param("/1/freezes", {"from": "2026-03-10", "to": "2026-03-09"}, "DATES_REVERSED", id="freeze reversed"),
    ],
)
async def test_what_contradicts_itself_is_refused(api: Api, path: str, body: object, code: str) -> None:
    await gym(api)
    await api.post("/api/products", product("P-TICKET", type="entry_ticket"))
    before = await api.get("/api/subscriptions/1")
    assert (await api.post(f"/api/subscriptions{path}", body, status=422))["code"] == code
    assert (await api.get("/api/subscriptions"))["items"] == [before]


async def test_price_and_renewal_come_from_the_product_unless_given(api: Api) -> None:
    await gym(api)
    await api.post("/api/products", product("P-12", price=29_900, auto_renew_default=True))
    wish = {"person": "M1002", "product": "P-12", "site": "F1", "start": "2026-03-10"}
    made = await api.post("/api/subscriptions", wish)
    assert (made["price"], made["auto_renew"], made["sold_at"]) == (29_900, True, "2026-03-10T08:00:00Z")
    made = await api.post("/api/subscriptions", {**wish, "price": 0, "auto_renew": False})
    assert (made["price"], made["auto_renew"]) == (0, False)


async def test_a_change_of_the_product_changes_its_holders_doors(api: Api, database: Database) -> None:
    await gym(api)
    assert reason_at(database, "RD-IN", EVELINA, NINE) is Reason.OK
    await api.patch("/api/products/P-GYM", {"entry_right": None})
    assert reason_at(database, "RD-IN", EVELINA, NINE) is Reason.NO_ENTITLEMENT

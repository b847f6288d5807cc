"""Punch cards from the sale to the last punch: sold over HTTP, compiled for the doors, counted as passages come in."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from central.access import service as access
from central.access.snapshot import snapshot_file
from central.changes import Unit, Units
from central.database import Database
from central.passages.rules import VisitPlan
from central.passages.service import store_batch
from central.schema import edge as edge_table
from protocol.credential import from_import
from protocol.decision import Denied, Granted, Reason
from protocol.entitlement import Holder
from protocol.identity import EdgeId
from protocol.journal import Batch, Entry, Passage
from tests.central.api import Api, Json, gym, product
from tests.central.door import reason_at, verdict_at
from tests.central.passages.builders import Writer, local, outcome, taken
from tests.edge.builders import SITE
from tests.edge.door import Door, door

EVELINA = from_import("10000342").canonical
NINE = "2026-03-10T09:00:00"
FREEZE = {"from": "2026-03-05", "to": "2026-03-20"}


def card(punches: int = 10, **differs: Json) -> dict[str, Json]:
    """A punch card for M1001, valid to 2026-06-30."""
    wish = {"person": "M1001", "product": "P-PUNCH", "site": "F1", "punches": punches, "valid_through": "2026-06-30"}
    return {**wish, **differs}


async def sells_cards(api: Api, database: Database, *edges: str) -> None:
    """The gym of requirements §0.2, which sells punch cards, and its edges."""
    await gym(api)
    wish = product("P-PUNCH", type="punch_card", gives_membership=False, entry_right="ER-GYM", price=90_000)
    await api.post("/api/products", wish)
    rows = [
        {"id": key, "site": "F1", "token_hash": key, "broker_hash": "", "created_at": local("2026-01-01")}
        for key in edges
    ]
    if rows:
        database.sync_write(lambda connection: connection.execute(edge_table.insert(), rows))


async def left(api: Api, key: int = 1) -> int:
    """Punches left by central's count."""
    found: int = (await api.get(f"/api/punch-cards/{key}"))["punches_left"]
    return found


def take_in(units: Units, *writers: Writer, first: int = 1) -> None:
    """Let central take in what edges have written."""
    for one in writers:
        units.run_sync(store_batch, EdgeId(one.edge), one.batch(first), nobody_is_told)


def nobody_is_told(_unit: Unit, _plans: Sequence[VisitPlan]) -> None:
    """No Mywellness here."""


def punched(at: str, **differs: object) -> Passage:
    """An entry of M1001 that PC-1 pays for."""
    return taken(at, "RD-IN", "M1001", entitlement="PC-1", punched="PC-1", **differs)


# --- the whole path: central's list, an edge with journal and access list, central's count ----------------------------


@pytest.mark.req("A-17")
@pytest.mark.parametrize(
    ("frozen", "entitlement", "punches_left"),
    [
        pytest.param(False, "1", 10, id="SUB-1 valid: PC-1 is spared"),
        pytest.param(True, "PC-1", 9, id="SUB-1 frozen: PC-1 pays"),
    ],
)
async def test_a_punch_is_taken_only_where_no_subscription_grants(
    api: Api, database: Database, units: Units, tmp_path: Path, *, frozen: bool, entitlement: str, punches_left: int
) -> None:
    await sells_cards(api, database, "edge-1")
    await api.post("/api/punch-cards", card(10))
    if frozen:
        await api.post("/api/subscriptions/1/freezes", FREEZE)
    async with door(tmp_path, with_list=False) as at:
        install(at, database)
        assert await at.tap_at("09:00:00", "10000342") == "OK"
        (entry,) = await at.committed()
        assert isinstance(entry, Passage)
        assert (entry.entitlement, entry.punched) == (entitlement, "PC-1" if frozen else None)
        assert punches_at(at) == punches_left

        send(at, units)
        assert await left(api) == punches_left
        follow(at, database)
        assert punches_at(at) == punches_left


async def test_edge_and_central_agree_after_every_visit_until_the_card_is_empty(
    api: Api, database: Database, units: Units, tmp_path: Path
) -> None:
    await sells_cards(api, database, "edge-1")
    await api.post("/api/subscriptions/1/freezes", FREEZE)
    await api.post("/api/punch-cards", card(2))
    async with door(tmp_path, with_list=False) as at:
        install(at, database)
        for time_in, time_out, rest in (("09:00:00", "10:00:00", 1), ("12:00:00", "13:00:00", 0)):
            assert await at.tap_at(time_in, "10000342") == "OK"
            assert await at.tap_at(time_out, "10000342", "RD-OUT") == "OK"
            assert punches_at(at) == rest
            send(at, units)
            follow(at, database)
            assert (await left(api), punches_at(at)) == (rest, rest)
        assert await at.tap_at("17:00:00", "10000342") == "FROZEN"
        *_, entry = await at.committed()
        assert isinstance(entry, Passage)
        assert entry.all_reasons == (Reason.FROZEN, Reason.NO_PUNCHES_LEFT)


def install(at: Door, database: Database) -> None:
    """Give the edge central's newest full list."""
    newest = database.sync_read(access.revision, SITE)
    made_at = at.clock.wall.isoformat()
    at.access.draft().write_bytes(database.sync_read(snapshot_file, SITE, newest, made_at))
    at.access.install(at.access.draft())


def follow(at: Door, database: Database) -> None:
    """Give the edge what has changed since, if anything has."""
    newest = database.sync_read(access.revision, SITE)
    if newest > at.access.revision:
        at.access.apply(database.sync_read(access.delta, SITE, at.access.revision, newest))


def send(at: Door, units: Units) -> None:
    """Deliver the journal as one batch."""
    entries = at.journal.read(1, 50, 64_000)
    batch = Batch(
        edge=at.journal.edge,
        epoch=at.journal.epoch,
        first=1,
        last=len(entries),
        entries=tuple(Entry(hash=entry.hash, body=entry.body) for entry in entries),
    )
    units.run_sync(store_batch, at.journal.edge, batch.model_dump_json().encode(), nobody_is_told)


def punches_at(at: Door) -> int:
    """Punches left by the edge's own reckoning."""
    holder = at.journal.presence.with_punches(at.access.lookup(EVELINA), at.journal.epoch)
    assert isinstance(holder, Holder)
    return holder.punch_cards[0].left


# --- central's count --------------------------------------------------------------------------------------------------


async def test_a_passage_delivered_three_times_takes_one_punch_and_the_doors_hear_of_it(
    api: Api, database: Database, units: Units
) -> None:
    await sells_cards(api, database, "edge-a")
    await api.post("/api/punch-cards", card(10))
    journal = Writer()
    journal.add(punched("2026-03-10 09:00"))
    for _ in range(3):
        take_in(units, journal)
    journal.read("2026-03-10 10:00", "RD-OUT")
    take_in(units, journal)
    assert await left(api) == 9
    holder = database.sync_read(access.compile_person, "M1001", local("2026-03-10 12:00"))[0]
    assert holder.body is not None
    assert holder.body.endswith(f'[["PC-1","ER-GYM","2026-06-30",9,{{"{journal.epoch}":1}}]]]')


@pytest.mark.req("A-53")
async def test_one_punch_taken_by_two_offline_doors_leaves_minus_one_and_an_alarm_and_refuses_the_next_entry(
    api: Api, database: Database, units: Units
) -> None:
    await sells_cards(api, database, "edge-a", "edge-b")
    await api.post("/api/subscriptions/1/freezes", FREEZE)
    await api.post("/api/punch-cards", card(1))
    one, other = Writer(), Writer("edge-b", "00000000000000bb")
    one.add(punched("2026-03-10 09:00", offline=True))
    other.add(punched("2026-03-10 09:30", offline=True))
    take_in(units, one)
    assert (await api.get("/api/alarms"))["items"] == []
    take_in(units, other)
    assert await left(api) == -1
    (alarm,) = (await api.get("/api/alarms"))["items"]
    assert (alarm["kind"], alarm["subject"]) == ("punch_overdrawn", "PC-1")
    assert [passage["granted"] for passage in (await api.get("/api/passages"))["items"]] == [True, True]
    verdict = verdict_at(database, "RD-IN", EVELINA, "2026-03-11T09:00:00")
    assert isinstance(verdict, Denied)
    assert Reason.NO_PUNCHES_LEFT in verdict.all_reasons


@pytest.mark.parametrize("together", [pytest.param(True, id="one batch"), pytest.param(False, id="two batches")])
async def test_who_did_not_go_through_gets_the_punch_back_once(
    api: Api, database: Database, units: Units, *, together: bool
) -> None:
    await sells_cards(api, database, "edge-a")
    await api.post("/api/punch-cards", card(10))
    journal = Writer()
    journal.add(punched("2026-03-10 09:00"))
    if not together:
        take_in(units, journal)
        assert await left(api) == 9
    journal.add(outcome("2026-03-10 09:00", 1, passed=False))
    journal.add(outcome("2026-03-10 09:01", 1, passed=False))
    take_in(units, journal)
    assert await left(api) == 10
    holder = database.sync_read(access.compile_person, "M1001", local("2026-03-10 12:00"))[0]
    assert holder.body is not None
    assert holder.body.endswith(f'10,{{"{journal.epoch}":2}}]]]')


async def test_a_passage_that_ends_well_keeps_its_punch_and_a_refused_one_takes_none(
    api: Api, database: Database, units: Units
) -> None:
    await sells_cards(api, database, "edge-a")
    await api.post("/api/punch-cards", card(10))
    journal = Writer()
    journal.add(punched("2026-03-10 09:00"))
    journal.add(outcome("2026-03-10 09:00", 1, passed=True))
    journal.add(punched("2026-03-10 10:00", granted=False, reason=Reason.FULL, new_visit=False))
    take_in(units, journal)
    assert await left(api) == 9


@pytest.mark.parametrize("name", ["PC-99", "PC-0", "SUB-1", "PC-1x", "PC-999999999999999999"])
async def test_a_punch_from_a_card_nobody_sold_here_is_an_alarm_and_the_passage_stays(
    api: Api, database: Database, units: Units, name: str
) -> None:
    await sells_cards(api, database, "edge-a")
    await api.post("/api/punch-cards", card(10))
    journal = Writer()
    journal.add(taken("2026-03-10 09:00", entitlement=name, punched=name))
    take_in(units, journal)
    (alarm,) = (await api.get("/api/alarms"))["items"]
    assert (alarm["kind"], alarm["subject"]) == ("unknown_punch_card", name)
    assert len((await api.get("/api/passages"))["items"]) == 1
    assert await left(api) == 10


# --- sale and list ----------------------------------------------------------------------------------------------------


async def test_a_card_sold_is_listed_with_what_is_left_and_opens_the_door_at_once(api: Api, database: Database) -> None:
    await sells_cards(api, database)
    sold = await api.post("/api/punch-cards", card(10))
    assert sold == {
        "id": 1,
        "person": "M1001",
        "product": "P-PUNCH",
        "site": "F1",
        "punches_bought": 10,
        "punches_left": 10,
        "valid_through": "2026-06-30",
        "price": 90_000,
        "sold_at": "2026-03-10T08:00:00Z",
    }
    await api.post("/api/punch-cards", card(5, person="M1002", price=45_000))
    assert (await api.get("/api/punch-cards?person=M1001"))["items"] == [sold]
    assert [each["price"] for each in (await api.get("/api/punch-cards"))["items"]] == [90_000, 45_000]
    await api.post("/api/subscriptions/1/annul", status=200)
    verdict = verdict_at(database, "RD-IN", EVELINA, NINE)
    assert isinstance(verdict, Granted)
    assert (verdict.entitlement, verdict.punched) == ("PC-1", "PC-1")


@pytest.mark.parametrize(
    ("differs", "status", "code"),
    [
        pytest.param({"product": "P-GYM"}, 422, "NOT_A_PUNCH_CARD", id="a subscription is no card"),
        pytest.param({"site": "F2"}, 422, "PRODUCT_NOT_AT_FACILITY", id="not sold there"),
        pytest.param({"person": "M9"}, 422, "NO_SUCH_MEMBER", id="nobody"),
        pytest.param({"product": "P-9"}, 404, "NOT_FOUND", id="no product"),
        pytest.param({"punches": 0}, 422, "VALIDATION", id="no punches"),
        pytest.param({"valid_through": None}, 422, "VALIDATION", id="no end"),
    ],
)
async def test_a_sale_that_makes_no_sense_is_refused(
    api: Api, database: Database, differs: dict[str, Json], status: int, code: str
) -> None:
    await sells_cards(api, database)
    refusal = await api.post("/api/punch-cards", {**card(), **differs}, status=status)
    assert refusal["code"] == code
    assert (await api.get("/api/punch-cards"))["items"] == []


async def test_a_card_whose_product_loses_its_right_opens_nothing_any_more(api: Api, database: Database) -> None:
    await sells_cards(api, database)
    await api.post("/api/subscriptions/1/annul", status=200)
    await api.post("/api/punch-cards", card(10))
    assert reason_at(database, "RD-IN", EVELINA, NINE) is Reason.OK
    await api.patch("/api/products/P-PUNCH", {"entry_right": None})
    assert reason_at(database, "RD-IN", EVELINA, NINE) is Reason.NO_ENTITLEMENT


async def test_cards_that_ended_stay_off_the_list_while_another_is_held(api: Api, database: Database) -> None:
    await sells_cards(api, database)
    await api.post("/api/subscriptions/1/annul", status=200)
    await api.post("/api/punch-cards", card(10, valid_through="2026-03-08"))
    assert reason_at(database, "RD-IN", EVELINA, NINE) is Reason.CARD_EXPIRED
    await api.post("/api/punch-cards", card(10, valid_through=date(2026, 3, 9).isoformat()))
    verdict = verdict_at(database, "RD-IN", EVELINA, NINE)
    assert (verdict.reason, verdict.entitlement) == (Reason.CARD_EXPIRED, "PC-2")

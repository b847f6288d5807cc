"""Edges over HTTP: secrets are shown once, and end when they are rotated or revoked."""

import pytest

from central.changes import Unit, Units
from central.fleet import service
from central.schema import edge, stream
from tests.central.api import Api


@pytest.fixture
async def enrolled(api: Api) -> dict[str, str]:
    """An edge of F1, with its secrets."""
    await api.post("/api/sites", {"id": "F1", "name": "One", "zone": "Europe/Stockholm"})
    enrolment = await api.post("/api/edges", {"id": "edge-1", "site": "F1"})
    return {"token": enrolment["token"], "broker_password": enrolment["broker_password"]}


async def test_a_secret_is_never_shown_again(api: Api, enrolled: dict[str, str], units: Units) -> None:
    shown = str(await api.get("/api/edges")) + str(await api.get("/api/edges/edge-1"))
    stored = str(units.database.sync_read(lambda connection: connection.execute(edge.select()).all()))
    for secret in enrolled.values():
        assert len(secret) >= 40
        assert secret not in shown + stored


async def test_a_token_names_its_edge_and_site_until_it_is_rotated(
    api: Api, enrolled: dict[str, str], units: Units
) -> None:
    assert await units.read(service.edge_by_token, enrolled["token"]) == service.Caller("edge-1", "F1")
    fresh = await api.post("/api/edges/edge-1/rotate", status=200)
    assert await units.read(service.edge_by_token, enrolled["token"]) is None
    assert await units.read(service.edge_by_token, fresh["token"]) == service.Caller("edge-1", "F1")


async def test_a_revoked_edge_has_neither_token_nor_account(api: Api, enrolled: dict[str, str], units: Units) -> None:
    assert [account.edge for account in await units.read(service.accounts)] == ["edge-1"]
    shown = await api.post("/api/edges/edge-1/revoke", status=200)
    assert shown["revoked_at"] == "2026-03-10T08:00:00Z"
    assert await units.read(service.edge_by_token, enrolled["token"]) is None
    assert await units.read(service.accounts) == []


async def test_the_list_says_how_an_edge_is(api: Api, enrolled: dict[str, str], units: Units) -> None:
    def speak(unit: Unit) -> None:
        health = {"waiting": 7}
        unit.connection.execute(edge.update().values(online=True, last_heard=units.clock.read().wall, health=health))
        row = {"edge": "edge-1", "epoch": "0" * 16, "through": 41, "head_hash": "ab"}
        unit.connection.execute(stream.insert().values(**row))

    units.run_sync(speak)

    (shown,) = (await api.get("/api/edges?site=F1"))["items"]
    assert (shown["online"], shown["last_heard"], shown["waiting"]) == (True, "2026-03-10T08:00:00Z", 7)
    assert shown["streams"] == [{"epoch": "0" * 16, "through": 41}]
    assert (await api.get("/api/edges?site=F2"))["items"] == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param({"id": "edge-1", "site": "F1"}, 409, "ID_IN_USE", id="enrolled already"),
        pytest.param({"id": "edge-2", "site": "F9"}, 422, "NO_SUCH_SITE", id="at no site"),
        pytest.param({"id": "central", "site": "F1"}, 422, "RESERVED_ID", id="central's own name"),
        pytest.param({"id": "edge/2", "site": "F1"}, 422, "VALIDATION", id="an id that is no level of a topic"),
        pytest.param({"id": "+", "site": "F1"}, 422, "VALIDATION", id="an id that stands for every edge"),
    ],
)
async def test_an_edge_that_cannot_be_is_not_enrolled(
    api: Api, enrolled: dict[str, str], body: object, status: int, code: str
) -> None:
    assert (await api.post("/api/edges", body, status=status))["code"] == code
    assert [each["id"] for each in (await api.get("/api/edges"))["items"]] == ["edge-1"]


async def test_an_edges_token_is_no_key_of_the_staff(api: Api, enrolled: dict[str, str]) -> None:
    assert (await Api(api.client, enrolled["token"]).get("/api/sites", status=401))["code"] == "BAD_KEY"

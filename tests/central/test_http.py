"""How the API refuses, whom it lets in, and that it describes itself truly."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from openapi_spec_validator import OpenAPIV31SpecValidator
from sqlalchemy.exc import DBAPIError

from central import keys
from central.access import api as access_api
from central.access.signing import Signer
from central.access.snapshot import Snapshots
from central.changes import Unit, Units
from central.database import Database
from central.operations import Guard, guarded
from central.schema import api_key
from central.server import create_server
from tests.central.api import Api, gym


def _bad_site(**differs: object) -> dict[str, object]:
    return {"id": "F1", "name": "One", "zone": "Europe/Stockholm", **differs}


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        pytest.param({"id": "F1", "name": "One"}, "zone", "missing", id="a field is missing"),
        pytest.param(_bad_site(nmae="One"), "nmae", "unknown", id="a field is misspelt"),
        pytest.param(_bad_site(id="a/b"), "id", "string_pattern_mismatch", id="an id no topic can carry"),
        pytest.param(_bad_site(zone="Europe/Atlantis"), "zone", "value_error", id="no such zone"),
        pytest.param(_bad_site(rollover="25:00"), "rollover", "value_error", id="no such time of day"),
        pytest.param(_bad_site(charge_grace_days="3"), "charge_grace_days", "int_type", id="text for a number"),
        pytest.param(_bad_site(occupancy_limit=-1), "occupancy_limit", "greater_than_equal", id="below zero"),
    ],
)
async def test_a_wish_that_does_not_fit_names_the_field(api: Api, body: object, field: str, code: str) -> None:
    problem = await api.post("/api/sites", body, status=422)

    assert problem["code"] == "VALIDATION"
    assert [(error["field"], error["code"]) for error in problem["errors"]] == [(field, code)]
    assert all(error["do"] for error in problem["errors"])
    assert (await api.get("/api/sites"))["items"] == []


async def test_a_misspelt_field_is_answered_with_the_right_spelling(api: Api) -> None:
    problem = await api.post("/api/sites", _bad_site(rolover="04:00"), status=422)

    assert problem["errors"][0]["do"] == "did you mean rollover?"


async def test_every_refusal_is_problem_json_with_the_id_of_the_request(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.key}", "X-Request-Id": "desk-4711-a"}
    async with api.client.get("/api/sites/F9", headers=headers) as answer:
        problem = await answer.json(content_type="application/problem+json")

    assert answer.headers["X-Request-Id"] == "desk-4711-a"
    assert problem == {
        "type": "urn:wellgate:problem:not_found",
        "title": "Not Found",
        "status": 404,
        "detail": "there is no site 'F9'; list them to see what exists",
        "code": "NOT_FOUND",
        "request_id": "desk-4711-a",
    }


async def test_a_body_that_is_no_json_is_a_bad_request(api: Api) -> None:
    problem = await api.ask("POST", "/api/sites", b'{"id": ', status=400, headers={"Content-Type": "application/json"})
    assert problem["errors"][0]["do"] == "send well-formed JSON"


async def test_a_body_of_another_type_is_refused(api: Api) -> None:
    problem = await api.ask("POST", "/api/sites", b"id=F1", status=415, headers={"Content-Type": "text/plain"})
    assert problem["code"] == "MEDIA_TYPE"


async def test_a_body_beyond_the_limit_is_refused(api: Api) -> None:
    body = json.dumps(_bad_site(name="x" * 300_000)).encode()
    problem = await api.ask("POST", "/api/sites", body, status=413, headers={"Content-Type": "application/json"})
    assert problem["code"] == "TOO_LARGE"


async def test_an_unknown_query_is_refused(api: Api) -> None:
    problem = await api.get("/api/sites?limt=3", status=422)
    assert problem["errors"][0]["do"] == "did you mean limit?"


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param(None, id="no key"),
        pytest.param("Bearer nonsense", id="a key nobody made"),
        pytest.param("Basic dXNlcjpwdw==", id="another scheme"),
    ],
)
async def test_without_a_good_key_nothing_is_answered(api: Api, authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    async with api.client.get("/api/sites", headers=headers) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_withdrawn_key_is_refused(api: Api, units: Units) -> None:
    def withdraw(unit: Unit) -> None:
        unit.connection.execute(api_key.update().values(revoked_at=unit.now))

    units.run_sync(withdraw)

    assert (await api.get("/api/sites", status=401))["code"] == "BAD_KEY"


@pytest.mark.parametrize("key", [b"\xff\xfe", b"\xed\xa0\x80", b"wgk_\xc3"])
@pytest.mark.parametrize("path", ["/api/sites", "/edge/v1/access"])
async def test_a_key_of_bytes_that_are_no_text_is_unknown_and_no_fault(units: Units, key: bytes, path: str) -> None:
    """Anybody can send them; the stack trace of each would fill the log."""
    routes = access_api.routes(units, Snapshots(Signer(Ed25519PrivateKey.generate())))
    async with TestClient(TestServer(create_server(units, routes))) as client:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(b"GET %s HTTP/1.0\r\nAuthorization: Bearer %s\r\n\r\n" % (path.encode(), key))
        answer = await reader.read()
        writer.close()
    assert b" 401 " in answer.splitlines()[0]
    assert b'"BAD_KEY"' in answer


@pytest.mark.parametrize(
    "path",
    [
        *(f"/api/{one}?after=%00" for one in ("sites", "schedules", "entry-rights", "members", "products", "edges")),
        "/api/members?number=%00",
        "/api/passages?credential=em40:%00",
        "/api/passages?after=0001-01-01T00:00:00%2B14:00/x",
        "/api/visits?after=9999-12-31T23:59:59-10:00/x",
        "/api/mywellness/links?after=%00",
        "/api/mywellness/queue?after=x",
        "/api/mywellness/queue?after=99999999999999999999999",
    ],
)
async def test_a_page_that_begins_nowhere_is_refused_on_both_engines(api: Api, path: str) -> None:
    await api.get(path, status=422)


async def test_text_with_a_nul_is_refused_before_an_engine_chokes_on_it(api: Api) -> None:
    assert (await api.post("/api/sites", _bad_site(name="O\x00ne"), status=422))["errors"][0]["field"] == "name"
    assert (await api.post("/api/members", {"groups": ["a", "b\x00"]}, status=422))["errors"][0]["field"] == "groups"


def test_a_fault_of_the_database_does_not_carry_names_into_the_log(database: Database) -> None:
    insert = sa.text("INSERT INTO nowhere (name) VALUES (:name)").bindparams(name="Evelina")

    with pytest.raises(DBAPIError) as fault:
        database.sync_write(lambda connection: connection.execute(insert))

    assert "INSERT INTO nowhere" in str(fault.value)
    assert "Evelina" not in str(fault.value)


async def test_only_the_description_and_the_health_check_are_open(units: Units) -> None:
    server = create_server(units)
    open_paths = {
        route.resource.canonical
        for route in server.router.routes()
        if route.resource and getattr(route.handler, "__wellgate_guard__", Guard.KEY) is Guard.OPEN
    }
    assert open_paths == {"/api/openapi.json", "/healthz"}


@pytest.fixture
async def extended(units: Units) -> AsyncIterator["TestClient[web.Request, web.Application]"]:
    """A server with three routes that are no operations."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="in")

    async def fall(_request: web.Request) -> web.Response:
        raise ZeroDivisionError

    async def open_answer(_request: web.Request) -> web.Response:
        return web.Response(text="in")

    routes = [
        web.get("/unmarked", answer),
        web.get("/open", guarded(Guard.OPEN, open_answer)),
        web.get("/falls", guarded(Guard.OPEN, fall)),
    ]
    async with TestClient(TestServer(create_server(units, routes))) as client:
        yield client


async def test_a_new_route_is_closed_until_somebody_opens_it(
    extended: "TestClient[web.Request, web.Application]", units: Units
) -> None:
    key = units.run_sync(keys.create, "test")
    assert (await extended.get("/unmarked")).status == 401
    assert (await extended.get("/unmarked", headers={"Authorization": f"Bearer {key}"})).status == 200
    assert (await extended.get("/open")).status == 200


async def test_a_fault_of_ours_is_told_without_its_inside(
    extended: "TestClient[web.Request, web.Application]",
) -> None:
    answer = await extended.get("/falls")
    problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["code"]) == (500, "FAULT")
    assert "ZeroDivision" not in json.dumps(problem)


async def test_the_description_is_valid_openapi_3_1_and_names_every_operation(api: Api) -> None:
    document = await Api(api.client, None).get("/api/openapi.json")

    OpenAPIV31SpecValidator(document).validate()
    described = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods if method != "head"
    }
    offered = {
        (route.method, route.resource.canonical)
        for route in api.client.app.router.routes()
        if route.resource and route.method != "HEAD" and route.resource.canonical.startswith("/api/")
    }
    assert described == offered - {("GET", "/api/openapi.json")}


async def test_a_long_list_comes_in_pages(api: Api) -> None:
    await gym(api)
    seen: list[str] = []
    after = ""
    for _page in range(3):
        page = await api.get(f"/api/members?limit=1{after}")
        seen += [member["id"] for member in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"

    assert seen == ["M1001", "M1002"]


async def test_the_health_check_asks_the_database(api: Api) -> None:
    assert await Api(api.client, None).get("/healthz") == {"status": "ok"}

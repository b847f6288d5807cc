"""The live page over real HTTP and in a real browser."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from playwright.async_api import async_playwright, expect

from central import keys
from central.changes import Units
from central.database import Database
from central.live.pages import Live
from central.server import create_server
from protocol.decision import Reason
from tests.central.passages.builders import Central, Writer, denied, seed
from tests.services import CHROMIUM_ARGUMENTS

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def central(database: Database) -> Central:
    seed(database)
    return Central(database)


@pytest.fixture
async def client(central: Central) -> AsyncIterator[Client]:
    """Somebody on this machine, where the page asks for a key."""
    live = Live(central.units)
    async with TestClient(TestServer(create_server(central.units, live.routes()))) as one:
        yield one
        live.close()


@pytest.fixture
async def open_client(central: Central) -> AsyncIterator[Client]:
    """Somebody on this machine, where the page is open for a demonstration."""
    live = Live(central.units, open_on_loopback=True)
    async with TestClient(TestServer(create_server(central.units, live.routes()))) as one:
        yield one
        live.close()


async def test_the_page_asks_for_a_key_and_then_opens_for_the_day(client: Client, central: Central) -> None:
    key = central.units.run_sync(keys.create, "reception")
    assert (await client.get("/live")).status == 401
    assert (await client.get("/live/events")).status == 401
    wrong = await client.post("/live", data={"key": "wgk_wrong"})
    assert wrong.status == 401
    assert "unknown or withdrawn" in await wrong.text()
    entered = await client.post("/live", data={"key": key}, allow_redirects=False)
    assert entered.status == 303
    cookie = entered.cookies["wellgate_live"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/live")
    assert key not in cookie.value
    assert (await client.get("/live")).status == 200
    central.clock.wall += 12 * 3600 * (central.clock.wall.resolution * 1_000_000)
    assert (await client.get("/live")).status == 401


async def test_a_key_in_the_header_opens_too_and_the_start_page_leads_there(client: Client, units: Units) -> None:
    key = units.run_sync(keys.create, "screen")
    assert (await client.get("/live", headers={"Authorization": f"Bearer {key}"})).status == 200
    assert 'href="/live"' in await (await client.get("/")).text()


async def test_nothing_on_the_page_comes_from_elsewhere_and_names_are_text(
    open_client: Client, central: Central
) -> None:
    edge = Writer()
    edge.add(denied("2026-03-10 09:00", Reason.UNKNOWN_CREDENTIAL, person="<script>alert(1)</script>"))
    central.deliver(edge)
    answer = await open_client.get("/live")
    text = await answer.text()
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    found = re.findall(r'(?:href|src|action)="([^"]+)"', text)
    assert found
    assert all(one.startswith("/") and not one.startswith("//") for one in found)


async def test_the_stream_tells_what_comes_after_the_page_and_nothing_twice(
    open_client: Client, central: Central
) -> None:
    edge = Writer()
    edge.read("2026-03-10 09:00")
    central.deliver(edge)
    async with open_client.get("/live/events") as stream:
        await event(stream, "hello")
        edge.add(denied("2026-03-10 12:00"))
        central.store(edge.batch())
        first = await event(stream, "passages")
        edge.read("2026-03-09 23:00")
        central.store(edge.batch())
        second = await event(stream, "passages")
    assert first.count("<li") == 1
    assert "membership is frozen" in first
    assert "FROZEN" in first
    assert second.count("<li") == 1
    assert 'class="granted late"' in second


async def event(stream: ClientResponse, name: str) -> str:
    """Return the data of the next event, which has this name."""
    async with asyncio.timeout(10):
        lines: list[str] = []
        while True:
            line = (await stream.content.readline()).decode().rstrip("\r\n")
            if line:
                lines.append(line)
            elif any(one.startswith("event:") for one in lines):
                break
            else:
                lines.clear()
    assert f"event: {name}" in lines
    return "\n".join(one.removeprefix("data: ") for one in lines if one.startswith("data: "))


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1920, "dark")])
async def test_a_passage_appears_in_the_browser_by_itself_at_every_width(
    open_client: Client, central: Central, chromium: str, width: int, scheme: str, tmp_path: Path
) -> None:
    edge = Writer()
    edge.read("2026-03-10 11:59")
    edge.add(denied("2026-03-10 12:00", person="M1002"))
    central.deliver(edge)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_ARGUMENTS))
        page = await browser.new_page(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        complaints: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(str(open_client.make_url("/live")))
        await expect(page.locator("#rows li")).to_have_count(2)
        await expect(page.locator("#state")).to_contain_text("live")
        edge.add(denied("2026-03-10 12:00", Reason.UNKNOWN_CREDENTIAL, person=None))
        central.store(edge.batch())
        await expect(page.locator("#rows li")).to_have_count(3)
        newest = page.locator("#rows li").first
        await expect(newest).to_contain_text("✕ Refused")
        await expect(newest).to_contain_text("unknown card")
        await expect(newest).to_contain_text("…9816")
        await expect(page.locator("#refused")).to_have_text("1")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await page.screenshot(path=str(tmp_path / "live.png"))
        await browser.close()
    assert complaints == []
    assert all(url.startswith(str(open_client.make_url("/"))) for url in asked)

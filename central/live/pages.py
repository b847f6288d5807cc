"""The pages `/` and `/live`: rendered here, nothing fetched from elsewhere, under a strict content policy.

Whoever looks shows a staff key once and gets a cookie for a working day; a demonstration on the same machine may go
without. Polling and heartbeats run on real time: they belong to the browser's connection.
"""

import asyncio
import ipaddress
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web
from aiohttp_sse import sse_response
from jinja2 import Environment, FileSystemLoader

from central import keys
from central.changes import Units
from central.operations import Guard, guarded
from central.passages.questions import PassageView, latest_passages

COOKIE: Final = "wellgate_live"
COOKIE_LASTS: Final = timedelta(hours=12)
SHOWN: Final = 50
"""Passages on the page when it opens."""
AT_ONCE: Final = 100
"""Passages told at one time; while a backlog drains, the newest."""
_LOOK_EVERY: Final = 0.5
_RETRY_MS: Final = 2000

_FOLDER: Final = Path(__file__).parent
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    hdrs.CACHE_CONTROL: "no-store",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Live:
    """The live page of one central process."""

    def __init__(self, units: Units, *, open_on_loopback: bool = False) -> None:
        """Show what `units` stores; with `open_on_loopback`, to anybody on this machine without a key."""
        self._units = units
        self._open = open_on_loopback
        self._tickets: dict[str, datetime] = {}
        self._templates = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, auto_reload=False)
        self._closing = asyncio.Event()

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the pages as routes; each checks by itself who asks."""
        return (
            web.get("/", _open(self._start)),
            web.get("/live", _open(self._page)),
            web.post("/live", _open(self._enter)),
            web.get("/live/events", _open(self._events)),
            web.get("/live/live.css", _open(_file("live.css", "text/css"))),
            web.get("/live/live.js", _open(_file("live.js", "text/javascript"))),
            web.get("/live/icon.svg", _open(_file("icon.svg", "image/svg+xml"))),
        )

    def close(self) -> None:
        """End the streams, so that nobody who looks holds up the end of central."""
        self._closing.set()

    # --- pages --------------------------------------------------------------------------------------------------------

    async def _start(self, _request: web.Request) -> web.Response:
        return self._html("start.html")

    async def _page(self, request: web.Request) -> web.Response:
        if not await self._may_look(request):
            return self._html("login.html", status=401)
        rows = await self._units.read(latest_passages, None, SHOWN)
        return self._html("page.html", rows=rows[::-1])

    async def _enter(self, request: web.Request) -> web.Response:
        form = await request.post()
        if await self._units.read(keys.key_of, str(form.get("key", "")).strip()) is None:
            return self._html("login.html", status=401, wrong=True)
        now = self._units.clock.read().wall
        self._tickets = {ticket: until for ticket, until in self._tickets.items() if until > now}
        ticket = secrets.token_urlsafe(32)
        self._tickets[ticket] = now + COOKIE_LASTS
        answer = web.Response(status=303, headers={hdrs.LOCATION: "/live"})
        answer.set_cookie(
            COOKIE,
            ticket,
            max_age=int(COOKIE_LASTS.total_seconds()),
            path="/live",
            httponly=True,
            samesite="Strict",
            secure=request.secure,
        )
        return answer

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if not await self._may_look(request):
            raise web.HTTPUnauthorized(text="show a staff key at /live first")
        async with sse_response(request, headers={"X-Content-Type-Options": "nosniff"}) as stream:
            told: deque[str] = deque(maxlen=10 * AT_ONCE)
            since = _remember(told, await self._units.read(latest_passages, None, SHOWN), None)
            await stream.send("", event="hello", retry=_RETRY_MS)
            while stream.is_connected() and not self._closing.is_set():
                found = await self._units.read(latest_passages, since, AT_ONCE)
                fresh = [one for one in found if one.id not in told]
                since = _remember(told, fresh, since)
                if fresh:
                    await stream.send("".join(map(self._row, fresh)), event="passages")
                await self._pause()
        return stream

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_EVERY):
                await self._closing.wait()
        except TimeoutError:
            return

    def _row(self, one: PassageView) -> str:
        return self._templates.get_template("row.html").render(one=one)

    def _html(self, name: str, *, status: int = 200, **values: object) -> web.Response:
        text = self._templates.get_template(name).render(values)
        return web.Response(text=text, status=status, content_type="text/html", headers=_HEADERS)

    async def _may_look(self, request: web.Request) -> bool:
        if self._open and _is_loopback(request.remote):
            return True
        until = self._tickets.get(request.cookies.get(COOKIE, ""))
        if until is not None and until > self._units.clock.read().wall:
            return True
        scheme, _, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        return scheme.lower() == "bearer" and await self._units.read(keys.key_of, key.strip()) is not None


def _remember(told: deque[str], passages: Iterable[PassageView], since: datetime | None) -> datetime | None:
    """Note what has been told; return the newest time of receipt."""
    for one in passages:
        told.append(one.id)
        since = one.received_at if since is None else max(since, one.received_at)
    return since


def _is_loopback(address: str | None) -> bool:
    try:
        return address is not None and ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _open(handler: Handler) -> Handler:
    """Let the general guard pass: the page checks by itself who may look (a method cannot be marked)."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    return guarded(Guard.OPEN, handle)


def _file(name: str, kind: str) -> Handler:
    text = (_FOLDER / name).read_text()

    async def handle(_request: web.Request) -> web.StreamResponse:
        return web.Response(text=text, content_type=kind, headers={**_HEADERS, hdrs.CACHE_CONTROL: "max-age=300"})

    return handle

"""The sandbox over HTTP: Mywellness' paths, the faults on the way, and the invented prefix beside them."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from central.mywellness.sandbox.calls import Call
from central.mywellness.sandbox.clock import HasNow
from central.mywellness.sandbox.control import GATE, SANDBOX, Gate, routes
from central.mywellness.sandbox.faults import HOLD_LIMIT_S, Fault, FaultKind
from central.mywellness.sandbox.ledger import Ledger
from central.mywellness.sandbox.sandbox import (
    NOT_FOUND,
    Credentials,
    Facility,
    Outcome,
    Route,
    Sandbox,
    account_locked,
    match_conflict,
    rate_403,
    rate_429,
)
from central.mywellness.sandbox.switches import PlainHttp, Switches
from central.mywellness.sandbox.wire import HTML_200, TOKEN_NOT_VALID, Answer, failure, security

HTTPS_REQUIRED = security("http-protocol", "https required", "Api can be called only using https protocol")
SERVER_ERROR = "<!DOCTYPE html><html><body><h1>Server Error in '/' Application.</h1></body></html>"

INSTEAD: dict[FaultKind, Callable[[Fault], Answer]] = {
    FaultKind.TOKEN_NOT_VALID: lambda _fault: failure(TOKEN_NOT_VALID),
    FaultKind.UNAUTHORIZED_EMPTY: lambda _fault: Answer(401),
    FaultKind.SERVER_ERROR: lambda fault: Answer(fault.status, html=SERVER_ERROR),
    FaultKind.HTML_200: lambda _fault: Answer(200, html=HTML_200),
    FaultKind.ACCOUNT_LOCKED: lambda _fault: account_locked(),
    FaultKind.RATE_403: lambda _fault: rate_403(),
    FaultKind.RATE_429: lambda _fault: rate_429(wait_s=1),
    FaultKind.MATCH_CONFLICT: lambda _fault: match_conflict(),
}
"""Faults that answer in the action's stead; the ledger never hears of the call."""


def create_app(
    ledger: Ledger,
    clock: HasNow,
    switches: Switches,
    credentials: tuple[str, str, str],
    facilities: Iterable[Facility],
) -> web.Application:
    """Return the sandbox as an application; `credentials` are API key, user name and password.

    The `Sandbox` behind it is `app[SANDBOX]`. The ledger is closed with the application.
    """
    app = web.Application()
    app[SANDBOX] = Sandbox(ledger, clock, switches, Credentials(*credentials), tuple(facilities))
    app[GATE] = Gate()
    app.add_routes(routes)
    app.router.add_route("*", "/{path:.*}", _serve_call)

    async def shut(app: web.Application) -> None:
        app[GATE].release()
        app[SANDBOX].ledger.close()

    app.on_cleanup.append(shut)
    return app


async def _serve_call(request: web.Request) -> web.StreamResponse:
    sandbox = request.app[SANDBOX]
    body = _read_body(await request.read())
    route = sandbox.route(request.path)
    call = sandbox.calls.receive(sandbox.clock.now(), request.path, route.name, body)
    answer = None
    try:
        answer = await _answer(request, sandbox, route, call, body)
    finally:
        # Also when the handler ends early (a shutdown): the call is in flight no more.
        if answer is None:
            sandbox.calls.cut(call)
    if answer is None:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
    sandbox.calls.answer(call, answer)
    return _as_response(answer)


async def _answer(
    request: web.Request, sandbox: Sandbox, route: Route, call: Call, body: dict[str, Any]
) -> Answer | None:
    """Return the answer, or None if the connection is to end without one."""
    if request.method != "POST":
        return NOT_FOUND
    if sandbox.switches.plain_http is PlainHttp.REFUSED and not request.secure:
        return failure(HTTPS_REQUIRED)
    fault = sandbox.faults.strike(route.name)
    if fault is None:
        return _commit(request, sandbox, route, call, body).answer
    call.fault = fault.kind.value
    return await _answer_with(fault, request, sandbox, route, call, body)


async def _answer_with(
    fault: Fault, request: web.Request, sandbox: Sandbox, route: Route, call: Call, body: dict[str, Any]
) -> Answer | None:
    if fault.kind is FaultKind.TOKEN_NOT_VALID:
        # The session really ends: only a new login helps, a repeat with the same token does not.
        sandbox.sessions.end(str(_by_lower(body).get("token", "")))
    if fault.kind in INSTEAD:
        return INSTEAD[fault.kind](fault)
    if not await _reaches_the_ledger(fault, request):
        return None
    times = 2 if fault.kind is FaultKind.DUPLICATE else 1
    answer = _commit(request, sandbox, route, call, body, times=times).answer
    match fault.kind:
        case FaultKind.CUT_AFTER_COMMIT:
            return None
        case FaultKind.HANG_AFTER_COMMIT:
            return answer if await _hold(request) else None
        case FaultKind.MISSING_TOKEN if answer.body is not None:
            return Answer(answer.status, {name: value for name, value in answer.body.items() if name != "token"})
        case _:
            return answer


async def _reaches_the_ledger(fault: Fault, request: web.Request) -> bool:
    """Let the fault do what it does before the commit; False means that the connection ends there."""
    match fault.kind:
        case FaultKind.CUT_BEFORE_COMMIT:
            return False
        case FaultKind.HANG_BEFORE_COMMIT:
            return await _hold(request)
        case FaultKind.SLOW:
            await asyncio.sleep(fault.delay_ms / 1000)
            return True
        case _:
            return True


def _commit(
    request: web.Request, sandbox: Sandbox, route: Route, call: Call, body: dict[str, Any], times: int = 1
) -> Outcome:
    culture = request.query.get("_c", "en")
    outcome = sandbox.handle(route, request.headers, _by_lower(body), culture=culture, times=times)
    if outcome.committed:
        sandbox.calls.commit(call)
    return outcome


async def _hold(request: web.Request) -> bool:
    """Wait for the release. Return False if the client left first or nobody came within the limit."""
    gate = request.app[GATE].current
    try:
        async with asyncio.timeout(HOLD_LIMIT_S):
            while not gate.is_set():
                if request.transport is None or request.transport.is_closing():
                    return False
                try:
                    await asyncio.wait_for(gate.wait(), 0.02)
                except TimeoutError:
                    continue
    except TimeoutError:
        return False
    return True


def _read_body(raw: bytes) -> dict[str, Any]:
    """Return the JSON object; anything else counts as empty, so every field is missing."""
    try:
        body = json.loads(raw)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _by_lower(body: dict[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in body.items()}


def _as_response(answer: Answer) -> web.Response:
    if answer.html is not None:
        return web.Response(text=answer.html, content_type="text/html", status=answer.status)
    if answer.body is None:
        return web.Response(status=answer.status)
    return web.json_response(answer.body, status=answer.status, headers=answer.headers)


@asynccontextmanager
async def running(app: web.Application, host: str, port: int) -> AsyncIterator[str]:
    """Serve `app` inside the block and give its URL; port 0 takes a free one. Raises `OSError` if it is taken."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound = runner.addresses[0][1]
        yield f"http://{f'[{host}]' if ':' in host else host}:{bound}"
    finally:
        await runner.cleanup()


async def serve(app: web.Application, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM; the first line on stdout names the URL."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running(app, host, port) as url:
        print(f"sandbox listening on {url}", flush=True)  # noqa: T201 - the command's answer
        await stop.wait()

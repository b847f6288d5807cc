"""The invented prefix `/_standin/`: switches, faults, ledger and calls. No part of Mywellness' contract."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from central.mywellness.sandbox.faults import read_fault
from central.mywellness.sandbox.ledger import Ledger, Person
from central.mywellness.sandbox.page import SCRIPT, STYLE, render
from central.mywellness.sandbox.sandbox import Sandbox
from central.mywellness.sandbox.switches import changed

routes = web.RouteTableDef()

CSP = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Gate:
    """Where hanging calls wait; a release lets all of them go, later ones wait for the next."""

    def __init__(self) -> None:
        """Start closed."""
        self.current = asyncio.Event()

    def release(self) -> None:
        """Let everybody go who waits now."""
        self.current.set()
        self.current = asyncio.Event()


SANDBOX = web.AppKey("sandbox", Sandbox)
GATE = web.AppKey("gate", Gate)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _explained(handler: Handler) -> Handler:
    """Turn a wish that cannot be read into a 400 that says why."""

    async def explained(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except (ValidationError, ValueError) as error:
            return web.json_response({"title": "This wish cannot be read", "detail": str(error)}, status=400)

    return explained


@routes.get("/_standin/switches")
async def show_switches(request: web.Request) -> web.StreamResponse:
    """Answer the present positions."""
    return web.json_response(asdict(request.app[SANDBOX].switches))


@routes.put("/_standin/switches")
@_explained
async def set_switches(request: web.Request) -> web.StreamResponse:
    """Change the switches named in the body, leave the others."""
    sandbox = request.app[SANDBOX]
    wish = await request.json()
    if not isinstance(wish, dict):
        msg = "send a JSON object of switch names and positions"
        raise ValueError(msg)  # noqa: TRY004 - becomes a 400 like any other wrong value
    sandbox.switches = changed(sandbox.switches, wish)
    return await show_switches(request)


@routes.get("/_standin/faults")
async def show_faults(request: web.Request) -> web.StreamResponse:
    """Answer the armed faults."""
    return web.json_response(request.app[SANDBOX].faults.armed())


@routes.post("/_standin/faults")
@_explained
async def arm_fault(request: web.Request) -> web.StreamResponse:
    """Arm one fault for the next calls that match."""
    request.app[SANDBOX].faults.arm(read_fault(await request.read()))
    return await show_faults(request)


@routes.delete("/_standin/faults")
async def disarm(request: web.Request) -> web.StreamResponse:
    """Disarm all faults."""
    request.app[SANDBOX].faults.clear()
    return await show_faults(request)


@routes.post("/_standin/release")
async def release(request: web.Request) -> web.StreamResponse:
    """Let the hanging calls go."""
    request.app[GATE].release()
    return web.json_response({"released": True})


@routes.post("/_standin/reset")
async def reset(request: web.Request) -> web.StreamResponse:
    """Forget everything but the switches."""
    request.app[GATE].release()
    request.app[SANDBOX].reset()
    return web.json_response({"reset": True})


@routes.get("/_standin/calls")
@_explained
async def show_calls(request: web.Request) -> web.StreamResponse:
    """Answer the calls numbered above `after`, oldest first, at most `limit`."""
    calls = request.app[SANDBOX].calls
    after, limit = (int(request.query.get(name, default)) for name, default in (("after", 0), ("limit", 10_000)))
    return web.json_response({"last": calls.last, "calls": [call.as_json() for call in calls.after(after, limit)]})


@routes.get("/_standin/inflight")
async def show_inflight(request: web.Request) -> web.StreamResponse:
    """Answer the calls that arrived and are not answered yet."""
    return web.json_response([call.as_json() for call in request.app[SANDBOX].calls.inflight()])


@routes.get("/_standin/ledger")
async def show_ledger(request: web.Request) -> web.StreamResponse:
    """Answer all the sandbox has recorded; permanent tokens are plain here, they open nothing."""
    return web.Response(text=json.dumps(ledger_as_json(request.app[SANDBOX].ledger)), content_type="application/json")


@routes.get("/")
async def show_page(request: web.Request) -> web.StreamResponse:
    """Answer the page for people."""
    return web.Response(text=render(request.app[SANDBOX]), content_type="text/html", headers=CSP)


@routes.get("/_standin/page.css")
async def show_style(_request: web.Request) -> web.StreamResponse:
    """Answer the page's style sheet."""
    return web.Response(text=STYLE, content_type="text/css", headers=CSP)


@routes.get("/_standin/page.js")
async def show_script(_request: web.Request) -> web.StreamResponse:
    """Answer the page's script."""
    return web.Response(text=SCRIPT, content_type="text/javascript", headers=CSP)


@routes.route("*", "/_standin/{rest:.*}")
async def unknown(_request: web.Request) -> web.StreamResponse:
    """Answer any other path under the prefix."""
    return web.json_response({"title": "The sandbox has nothing here"}, status=404)


def ledger_as_json(ledger: Ledger) -> dict[str, Any]:
    """Return persons, memberships, visits, deletes and counters."""
    people = list(ledger.people.values())
    return {
        "persons": [_person(person) for person in people if person.deleted_at is None],
        "memberships": [
            {
                "facilityUserId": person.facility_user_id,
                "externalId": person.external_id,
                **person.membership.fields,
                "lastOperation": person.membership.last_operation.value,
                "frozen": person.membership.frozen,
                "ended": person.membership.ended,
            }
            for person in people
            if person.membership is not None
        ],
        "saves": [
            {
                "at": saved.at.isoformat(),
                "facilityUserId": saved.facility_user_id,
                "externalId": ledger.people[saved.facility_user_id].external_id,
                "operation": saved.operation.value,
                **saved.fields,
            }
            for saved in ledger.saves
        ],
        "visits": [
            {
                "number": number,
                "at": visit.at.isoformat(),
                "facility": visit.facility,
                "userId": visit.user_id,
                "externalId": external_ids.get((visit.facility, visit.user_id)),
                "visitDate": visit.visit_date,
                "happenedAt": visit.happened_at.isoformat(),
                "counted": visit.counted,
            }
            for external_ids in [{(person.facility, person.user_id): person.external_id for person in people}]
            for number, visit in enumerate(ledger.visits, start=1)
        ],
        "deletes": [
            {**_person(person), "at": person.deleted_at.isoformat()}
            for person in people
            if person.deleted_at is not None
        ],
        "counters": dict(ledger.counters),
    }


def _person(person: Person) -> dict[str, Any]:
    return {
        "facility": person.facility,
        "userId": person.user_id,
        "facilityUserId": person.facility_user_id,
        "permanentToken": person.permanent_token,
        "externalId": person.external_id,
        "status": person.status,
        "groups": list(person.groups),
        **person.details,
    }

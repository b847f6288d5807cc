"""Around every HTTP request: an id, who asks, and how a refusal looks (RFC 9457).

What is not marked otherwise asks for an API key: a new route is closed until somebody opens it (`operations.Guard`).
"""

import json
import logging
import re
import uuid
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

from aiohttp import hdrs, web

from central.changes import Units
from central.errors import Refused
from central.fleet.service import Caller, edge_by_token
from central.keys import Key, key_of
from central.operations import GUARD, Guard, Unreadable

_log = logging.getLogger(__name__)

UNITS: Final = web.AppKey("units", Units)
"""Where handlers find the way to the services."""

ID: Final = web.RequestKey("id", str)
KEY: Final = web.RequestKey("key", Key)
EDGE: Final = web.RequestKey("edge", Caller)

REQUEST_ID: Final = "X-Request-Id"
_GOOD_ID: Final = re.compile(r"[A-Za-z0-9_.-]{8,64}")
_BEARER: Final = "bearer "

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, or keep the caller's if it is harmless; every answer carries it."""
    wanted = request.headers.get(REQUEST_ID, "")
    request[ID] = wanted if _GOOD_ID.fullmatch(wanted) else uuid.uuid4().hex
    response = await handler(request)
    if not response.prepared:
        response.headers[REQUEST_ID] = request[ID]
    return response


async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every refusal and every fault into problem+json."""
    try:
        return await handler(request)
    except Unreadable as refusal:
        return problem(request, refusal.status, refusal.code, refusal.detail, errors=refusal.errors)
    except Refused as refusal:
        return problem(request, refusal.status, refusal.code, refusal.detail)
    except web.HTTPException as answer:
        if answer.status < HTTPStatus.BAD_REQUEST:
            raise
        return _from_aiohttp(request, answer)
    except Exception:  # noqa: BLE001 - the one place where a fault becomes an answer
        _log.exception("request %s: %s %s failed", request[ID], request.method, request.path)
        detail = f"this is a fault on our side; tell support the request id {request[ID]}"
        return problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, "FAULT", detail)


def _from_aiohttp(request: web.Request, answer: web.HTTPException) -> web.Response:
    match answer.status:
        case HTTPStatus.NOT_FOUND:
            detail = f"there is nothing at {request.path}; /api/openapi.json lists what is"
        case HTTPStatus.METHOD_NOT_ALLOWED:
            detail = f"{request.path} cannot be asked with {request.method}; see the Allow header"
        case _:
            detail = answer.text or answer.reason
    response = problem(request, answer.status, HTTPStatus(answer.status).name, detail)
    if hdrs.ALLOW in answer.headers:
        response.headers[hdrs.ALLOW] = answer.headers[hdrs.ALLOW]
    return response


def problem(
    request: web.Request, status: int, code: str, detail: str, *, errors: list[dict[str, str]] | None = None
) -> web.Response:
    """Return the answer that says why something was not done."""
    body: dict[str, Any] = {
        "type": f"urn:wellgate:problem:{code.lower()}",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
        "request_id": request[ID],
    }
    if errors:
        body["errors"] = errors
    headers = {hdrs.WWW_AUTHENTICATE: 'Bearer realm="wellgate"'} if status == HTTPStatus.UNAUTHORIZED else None
    return web.Response(
        body=json.dumps(body, ensure_ascii=False).encode(),
        status=status,
        content_type="application/problem+json",
        headers=headers,
    )


async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in whom the route's guard lets in; `request[KEY]` or `request[EDGE]` then says who it is."""
    if request.match_info.http_exception is not None:
        return await handler(request)  # no such route: that answer is for everybody
    guard: Guard = getattr(request.match_info.handler, GUARD, Guard.KEY)
    if guard is Guard.OPEN:
        return await handler(request)
    header = request.headers.get(hdrs.AUTHORIZATION, "")
    if not header.lower().startswith(_BEARER):
        raise Refused("NO_KEY", "send the header «Authorization: Bearer <key>»", status=HTTPStatus.UNAUTHORIZED)
    token = header[len(_BEARER) :].strip()
    units = request.app[UNITS]
    if guard is Guard.EDGE and (edge := await units.read(edge_by_token, token)):
        request[EDGE] = edge
    elif guard is Guard.KEY and (key := await units.read(key_of, token)):
        request[KEY] = key
    else:
        raise Refused("BAD_KEY", "this key is unknown or withdrawn; ask for a new one", status=HTTPStatus.UNAUTHORIZED)
    return await handler(request)


MIDDLEWARES: Final = tuple(web.middleware(each) for each in (identify, refuse, admit))
"""Outermost first."""

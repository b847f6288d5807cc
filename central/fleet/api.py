"""Edges over HTTP."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Final

from aiohttp import web
from pydantic import Field

from central.fleet import service
from central.fleet.service import Edge, Enrolment
from central.http import UNITS
from central.operations import Listing, Operations, Page, Wish, listing
from central.wire import Id

op = Operations("edges")

WRITE_ACCOUNTS: Final[web.AppKey[Callable[[], None]]] = web.AppKey("write_accounts")
"""What brings the broker's files up to date after a change; where there is none, `broker-files` does it."""


class EdgeWish(Wish):
    """A new edge of a site."""

    id: Id
    site: Id
    name: Annotated[str, Field(max_length=200)] = ""


class EdgeQuery(Page):
    """Which edges."""

    site: Id | None = None


@op("POST", "/api/edges", "Enrol an edge; its secrets are shown once", status=201)
async def create_edge(request: web.Request, body: EdgeWish) -> Enrolment:
    enrolment = await request.app[UNITS].run(service.enrol, body.id, body.site, body.name)
    await _write_accounts(request)
    return enrolment


@op("GET", "/api/edges", "List edges")
async def list_edges(request: web.Request, query: EdgeQuery) -> Listing[Edge]:
    found = await request.app[UNITS].read(service.list_edges, after=query.after, limit=query.limit + 1, site=query.site)
    return listing(found, query, lambda each: each.id)


@op("GET", "/api/edges/{edge}", "Show an edge")
async def show_edge(request: web.Request, edge: Id) -> Edge:
    return await request.app[UNITS].read(service.get, edge)


@op("POST", "/api/edges/{edge}/rotate", "Give an edge new secrets; they are shown once")
async def rotate_edge(request: web.Request, edge: Id) -> Enrolment:
    enrolment = await request.app[UNITS].run(service.rotate, edge)
    await _write_accounts(request)
    return enrolment


@op("POST", "/api/edges/{edge}/revoke", "Shut an edge out")
async def revoke_edge(request: web.Request, edge: Id) -> Edge:
    revoked = await request.app[UNITS].run(service.revoke, edge)
    await _write_accounts(request)
    return revoked


async def _write_accounts(request: web.Request) -> None:
    write = request.app.get(WRITE_ACCOUNTS)
    if write is not None:
        await asyncio.to_thread(write)

"""Edges over HTTP."""

from typing import Annotated

from aiohttp import web
from pydantic import Field

from central.fleet import service
from central.fleet.service import Edge, Enrolment
from central.http import UNITS
from central.operations import Listing, Operations, Page, Wish, listing
from central.wire import Id

op = Operations("edges")


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
    return await request.app[UNITS].run(service.enrol, body.id, body.site, body.name)


@op("GET", "/api/edges", "List edges")
async def list_edges(request: web.Request, query: EdgeQuery) -> Listing[Edge]:
    found = await request.app[UNITS].read(service.list_edges, after=query.after, limit=query.limit + 1, site=query.site)
    return listing(found, query, lambda each: each.id)


@op("GET", "/api/edges/{edge}", "Show an edge")
async def show_edge(request: web.Request, edge: Id) -> Edge:
    return await request.app[UNITS].read(service.get, edge)


@op("POST", "/api/edges/{edge}/rotate", "Give an edge new secrets; they are shown once")
async def rotate_edge(request: web.Request, edge: Id) -> Enrolment:
    return await request.app[UNITS].run(service.rotate, edge)


@op("POST", "/api/edges/{edge}/revoke", "Shut an edge out")
async def revoke_edge(request: web.Request, edge: Id) -> Edge:
    return await request.app[UNITS].run(service.revoke, edge)

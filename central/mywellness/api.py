"""Links and queue over HTTP: what staff see of the synchronisation, and what they may do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from aiohttp import web
from pydantic import Field

from central.http import UNITS
from central.mywellness import service
from central.mywellness.states import LinkEvent, LinkState
from central.operations import Listing, Operations, Page, Wish, listing
from central.schema import QueueAction, QueueState
from central.wire import Id

op = Operations("mywellness")

MYWELLNESS: web.AppKey[service.Mywellness] = web.AppKey("mywellness", service.Mywellness)


class StaffOperation(StrEnum):
    """What staff may ask of a link (D-30…D-32)."""

    SYNCHRONISE = "synchronise"
    SUSPEND = "suspend"
    ENABLE = "enable"
    DELETE = "delete"


class OperationWish(Wish):
    """An operation on a member's link."""

    operation: StaffOperation


class QueueQuery(Page):
    """Which rows of the queue; `after` is a row number."""

    after: Annotated[str | None, Field(pattern=r"^[0-9]{1,18}$", description="`next` of the page before")] = None
    state: QueueState | None = None
    action: QueueAction | None = None
    person: Id | None = None


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link as staff see it; `state` is null after a deletion, when nothing is created by itself any more."""

    person: str
    state: LinkState | None
    reason: str | None
    missing: list[str]
    pending: bool
    last_error: str | None
    last_sent: datetime | None
    membership: dict[str, object] | None
    facility_user_id: str | None
    activation: str | None
    """What to tell a member whom Mywellness has mailed; whether the account was activated, it does not say (D-17)."""


@dataclass(frozen=True, slots=True)
class QueueView:
    """A row of the queue as staff see it."""

    id: int
    person: str
    action: QueueAction
    visit: str | None
    visit_at: datetime | None
    site: str | None
    state: QueueState
    detail: str
    attempts: int
    created_at: datetime
    due_at: datetime
    sender: str | None
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class Status:
    """How much waits, and since when."""

    counts: dict[str, dict[str, int]]
    """Action → state → rows."""
    oldest_open: datetime | None


@op("GET", "/api/mywellness/links", "List links")
async def list_links(request: web.Request, query: Page) -> Listing[LinkView]:
    found = await request.app[UNITS].read(service.link_rows, after=query.after or "", limit=query.limit + 1)
    return listing([LinkView(**row) for row in found], query, lambda each: each.person)


@op("GET", "/api/members/{person}/mywellness", "Show a member's link")
async def show_link(request: web.Request, person: Id) -> LinkView:
    return LinkView(**await request.app[UNITS].read(service.link_row, person))


@op("POST", "/api/members/{person}/mywellness", "Synchronise, suspend, enable or delete a member's link")
async def operate(request: web.Request, person: Id, body: OperationWish) -> LinkView:
    units = request.app[UNITS]
    await units.run(request.app[MYWELLNESS].operate, person, LinkEvent(body.operation.value))
    return LinkView(**await units.read(service.link_row, person))


@op("GET", "/api/mywellness/queue", "List the queue, oldest first")
async def list_queue(request: web.Request, query: QueueQuery) -> Listing[QueueView]:
    found = await request.app[UNITS].read(
        service.queue_rows,
        state=query.state,
        action=query.action,
        person=query.person,
        after=int(query.after or 0),
        limit=query.limit + 1,
    )
    return listing([QueueView(**row) for row in found], query, lambda each: each.id)


@op("GET", "/api/mywellness/status", "How much waits")
async def status(request: web.Request) -> Status:
    return Status(*await request.app[UNITS].read(service.waiting))

"""Passages, visits, quarantine and alarms over HTTP."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated

from aiohttp import web
from pydantic import Field

from central.alarms import Alarm, list_alarms
from central.http import UNITS
from central.operations import Listing, Operations, Page, listing
from central.passages import questions
from central.passages.questions import PassageFilter, PassageView, QuarantineView, UnknownCard, VisitView
from central.wire import Id

op = Operations("passages")


class DayQuery(Page):
    """Which days, where and whose."""

    first: Annotated[date | None, Field(strict=False, description="first visit day, inclusive")] = None
    last: Annotated[date | None, Field(strict=False, description="last visit day, inclusive")] = None
    site: Id | None = None
    person: Annotated[str | None, Field(max_length=64)] = None

    def filter(self) -> PassageFilter:
        """The wish as the questions take it."""
        return PassageFilter(**self.model_dump(exclude={"after", "limit"}))


class PassageQuery(DayQuery):
    """Which passages (A-46)."""

    credential: Annotated[str | None, Field(max_length=600, description="canonical form")] = None
    reader: Id | None = None
    only_visits: Annotated[bool, Field(strict=False, description="only passages that opened a visit")] = False
    only_denied: Annotated[bool, Field(strict=False, description="only refused passages")] = False


class CountedPage(Page):
    """Which part of a list whose items are numbered."""

    after: Annotated[str | None, Field(pattern=r"^[0-9]{1,18}$", description="`next` of the page before")] = None

    def before(self) -> int | None:
        """The number that the page before ended with."""
        return None if self.after is None else int(self.after)


class AlarmQuery(CountedPage):
    """Which alarms."""

    open_only: Annotated[bool, Field(strict=False, description="leave out those that are over")] = True


@dataclass(frozen=True, slots=True)
class PassageCount:
    """How many passages there are."""

    passages: int


@op("GET", "/api/passages", "List passages, newest first")
async def list_passages(request: web.Request, query: PassageQuery) -> Listing[PassageView]:
    found = await request.app[UNITS].read(
        questions.list_passages, query.filter(), after=query.after, limit=query.limit + 1
    )
    return listing(found, query, lambda each: each.key)


@op("GET", "/api/passages/count", "Count passages")
async def count_passages(request: web.Request) -> PassageCount:
    return PassageCount(await request.app[UNITS].read(questions.count_passages))


@op("GET", "/api/visits", "List visits, newest first")
async def list_visits(request: web.Request, query: DayQuery) -> Listing[VisitView]:
    found = await request.app[UNITS].read(
        questions.list_visits, query.filter(), after=query.after, limit=query.limit + 1
    )
    return listing(found, query, lambda each: each.key)


@op("GET", "/api/unknown-credentials", "List cards that nobody owned when they were read, latest first")
async def list_unknown_credentials(request: web.Request) -> list[UnknownCard]:
    return list(await request.app[UNITS].read(questions.unknown_cards))


@op("GET", "/api/quarantine", "List what edges sent and nobody can read, newest first")
async def list_quarantine(request: web.Request, query: CountedPage) -> Listing[QuarantineView]:
    found = await request.app[UNITS].read(questions.list_quarantine, before=query.before(), limit=query.limit + 1)
    return listing(found, query, lambda each: each.id)


@op("GET", "/api/alarms", "List alarms, newest first")
async def list_open_alarms(request: web.Request, query: AlarmQuery) -> Listing[Alarm]:
    found = await request.app[UNITS].read(
        list_alarms, open_only=query.open_only, before=query.before(), limit=query.limit + 1
    )
    return listing(found, query, lambda each: each.id)

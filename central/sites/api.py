"""Sites over HTTP."""

from datetime import date
from typing import Annotated, Literal, cast

from aiohttp import web
from pydantic import AfterValidator, Field

from central.http import UNITS
from central.operations import Change, Listing, Operations, Page, Wish, listing
from central.sites import service
from central.sites.model import Intervals, Lane, Reader, ReaderValues, Right, Schedule, Site, SiteValues
from central.wire import Id, Name, TimeOfDay, Zone
from protocol.policy import DoorMode, ExitPolicy, ReaderKind

op = Operations("sites")

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Days = Annotated[int, Field(ge=0, le=366)]
Seconds = Annotated[int, Field(ge=0, le=86_400)]
Years = Annotated[int, Field(ge=0, le=120)]
Milliseconds = Annotated[int, Field(ge=50, le=60_000)]
People = Annotated[int, Field(ge=0, le=1_000_000)]


def _forward(intervals: Intervals) -> Intervals:
    if any(start >= end for start, end in intervals):
        raise ValueError("an interval ends after it starts; past midnight, give each day its part")
    return intervals


Hours = Annotated[Intervals, AfterValidator(_forward)]


class SiteWish(Wish):
    """A new site."""

    id: Id
    name: Name
    zone: Zone
    rollover: TimeOfDay = Field(default=0, json_schema_extra={"default": "00:00"})
    charge_grace_days: Days = 0
    occupancy_limit: People = 0


class SiteChange(Change):
    """What shall be different at a site."""

    name: Name = ""
    zone: Zone = ""
    rollover: TimeOfDay = 0
    charge_grace_days: Days = 0
    occupancy_limit: People = 0


class LaneWish(Wish):
    """A new lane."""

    id: Id
    name: Name


class LaneChange(Change):
    """What shall be different at a lane."""

    name: Name


class ReaderWish(Wish):
    """A new reader."""

    id: Id
    lane: Id
    name: Name
    kind: ReaderKind
    barrier: Id | Literal[""] = ""
    enabled: bool = True
    mode: DoorMode = DoorMode.ACTIVE
    min_interval: Seconds = 0
    age_limit: Years = 0
    exit_policy: ExitPolicy = ExitPolicy.ALWAYS_OPEN
    counts_visits: bool = True
    pulse_ms: Milliseconds = 300


class ReaderChange(Change):
    """What shall be different at a reader."""

    lane: Id = ""
    name: Name = ""
    kind: ReaderKind = ReaderKind.IN
    barrier: Id | Literal[""] = ""
    enabled: bool = True
    mode: DoorMode = DoorMode.ACTIVE
    min_interval: Seconds = 0
    age_limit: Years = 0
    exit_policy: ExitPolicy = ExitPolicy.ALWAYS_OPEN
    counts_visits: bool = True
    pulse_ms: Milliseconds = 300


class ScheduleWish(Wish):
    """A new schedule: `{"weekly": {"mon": [["06:00", "22:00"]]}, "exceptions": {"2026-03-10": []}}`."""

    id: Id
    name: Name
    weekly: dict[Weekday, Hours] = Field(default_factory=dict)
    exceptions: dict[date, Hours] = Field(default_factory=dict)


class ScheduleChange(Change):
    """What shall be different in a schedule; `weekly` and `exceptions` replace the old ones as a whole."""

    name: Name | None = None
    weekly: dict[Weekday, Hours] | None = None
    exceptions: dict[date, Hours] | None = None


class RightWish(Wish):
    """A new entry right."""

    id: Id
    name: Name
    readers: list[Id]
    schedule: Id | None = None


class RightChange(Change):
    """What shall be different in an entry right."""

    name: Name = ""
    readers: list[Id] = Field(default_factory=list)
    schedule: Id | None = None


@op("POST", "/api/sites", "Create a site", status=201)
async def create_site(request: web.Request, body: SiteWish) -> Site:
    values = cast("SiteValues", body.everything(but="id"))
    return await request.app[UNITS].run(service.create_site, body.id, values)


@op("PATCH", "/api/sites/{site}", "Change a site")
async def change_site(request: web.Request, site: Id, body: SiteChange) -> Site:
    return await request.app[UNITS].run(service.change_site, site, cast("SiteValues", body.given()))


@op("GET", "/api/sites", "List sites")
async def list_sites(request: web.Request, query: Page) -> Listing[Site]:
    found = await request.app[UNITS].read(service.list_sites, after=query.after, limit=query.limit + 1)
    return listing(found, query, lambda each: each.id)


@op("GET", "/api/sites/{site}", "Show a site")
async def show_site(request: web.Request, site: Id) -> Site:
    return await request.app[UNITS].read(service.get_site, site)


@op("POST", "/api/sites/{site}/lanes", "Create a lane", status=201)
async def create_lane(request: web.Request, site: Id, body: LaneWish) -> Lane:
    return await request.app[UNITS].run(service.create_lane, site, body.id, body.name)


@op("PATCH", "/api/lanes/{lane}", "Change a lane")
async def change_lane(request: web.Request, lane: Id, body: LaneChange) -> Lane:
    return await request.app[UNITS].run(service.change_lane, lane, body.name)


@op("GET", "/api/sites/{site}/lanes", "List the lanes of a site")
async def list_lanes(request: web.Request, site: Id) -> list[Lane]:
    return await request.app[UNITS].read(service.list_lanes, site)


@op("POST", "/api/sites/{site}/readers", "Create a reader", status=201)
async def create_reader(request: web.Request, site: Id, body: ReaderWish) -> Reader:
    values = cast("ReaderValues", body.everything(but="id"))
    return await request.app[UNITS].run(service.create_reader, site, body.id, values)


@op("PATCH", "/api/readers/{reader}", "Change a reader")
async def change_reader(request: web.Request, reader: Id, body: ReaderChange) -> Reader:
    return await request.app[UNITS].run(service.change_reader, reader, cast("ReaderValues", body.given()))


@op("GET", "/api/sites/{site}/readers", "List the readers of a site")
async def list_readers(request: web.Request, site: Id) -> list[Reader]:
    return await request.app[UNITS].read(service.list_readers, site)


@op("POST", "/api/schedules", "Create a schedule", status=201)
async def create_schedule(request: web.Request, body: ScheduleWish) -> Schedule:
    exceptions = {day.isoformat(): hours for day, hours in body.exceptions.items()}
    weekly = {str(day): hours for day, hours in body.weekly.items()}
    return await request.app[UNITS].run(service.create_schedule, body.id, body.name, weekly, exceptions)


@op("PATCH", "/api/schedules/{schedule}", "Change a schedule")
async def change_schedule(request: web.Request, schedule: Id, body: ScheduleChange) -> Schedule:
    exceptions = body.exceptions
    return await request.app[UNITS].run(
        service.change_schedule,
        schedule,
        name=body.name,
        weekly=None if body.weekly is None else {str(day): hours for day, hours in body.weekly.items()},
        exceptions=None if exceptions is None else {day.isoformat(): hours for day, hours in exceptions.items()},
    )


@op("PUT", "/api/schedules/{schedule}/exceptions/{day}", "Replace one day of a schedule; an empty list closes it")
async def set_exception(request: web.Request, schedule: Id, day: date, body: Hours) -> Schedule:
    return await request.app[UNITS].run(service.set_exception, schedule, day.isoformat(), body)


@op("DELETE", "/api/schedules/{schedule}/exceptions/{day}", "Let the week's pattern hold again on a day")
async def remove_exception(request: web.Request, schedule: Id, day: date) -> Schedule:
    return await request.app[UNITS].run(service.set_exception, schedule, day.isoformat(), None)


@op("GET", "/api/schedules", "List schedules")
async def list_schedules(request: web.Request, query: Page) -> Listing[Schedule]:
    found = await request.app[UNITS].read(service.list_schedules, after=query.after, limit=query.limit + 1)
    return listing(found, query, lambda each: each.id)


@op("GET", "/api/schedules/{schedule}", "Show a schedule")
async def show_schedule(request: web.Request, schedule: Id) -> Schedule:
    return await request.app[UNITS].read(service.get_schedule, schedule)


@op("POST", "/api/entry-rights", "Create an entry right", status=201)
async def create_right(request: web.Request, body: RightWish) -> Right:
    return await request.app[UNITS].run(service.create_right, body.id, body.name, body.readers, body.schedule)


@op("PATCH", "/api/entry-rights/{right}", "Change an entry right")
async def change_right(request: web.Request, right: Id, body: RightChange) -> Right:
    return await request.app[UNITS].run(service.change_right, right, body.given())


@op("GET", "/api/entry-rights", "List entry rights")
async def list_rights(request: web.Request, query: Page) -> Listing[Right]:
    found = await request.app[UNITS].read(service.list_rights, after=query.after, limit=query.limit + 1)
    return listing(found, query, lambda each: each.id)


@op("GET", "/api/entry-rights/{right}", "Show an entry right")
async def show_right(request: web.Request, right: Id) -> Right:
    return await request.app[UNITS].read(service.get_right, right)

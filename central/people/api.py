"""Members over HTTP."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date
from typing import Annotated, Concatenate, ParamSpec, cast

import sqlalchemy as sa
from aiohttp import web
from pydantic import AwareDatetime, Field

from central.changes import Unit
from central.http import UNITS
from central.memberships import service as memberships
from central.operations import Blob, Change, Listing, Operations, Page, Wish, listing
from central.people import credentials, service
from central.people.model import Facet, Gender, Person, PersonValues
from central.wire import Id
from protocol.credential import CardFormat
from protocol.entitlement import CredentialStatus

op = Operations("members")

P = ParamSpec("P")

Short = Annotated[str, Field(max_length=64)]
Line = Annotated[str, Field(max_length=200)]
Card = Annotated[str, Field(min_length=1, max_length=600, description="canonical (`kind:value`) or as printed")]


class MemberChange(Change):
    """What shall be different about a member. What is not named stays; `null` clears."""

    number: Annotated[str, Field(min_length=1, max_length=64)] = ""
    first_name: Line = ""
    last_name: Line = ""
    birth_date: date | None = None
    gender: Gender | None = None
    email: Annotated[str, Field(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    phone: Short | None = None
    mobile: Short | None = None
    street: Line | None = None
    postcode: Annotated[str, Field(max_length=32)] | None = None
    city: Annotated[str, Field(max_length=100)] | None = None
    country: Annotated[str, Field(pattern="^[A-Z]{2}$", description="ISO 3166")] | None = None
    invoice_address: Annotated[str, Field(max_length=1000)] | None = None
    identity_number: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    language: Annotated[str, Field(max_length=8)] | None = None
    home_site: Id | None = None
    organisation: Line | None = None
    is_customer: bool = True
    is_staff: bool = False
    is_company_contact: bool = False
    roles: list[Line] = Field(default_factory=list)
    allow_sync: bool = False
    allow_activity_sync: bool = False
    allow_photo_publication: bool = False
    allow_mail: bool = False
    allow_email_marketing: bool = False
    allow_sms_marketing: bool = False
    overrides_anti_passback: bool = False
    member_since_override: date | None = None
    groups: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(default_factory=list)
    categories: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(default_factory=list)


class MemberWish(MemberChange):
    """A new member. Without `id` and `number` fresh ones are taken."""

    id: Id | None = None


@dataclass(frozen=True, slots=True)
class Member(Person):
    """A person as staff see it, with what follows from subscriptions."""

    photo: str | None = None
    """Where the photo is."""
    member_since: date | None = None


class MemberQuery(Page):
    """Which members."""

    facet: Facet | None = None
    number: str | None = Field(default=None, max_length=64)
    credential: Card | None = None


class Block(Wish):
    """Until when; `until` is the last day, null = until lifted."""

    until: date | None = None


class Assignment(Wish):
    """A card to assign, in canonical form or as printed; with `format` as a reader sent it."""

    card: Card
    format: CardFormat | None = None
    prefix: Short = ""


class Replacement(Assignment):
    """A card that takes the place of another; the old one is blocked unless it is kept."""

    keep_old: bool = False


class StatusChange(Change):
    """What shall become of a credential."""

    status: CredentialStatus


class PhotoQuery(Wish):
    """When the photo was taken; left out: now."""

    taken_at: AwareDatetime | None = None


@op("POST", "/api/members", "Create a member", status=201)
async def create_member(request: web.Request, body: MemberWish) -> Member:
    given = body.given()
    key = given.pop("id", None)

    def create(unit: Unit) -> Member:
        made = service.create(unit, cast("PersonValues", given), key=key)
        return _shown(unit.connection, service.get(unit.connection, made))

    return await request.app[UNITS].run(create)


@op("PATCH", "/api/members/{member}", "Change a member")
async def change_member(request: web.Request, member: Id, body: MemberChange) -> Member:
    return await _run(request, member, service.change, cast("PersonValues", body.given()))


@op("GET", "/api/members", "List members")
async def list_members(request: web.Request, query: MemberQuery) -> Listing[Person]:
    found = await request.app[UNITS].read(
        service.list_persons,
        after=query.after,
        limit=query.limit + 1,
        facet=query.facet,
        number=query.number,
        held=credentials.read(query.credential).canonical if query.credential else None,
    )
    return listing(found, query, lambda each: each.id)


@op("GET", "/api/members/{member}", "Show a member")
async def show_member(request: web.Request, member: Id) -> Member:
    return await request.app[UNITS].read(lambda connection: _shown(connection, service.get(connection, member)))


@op("POST", "/api/members/{member}/block", "Block a member at every reader")
async def block_member(request: web.Request, member: Id, body: Block) -> Member:
    return await _run(request, member, service.block, body.until)


@op("POST", "/api/members/{member}/unblock", "Lift a member's block")
async def unblock_member(request: web.Request, member: Id) -> Member:
    return await _run(request, member, service.unblock)


@op(
    "PUT",
    "/api/members/{member}/photo",
    "Set a member's photo",
    media=("image/jpeg", "image/png"),
    limit=service.PHOTO_LIMIT,
)
async def set_photo(request: web.Request, member: Id, body: bytes, query: PhotoQuery) -> Member:
    return await _run(request, member, service.set_photo, body, taken_at=query.taken_at)


@op("GET", "/api/members/{member}/photo", "Show a member's photo")
async def show_photo(request: web.Request, member: Id) -> Blob:
    return Blob(*await request.app[UNITS].read(service.get_photo, member))


@op("DELETE", "/api/members/{member}/photo", "Remove a member's photo")
async def remove_photo(request: web.Request, member: Id) -> Member:
    return await _run(request, member, service.remove_photo)


@op("POST", "/api/members/{member}/credentials", "Assign a credential", status=201)
async def assign_credential(request: web.Request, member: Id, body: Assignment) -> Member:
    card = credentials.read(body.card, body.format, body.prefix)
    return await _run(request, member, credentials.assign, card)


@op(
    "POST",
    "/api/members/{member}/credentials/{credential}/replacement",
    "Replace a credential",
    status=201,
)
async def replace_credential(request: web.Request, member: Id, credential: Card, body: Replacement) -> Member:
    old, new = credentials.read(credential), credentials.read(body.card, body.format, body.prefix)
    return await _run(request, member, credentials.replace, old, new, keep_old=body.keep_old)


@op("PATCH", "/api/members/{member}/credentials/{credential}", "Block, return or reactivate a credential")
async def change_credential(request: web.Request, member: Id, credential: Card, body: StatusChange) -> Member:
    return await _run(request, member, credentials.set_status, credentials.read(credential), body.status)


async def _run(
    request: web.Request,
    member: str,
    work: Callable[Concatenate[Unit, str, P], None],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Member:
    """Do something to a member, and show the member as it is then."""

    def whole(unit: Unit) -> Member:
        work(unit, member, *args, **kwargs)
        return _shown(unit.connection, service.get(unit.connection, member))

    return await request.app[UNITS].run(whole)


def _shown(connection: sa.Connection, person: Person) -> Member:
    return Member(
        **{each.name: getattr(person, each.name) for each in fields(person)},
        photo=f"/api/members/{person.id}/photo" if person.photo_at else None,
        member_since=memberships.member_since(connection, person.id, person.member_since_override),
    )

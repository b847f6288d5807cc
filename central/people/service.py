"""Use cases of persons: create, change, block, photo, list. Credentials have a service of their own."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa

from central.changes import Aggregate, Unit
from central.errors import Invalid, NotFound, Refused
from central.people import store
from central.people.model import Facet, Person, PersonValues
from central.sites import service as sites

PHOTO_LIMIT: Final = 2 * 1024 * 1024
"""Bytes of a photo."""

_MAGIC: Final = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


def create(unit: Unit, values: PersonValues, *, key: str | None = None) -> str:
    """Create a person and return the id; without a `number` the next free one is taken (B-02).

    Refuses with `ID_IN_USE`, `CUSTOMER_NUMBER_IN_USE`, `IDENTITY_NUMBER_IN_USE` or `NO_SUCH_SITE`.
    """
    key = key or uuid.uuid4().hex
    if store.exists(unit.connection, key):
        raise Refused("ID_IN_USE", f"there is a person {key!r} already; leave the id out to get a fresh one")
    number = values.get("number") or str(store.highest_number(unit.connection) + 1)
    row = {"roles": [], **_columns(unit, key, {**values, "number": number})}
    store.insert(unit.connection, {"id": key, "created_at": unit.now, **row})
    _save_groups(unit, key, values)
    unit.changed(Aggregate.PERSON, key)
    return key


def change(unit: Unit, key: str, values: PersonValues) -> None:
    """Change what is named in `values`; refuses as `create` does. Nothing different: nothing has changed."""
    before = get(unit.connection, key)
    columns = {name: value for name, value in _columns(unit, key, values).items() if getattr(before, name) != value}
    beside = any(
        sorted(set(wanted)) != getattr(before, kind)
        for kind in ("groups", "categories")
        if (wanted := _names(values, kind)) is not None
    )
    if columns:
        store.update(unit.connection, key, columns)
    if beside:
        _save_groups(unit, key, values)
    if columns or beside:
        unit.changed(Aggregate.PERSON, key)


def require(connection: sa.Connection, key: str) -> None:
    """Raise `NotFound` unless there is such a person."""
    if not store.exists(connection, key):
        raise NotFound("member", key)


def missing(connection: sa.Connection, keys: Iterable[str]) -> list[str]:
    """Return which of the persons do not exist."""
    return sorted(key for key in set(keys) if not store.exists(connection, key))


def get(connection: sa.Connection, key: str) -> Person:
    """Return a person; raises `NotFound`."""
    found = store.find(connection, key)
    if found is None:
        raise NotFound("member", key)
    return found


def get_many(connection: sa.Connection, keys: Sequence[str]) -> dict[str, Person]:
    """Return those of the persons that exist, by id."""
    return store.find_many(connection, keys)


def ids_by_number(connection: sa.Connection) -> dict[str, str]:
    """Return the ids of all persons by customer number."""
    return store.ids_by_number(connection)


def list_persons(
    connection: sa.Connection,
    *,
    after: str | None = None,
    limit: int = 100,
    facet: Facet | None = None,
    number: str | None = None,
    held: str | None = None,
) -> list[Person]:
    """Return persons by id, those of one facet, with one number, or who hold one canonical credential."""
    return store.page(connection, after=after or "", limit=limit, facet=facet, number=number, held=held)


def block(unit: Unit, key: str, until: date | None = None) -> None:
    """Refuse the person at every reader, through day `until` or until lifted (A-11)."""
    _update(unit, key, {"blocked": True, "blocked_until": until})


def unblock(unit: Unit, key: str) -> None:
    """Lift the block."""
    _update(unit, key, {"blocked": False, "blocked_until": None})


def set_photo(unit: Unit, key: str, image: bytes, *, taken_at: datetime | None = None) -> None:
    """Keep a JPEG or PNG photo, taken at that instant or imported now; refuses anything else with `NOT_A_PHOTO`."""
    if photo_type(image) is None:
        raise Invalid("NOT_A_PHOTO", "the file is neither JPEG nor PNG; convert it first")
    _update(unit, key, {"photo": image, "photo_at": taken_at or unit.now})


def remove_photo(unit: Unit, key: str) -> None:
    """Forget the photo."""
    _update(unit, key, {"photo": None, "photo_at": None})


def get_photo(connection: sa.Connection, key: str) -> tuple[str, bytes]:
    """Return media type and bytes of the photo; raises `NotFound`."""
    image = store.photo(connection, key)
    media_type = photo_type(image) if image else None
    if image is None or media_type is None:
        raise NotFound("photo of member", key)
    return media_type, image


def photo_type(image: bytes) -> str | None:
    """Return the media type that the first bytes tell, `None` for what is no photo."""
    return next((media_type for magic, media_type in _MAGIC.items() if image.startswith(magic)), None)


def _update(unit: Unit, key: str, values: Mapping[str, Any]) -> None:
    require(unit.connection, key)
    store.update(unit.connection, key, values)
    unit.changed(Aggregate.PERSON, key)


def _columns(unit: Unit, key: str, values: PersonValues) -> dict[str, Any]:
    """Check what must be unique or exist; a person with a role is staff (B-01)."""
    columns: dict[str, Any] = {name: value for name, value in values.items() if name not in {"groups", "categories"}}
    for column, code in (("number", "CUSTOMER_NUMBER_IN_USE"), ("identity_number", "IDENTITY_NUMBER_IN_USE")):
        value = columns.get(column)
        if value is not None and store.who_has(unit.connection, column, value) not in {None, key}:
            raise Refused(
                code, f"another member has this {column.replace('_', ' ')}; choose another or correct that member"
            )
    if columns.get("home_site") is not None:
        try:
            sites.get_site(unit.connection, columns["home_site"])
        except NotFound as missing:
            raise Invalid("NO_SUCH_SITE", f"create site {columns['home_site']!r} first") from missing
    if columns.get("roles"):
        columns["is_staff"] = True
    return columns


def _names(values: PersonValues, kind: str) -> list[str] | None:
    return values.get("groups") if kind == "groups" else values.get("categories")


def _save_groups(unit: Unit, key: str, values: PersonValues) -> None:
    for name, kind in (("groups", "group"), ("categories", "category")):
        if (wanted := _names(values, name)) is not None:
            store.replace_groups(unit.connection, key, kind, wanted)

"""SQL of persons and credentials: typed rows out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from central.people.model import Facet, Gender, Held, Person
from central.schema import credential, person, person_group
from protocol.credential import Credential
from protocol.entitlement import CredentialStatus

_BESIDE: Final = {"groups", "categories", "credentials"}
_COLUMNS: Final = [person.c[each.name] for each in fields(Person) if each.name not in _BESIDE]
_EXISTS: Final = sa.select(person.c.id).where(person.c.id == sa.bindparam("key"))
_FACETS: Final = {
    Facet.CUSTOMER: person.c.is_customer,
    Facet.STAFF: person.c.is_staff,
    Facet.COMPANY_CONTACT: person.c.is_company_contact,
}


def exists(connection: sa.Connection, key: str) -> bool:
    """Tell whether there is such a person."""
    return connection.execute(_EXISTS, {"key": key}).first() is not None


def find(connection: sa.Connection, key: str) -> Person | None:
    """Return a person with groups and credentials."""
    return next(iter(_persons(connection, sa.select(*_COLUMNS).where(person.c.id == key))), None)


def find_many(connection: sa.Connection, keys: Sequence[str]) -> dict[str, Person]:
    """Return persons by id."""
    found = _persons(connection, sa.select(*_COLUMNS).where(person.c.id.in_(keys)))
    return {each.id: each for each in found}


def page(
    connection: sa.Connection, *, after: str, limit: int, facet: Facet | None, number: str | None, held: str | None
) -> list[Person]:
    """Return persons by id; `held` is a canonical credential."""
    question = sa.select(*_COLUMNS).where(person.c.id > after).order_by(person.c.id).limit(limit)
    if facet is not None:
        question = question.where(_FACETS[facet])
    if number is not None:
        question = question.where(person.c.number == number)
    if held is not None:
        question = question.where(person.c.id.in_(sa.select(credential.c.person).where(credential.c.canonical == held)))
    return _persons(connection, question)


def _persons(connection: sa.Connection, question: sa.Select[Any]) -> list[Person]:
    rows = connection.execute(question).mappings().all()
    keys = [row["id"] for row in rows]
    groups: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    carried = sa.select(person_group).where(person_group.c.person.in_(keys)).order_by(person_group.c.name)
    for row in connection.execute(carried):
        groups[row.person, row.kind].append(row.name)
    held: defaultdict[str, list[Held]] = defaultdict(list)
    question = sa.select(credential).where(credential.c.person.in_(keys)).order_by(credential.c.assigned_at)
    for row in connection.execute(question.order_by(credential.c.canonical)):
        held[row.person].append(_held(row))
    return [
        Person(
            **{**row, "gender": Gender(row["gender"]) if row["gender"] else None},
            groups=groups[row["id"], "group"],
            categories=groups[row["id"], "category"],
            credentials=held[row["id"]],
        )
        for row in rows
    ]


def _held(row: Any) -> Held:
    number = Credential.parse(row.canonical).number
    return Held(row.canonical, number, CredentialStatus(row.status), row.assigned_at)


def insert(connection: sa.Connection, row: Mapping[str, Any]) -> None:
    """Add a person."""
    connection.execute(person.insert().values(**row))


def update(connection: sa.Connection, key: str, values: Mapping[str, Any]) -> None:
    """Change columns of a person."""
    connection.execute(person.update().where(person.c.id == key).values(**values))


def who_has(connection: sa.Connection, column: str, value: str) -> str | None:
    """Return the id of the person whose `number` or `identity_number` this is."""
    return connection.scalar(sa.select(person.c.id).where(person.c[column] == value))


def ids_by_number(connection: sa.Connection) -> dict[str, str]:
    """Return the ids of all persons by customer number."""
    return {row.number: row.id for row in connection.execute(sa.select(person.c.number, person.c.id))}


def highest_number(connection: sa.Connection) -> int:
    """Return the highest customer number that is only digits, 0 when there is none (B-02)."""
    digits = person.c.number.regexp_match("^[0-9]{1,15}$")
    return connection.scalar(sa.select(sa.func.max(sa.cast(person.c.number, sa.BigInteger))).where(digits)) or 0


def replace_groups(connection: sa.Connection, key: str, kind: str, names: Iterable[str]) -> None:
    """Make a person carry exactly these groups or categories."""
    mine = sa.and_(person_group.c.person == key, person_group.c.kind == kind)
    connection.execute(person_group.delete().where(mine))
    rows = [{"person": key, "kind": kind, "name": name} for name in sorted(set(names))]
    if rows:
        connection.execute(person_group.insert(), rows)


def photo(connection: sa.Connection, key: str) -> bytes | None:
    """Return the photo of a person."""
    return connection.scalar(sa.select(person.c.photo).where(person.c.id == key))


def holder(connection: sa.Connection, canonical: str) -> tuple[str, CredentialStatus] | None:
    """Return who holds a credential, and its status; the row stays locked until the transaction ends."""
    question = sa.select(credential.c.person, credential.c.status).where(credential.c.canonical == canonical)
    row = connection.execute(question.with_for_update()).one_or_none()
    return None if row is None else (row.person, CredentialStatus(row.status))


def save_credential(
    connection: sa.Connection, canonical: str, *, held_by: str, status: CredentialStatus, at: datetime, new: bool
) -> None:
    """Write a credential that is new, or that changes hands."""
    values = {"person": held_by, "status": status.value, "assigned_at": at}
    if new:
        connection.execute(credential.insert().values(canonical=canonical, **values))
    else:
        connection.execute(credential.update().where(credential.c.canonical == canonical).values(**values))


def set_status(connection: sa.Connection, canonical: str, status: CredentialStatus) -> None:
    """Change the status of a credential."""
    connection.execute(credential.update().where(credential.c.canonical == canonical).values(status=status.value))

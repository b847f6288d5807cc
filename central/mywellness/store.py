"""SQL of links, and the loading of what is known about people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from central.memberships.rules import Freeze, Subscription
from central.mywellness.evaluation import Facts, Link
from central.mywellness.mapping import Representation
from central.mywellness.rules import Gender, Person
from central.mywellness.states import LinkState, SuspendReason
from central.mywellness.store_queue import is_open
from central.schema import (
    QueueAction,
    freeze,
    job,
    link,
    person,
    person_group,
    product,
    queue,
    site,
    subscription,
)

_GENDERS = {"female": Gender.FEMALE, "male": Gender.MALE, "other": Gender.OTHER}

_PEOPLE = sa.select(
    person.c.id,
    person.c.first_name,
    person.c.last_name,
    person.c.birth_date,
    person.c.gender,
    person.c.email,
    person.c.street,
    person.c.postcode,
    person.c.city,
    person.c.phone,
    person.c.mobile,
    person.c.allow_sync,
    person.c.allow_activity_sync,
    person.c.member_since_override,
)
_SUBSCRIPTIONS = sa.select(
    subscription.c.id,
    subscription.c.person,
    subscription.c.product,
    product.c.gives_membership,
    subscription.c.start,
    subscription.c.bound_through,
    subscription.c.charged_through,
    subscription.c.auto_renew,
    subscription.c.annulled,
    product.c.name,
).join(product, product.c.id == subscription.c.product)
_FREEZES = sa.select(freeze.c.subscription, freeze.c.first, freeze.c.last).join(
    subscription, subscription.c.id == freeze.c.subscription
)
_GROUPS = sa.select(person_group.c.person, person_group.c.kind, person_group.c.name)
_LINKS = sa.select(link)
_SITUATION = (
    sa.select(person.c.allow_sync, person.c.allow_activity_sync, site.c.zone, link)
    .select_from(person)
    .outerjoin(link, link.c.person == person.c.id)
    .outerjoin(site, site.c.id == sa.bindparam("site"))
    .where(person.c.id == sa.bindparam("owner"))
)
_STATE = sa.select(link.c.state).where(link.c.person == sa.bindparam("owner"))
_OPEN_ROWS = sa.select(queue.c.person, queue.c.action).where(
    is_open(), queue.c.action.in_((QueueAction.PERSON, QueueAction.MEMBERSHIP))
)


def load(connection: sa.Connection, people: Iterable[str] | None = None) -> dict[str, Facts]:
    """Return the facts of these people, or of everybody, by person id: seven questions however many they are."""
    wanted = None if people is None else list(people)

    def ask(question: sa.Select[*tuple[Any, ...]], column: sa.ColumnElement[str]) -> Any:
        return connection.execute(question if wanted is None else question.where(column.in_(wanted)))

    groups: dict[tuple[str, str], set[str]] = {}
    for owner, kind, name in ask(_GROUPS, person_group.c.person):
        groups.setdefault((owner, kind), set()).add(name)
    freezes: dict[int, list[Freeze]] = {}
    for number, first, last in ask(_FREEZES, subscription.c.person):
        freezes.setdefault(number, []).append(Freeze(first, last))
    held: dict[str, list[Subscription]] = {}
    for row in ask(_SUBSCRIPTIONS, subscription.c.person):
        number, owner, product_id, gives, start, bound, charged, renews, annulled, name = row
        paused = tuple(freezes.get(number, ()))
        held.setdefault(owner, []).append(
            Subscription(number, owner, product_id, gives, start, bound, charged, renews, annulled, paused, name)
        )
    links = {row["person"]: _link(row) for row in ask(_LINKS, link.c.person).mappings()}
    open_rows = {(owner, action) for owner, action in ask(_OPEN_ROWS, queue.c.person)}
    return {
        row["id"]: Facts(
            _person(row, groups),
            tuple(held.get(row["id"], ())),
            links.get(row["id"]),
            row["member_since_override"],
            (row["id"], QueueAction.PERSON) in open_rows,
            (row["id"], QueueAction.MEMBERSHIP) in open_rows,
        )
        for row in ask(_PEOPLE, person.c.id).mappings()
    }


class Situation(NamedTuple):
    """What is asked about a person before anything of theirs is sent."""

    link: Link
    """An empty one when there is none."""
    allow_sync: bool
    allow_activity_sync: bool
    zone: ZoneInfo | None
    """Of the site that was asked for."""


def situation(connection: sa.Connection, owner: str, place: str | None) -> Situation:
    """Return how things stand for a person, with the zone of a site, in one question."""
    row = connection.execute(_SITUATION, {"owner": owner, "site": place}).mappings().one()
    known = Link() if row["person"] is None else _link(row)
    zone = ZoneInfo(row["zone"]) if row["zone"] else None
    return Situation(known, row["allow_sync"], row["allow_activity_sync"], zone)


def link_state(connection: sa.Connection, owner: str) -> LinkState | None:
    """Return the state of a person's link, None without one."""
    state = connection.execute(_STATE, {"owner": owner}).scalar_one_or_none()
    return LinkState(state) if state else None


def holders(connection: sa.Connection, product_id: str) -> list[str]:
    """Return who holds, or has held, a subscription of a product."""
    question = sa.select(subscription.c.person).where(subscription.c.product == product_id).distinct()
    return list(connection.scalars(question))


def zones(connection: sa.Connection, places: Iterable[str]) -> dict[str, ZoneInfo]:
    """Return the zones of sites."""
    question = sa.select(site.c.id, site.c.zone).where(site.c.id.in_(list(places)))
    return {key: ZoneInfo(zone) for key, zone in connection.execute(question)}


def begin_day(connection: sa.Connection, name: str, today: date) -> bool:
    """Note that a daily job does its work of `today`; false when it has done so."""
    last = connection.execute(sa.select(job.c.last_day).where(job.c.name == name)).scalar_one_or_none()
    if last is None:
        connection.execute(job.insert(), {"name": name, "last_day": today})
    elif last < today:
        connection.execute(job.update().where(job.c.name == name).values(last_day=today))
    else:
        return False
    return True


def _person(row: Mapping[str, Any], groups: Mapping[tuple[str, str], set[str]]) -> Person:
    return Person(
        id=row["id"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        birth_date=row["birth_date"],
        gender=_GENDERS.get(row["gender"] or ""),
        email=row["email"] or "",
        address=row["street"] or "",
        postcode=row["postcode"] or "",
        city=row["city"] or "",
        phone=row["phone"] or "",
        mobile=row["mobile"] or "",
        allow_sync=row["allow_sync"],
        allow_activity_sync=row["allow_activity_sync"],
        groups=frozenset(groups.get((row["id"], "group"), ())),
        categories=frozenset(groups.get((row["id"], "category"), ())),
    )


def _link(row: sa.RowMapping) -> Link:
    sent = row["membership_sent"]
    return Link(
        LinkState(row["state"]) if row["state"] else None,
        row["tombstone"],
        row["pending"],
        SuspendReason(row["reason"]) if row["reason"] else None,
        tuple(row["missing"]),
        row["user_id"],
        row["facility_user_id"],
        row["permanent_token"],
        row["person_sent"],
        representation_from_json(sent) if sent else None,
    )


def representation_to_json(membership: Representation) -> dict[str, Any]:
    """Return a representation as it is stored."""
    return {key: value.isoformat() if isinstance(value, date) else value for key, value in asdict(membership).items()}


def representation_from_json(stored: Mapping[str, Any]) -> Representation:
    """Read a stored representation."""
    return Representation(
        start=date.fromisoformat(stored["start"]),
        end=date.fromisoformat(stored["end"]) if stored["end"] else None,
        member_since=date.fromisoformat(stored["member_since"]),
        frozen=stored["frozen"],
        ended=stored["ended"],
        description=stored["description"],
    )


# --- links ------------------------------------------------------------------------------------------------------------


def save_link(connection: sa.Connection, owner: str, **values: object) -> None:
    """Change columns of a person's link, making the link when there is none."""
    changed = connection.execute(link.update().where(link.c.person == owner).values(**values))
    if changed.rowcount == 0:
        connection.execute(link.insert().values(person=owner, **{"missing": [], **values}))


def link_rows(
    connection: sa.Connection, *, person: str | None = None, after: str = "", limit: int = 1
) -> list[dict[str, Any]]:
    """Return links by person."""
    columns = [link.c[name] for name in ("person", "state", "reason", "missing", "pending", "last_error")]
    question = sa.select(
        *columns,
        link.c.person_sent_at.label("last_sent"),
        link.c.membership_sent.label("membership"),
        link.c.facility_user_id,
    )
    question = question.where(link.c.person > after if person is None else link.c.person == person)
    return [dict(row) for row in connection.execute(question.order_by(link.c.person).limit(limit)).mappings()]

"""SQL of links, and the loading of what is known about people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
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

_LINK = tuple(
    link.c[name]
    for name in (
        "state",
        "tombstone",
        "pending",
        "reason",
        "missing",
        "user_id",
        "facility_user_id",
        "permanent_token",
        "person_sent",
        "membership_sent",
    )
)


def _is_queued(action: QueueAction) -> sa.ColumnElement[bool]:
    return sa.exists().where(queue.c.person == person.c.id, is_open(), queue.c.action == action).correlate(person)


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
    link.c.person.label("linked"),
    *_LINK,
    _is_queued(QueueAction.PERSON).label("open_person"),
    _is_queued(QueueAction.MEMBERSHIP).label("open_membership"),
).join_from(person, link, isouter=True)
_SUBSCRIPTIONS = (
    sa.select(
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
        freeze.c.first,
        freeze.c.last,
    )
    .join(product, product.c.id == subscription.c.product)
    .outerjoin(freeze, freeze.c.subscription == subscription.c.id)
    .order_by(subscription.c.id)
)
"""A row per freeze, and one for a subscription without any."""
_GROUPS = sa.select(person_group.c.person, person_group.c.kind, person_group.c.name)
_SOME: sa.BindParameter[Any] = sa.bindparam("people", expanding=True)
_PEOPLE_OF = _PEOPLE.where(person.c.id.in_(_SOME))
_SUBSCRIPTIONS_OF = _SUBSCRIPTIONS.where(subscription.c.person.in_(_SOME))
_GROUPS_OF = _GROUPS.where(person_group.c.person.in_(_SOME))
_SITUATION = (
    sa.select(person.c.allow_sync, person.c.allow_activity_sync, site.c.zone, link)
    .select_from(person)
    .outerjoin(link, link.c.person == person.c.id)
    .outerjoin(site, site.c.id == sa.bindparam("site"))
    .where(person.c.id == sa.bindparam("owner"))
)
_STATE = sa.select(link.c.state).where(link.c.person == sa.bindparam("owner"))


def load(connection: sa.Connection, people: Iterable[str] | None = None) -> dict[str, Facts]:
    """Return the facts of these people, or of everybody, by person id: three questions however many they are."""
    wanted = {} if people is None else {"people": list(people)}
    questions = (_GROUPS, _SUBSCRIPTIONS, _PEOPLE) if people is None else (_GROUPS_OF, _SUBSCRIPTIONS_OF, _PEOPLE_OF)
    of_groups, of_subscriptions, of_people = questions
    groups: dict[tuple[str, str], set[str]] = {}
    for owner, kind, name in connection.execute(of_groups, wanted):
        groups.setdefault((owner, kind), set()).add(name)
    held: dict[str, dict[int, Subscription]] = {}
    for row in connection.execute(of_subscriptions, wanted):
        number, owner, product_id, gives, start, bound, charged, renews, annulled, name, first, last = row
        mine = held.setdefault(owner, {})
        if number not in mine:
            mine[number] = Subscription(
                number, owner, product_id, gives, start, bound, charged, renews, annulled, (), name
            )
        if first is not None:
            mine[number] = replace(mine[number], freezes=(*mine[number].freezes, Freeze(first, last)))
    return {
        someone["id"]: Facts(
            _person(someone, groups),
            tuple(held.get(someone["id"], {}).values()),
            None if someone["linked"] is None else _link(someone),
            someone["member_since_override"],
            someone["open_person"],
            someone["open_membership"],
        )
        for someone in connection.execute(of_people, wanted).mappings()
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


def _person(row: sa.RowMapping, groups: Mapping[tuple[str, str], set[str]]) -> Person:
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

"""SQL of links and queue, and the loading of what is known about people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from central.memberships.rules import Freeze, Subscription
from central.mywellness.evaluation import Facts, Link
from central.mywellness.mapping import Representation
from central.mywellness.rules import Gender, Person
from central.mywellness.states import LinkState, SuspendReason
from central.schema import (
    QueueAction,
    QueueState,
    freeze,
    link,
    person,
    person_group,
    product,
    queue,
    subscription,
)

OPEN = (QueueState.NEW, QueueState.RETRY, QueueState.SENDING)
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
_OPEN_ROWS = sa.select(queue.c.person, queue.c.action).where(
    queue.c.state.in_(OPEN), queue.c.action.in_((QueueAction.PERSON, QueueAction.MEMBERSHIP))
)


def load(connection: sa.Connection, people: Iterable[str] | None = None) -> dict[str, Facts]:
    """Return the facts of these people, or of everybody, by person id: seven questions however many they are."""
    wanted = None if people is None else list(people)

    def ask(question: sa.Select[Any], column: sa.ColumnElement[str]) -> Any:
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


def _link(row: Mapping[str, Any]) -> Link:
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


# --- queue ------------------------------------------------------------------------------------------------------------


class QueueRow(NamedTuple):
    """A row of the queue as the forwarder takes it."""

    id: int
    person: str
    action: QueueAction
    visit: str | None
    visit_at: datetime | None
    site: str | None
    attempts: int
    detail: str


_blocking = queue.alias("blocking")

#: The oldest open row of each person, once its time has come; while one is being sent the person's others wait (D-56).
NEXT_DUE = (
    sa.select(
        queue.c.id,
        queue.c.person,
        queue.c.action,
        queue.c.visit,
        queue.c.visit_at,
        queue.c.site,
        queue.c.attempts,
        queue.c.detail,
    )
    .where(
        queue.c.state.in_((QueueState.NEW, QueueState.RETRY)),
        queue.c.due_at <= sa.bindparam("now"),
        ~sa.exists().where(
            _blocking.c.person == queue.c.person, _blocking.c.id < queue.c.id, _blocking.c.state.in_(OPEN)
        ),
    )
    .order_by(queue.c.due_at, queue.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)

EARLIEST_DUE = sa.select(sa.func.min(queue.c.due_at)).where(queue.c.state.in_((QueueState.NEW, QueueState.RETRY)))

INTERRUPTED = sa.select(
    queue.c.id,
    queue.c.person,
    queue.c.action,
    queue.c.visit,
    queue.c.visit_at,
    queue.c.site,
    queue.c.attempts,
    queue.c.detail,
    queue.c.sender,
).where(queue.c.state == QueueState.SENDING)

_QUEUE_VIEW = (
    "id",
    "person",
    "action",
    "visit",
    "visit_at",
    "state",
    "detail",
    "attempts",
    "created_at",
    "due_at",
    "sender",
    "done_at",
)

COUNTS = sa.select(queue.c.action, queue.c.state, sa.func.count()).group_by(queue.c.action, queue.c.state)


def next_due(connection: sa.Connection, now: datetime) -> QueueRow | None:
    """Return the row to send next."""
    row = connection.execute(NEXT_DUE, {"now": now}).one_or_none()
    return None if row is None else _queue_row(row)


def _queue_row(row: Any) -> QueueRow:
    return QueueRow(
        row.id, row.person, QueueAction(row.action), row.visit, row.visit_at, row.site, row.attempts, row.detail
    )


def interrupted(connection: sa.Connection) -> list[tuple[QueueRow, str]]:
    """Return the rows that somebody was sending, with the boot id of the sender."""
    return [(_queue_row(row), row.sender) for row in connection.execute(INTERRUPTED)]


def enqueue(
    connection: sa.Connection,
    owner: str,
    action: QueueAction,
    *,
    now: datetime,
    due_at: datetime,
    visit: str | None = None,
    visit_at: datetime | None = None,
    site: str | None = None,
    skipped: str | None = None,
) -> None:
    """Add a row; with `skipped`, one that only says why nothing is sent."""
    connection.execute(
        queue.insert().values(
            person=owner,
            action=action,
            visit=visit,
            visit_at=visit_at,
            site=site,
            state=QueueState.SKIPPED if skipped else QueueState.NEW,
            detail=skipped or "",
            created_at=now,
            due_at=due_at,
            done_at=now if skipped else None,
            attempts=0,
        )
    )


def update_row(connection: sa.Connection, row: int, **values: object) -> None:
    """Change columns of a row."""
    connection.execute(queue.update().where(queue.c.id == row).values(**values))


def visit_state(connection: sa.Connection, visit: str) -> QueueState | None:
    """Return how the row of a visit stands, if there is one."""
    state = connection.execute(sa.select(queue.c.state).where(queue.c.visit == visit)).scalar_one_or_none()
    return None if state is None else QueueState(state)


def counts(connection: sa.Connection) -> dict[str, dict[str, int]]:
    """Return how many rows stand where: action → state → rows."""
    found: dict[str, dict[str, int]] = {}
    for action, state, rows in connection.execute(COUNTS):
        found.setdefault(action, {})[state] = rows
    return found


def oldest_open(connection: sa.Connection) -> datetime | None:
    """Return when the oldest row that is still to be sent was queued."""
    found: datetime | None = connection.execute(
        sa.select(sa.func.min(queue.c.created_at)).where(queue.c.state.in_(OPEN))
    ).scalar_one()
    return found


def queue_rows(  # noqa: PLR0913 - filters by name
    connection: sa.Connection,
    *,
    state: QueueState | None,
    action: QueueAction | None,
    person: str | None,
    after: int,
    limit: int,
) -> list[dict[str, Any]]:
    """Return rows of the queue by number."""
    columns = [queue.c[name] for name in _QUEUE_VIEW]
    question = sa.select(*columns).where(queue.c.id > after).order_by(queue.c.id).limit(limit)
    for column, wanted in ((queue.c.state, state), (queue.c.action, action), (queue.c.person, person)):
        if wanted is not None:
            question = question.where(column == wanted)
    return [dict(row) for row in connection.execute(question).mappings()]


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

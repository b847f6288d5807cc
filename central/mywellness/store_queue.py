"""SQL of the queue: what waits for Mywellness, who sends it, and how it ended (rulings 22)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from central.database import UTCDateTime
from central.schema import QueueAction, QueueState, queue

OPEN: Final = (QueueState.NEW, QueueState.RETRY, QueueState.SENDING)
WAITING: Final = (QueueState.NEW, QueueState.RETRY)


def is_open(name: str = queue.name) -> sa.TextClause:
    """Return the condition of the partial indexes, letter by letter: with parameters no engine would use them."""
    return sa.text(f"{name}.state IN ('new', 'retry', 'sending')")


class QueueRow(NamedTuple):
    """A row of the queue as the forwarder takes it; `attempts` counts the one that begins."""

    id: int
    person: str
    action: QueueAction
    visit: str | None
    visit_at: datetime | None
    site: str | None
    attempts: int
    due_at: datetime
    detail: str


Row = dict[str, Any]
"""A row that is about to be added."""

_ADD = queue.insert()
_ROW = tuple(queue.c[name] for name in QueueRow._fields)
_VIEW = (*_ROW, queue.c.state, queue.c.created_at, queue.c.sender, queue.c.done_at)

_waiting = queue.alias("waiting")
_other = queue.alias("other")

# Per person in order (D-56): a row waits for the person's older ones. A row that creates or updates the person tells
# the present state and goes before visits and memberships, some of which may be waiting for just that.
_EARLIER = (
    sa.exists()
    .where(
        _other.c.person == _waiting.c.person,
        _other.c.id != _waiting.c.id,
        is_open("other"),
        sa.or_(
            _other.c.state == QueueState.SENDING,
            sa.and_(
                _other.c.id < _waiting.c.id,
                sa.or_(
                    _waiting.c.action != QueueAction.PERSON,
                    _other.c.action == QueueAction.PERSON,
                    _other.c.action == QueueAction.DELETE,
                ),
            ),
        ),
    )
    .correlate(_waiting)
)
NEXT: Final = (
    sa.select(_waiting.c.id)
    .where(is_open("waiting"), _waiting.c.state != QueueState.SENDING)
    .where(_waiting.c.due_at <= sa.bindparam("now", type_=UTCDateTime), ~_EARLIER)
    .order_by(_waiting.c.due_at, _waiting.c.id)
    .limit(1)
)
"""The row to send next at `now`. What another transaction holds just now is passed over when it is taken."""
_TAKE = (
    queue.update()
    .where(queue.c.id == NEXT.with_for_update(skip_locked=True).scalar_subquery())
    .values(
        state=QueueState.SENDING,
        sending_since=sa.bindparam("now", type_=UTCDateTime),
        sender=sa.bindparam("boot"),
        attempts=queue.c.attempts + 1,
    )
    .returning(*_ROW)
)
_FINISH = (
    queue.update()
    .where(
        queue.c.id == sa.bindparam("row"),
        queue.c.state == QueueState.SENDING,
        queue.c.sender == sa.bindparam("boot"),
    )
    .values(
        state=sa.bindparam("ended"),
        detail=sa.bindparam("why"),
        attempts=sa.bindparam("counted"),
        due_at=sa.bindparam("due", type_=UTCDateTime),
        done_at=sa.bindparam("done", type_=UTCDateTime),
    )
)
_INTERRUPTED = sa.select(*_ROW, queue.c.sender).where(is_open(), queue.c.state == QueueState.SENDING)
_COUNTS = sa.select(queue.c.action, queue.c.state, sa.func.count()).group_by(queue.c.action, queue.c.state)
_OLDEST = sa.select(sa.func.min(queue.c.created_at)).where(is_open())


def take(connection: sa.Connection, now: datetime, boot: str) -> QueueRow | None:
    """Mark the row to send next as being sent by process `boot`, and return it; None when nothing is due."""
    row = connection.execute(_TAKE, {"now": now, "boot": boot}).one_or_none()
    return None if row is None else _queue_row(row)


def finish(
    connection: sa.Connection,
    row: QueueRow,
    boot: str,
    state: QueueState,
    *,
    detail: str = "",
    attempts: int | None = None,
    due_at: datetime | None = None,
    done_at: datetime | None = None,
) -> bool:
    """Write down how a row ended; false when `boot` is not its sender any more, and nothing was written."""
    values = {
        "row": row.id,
        "boot": boot,
        "ended": state,
        "why": detail,
        "counted": row.attempts if attempts is None else attempts,
        "due": due_at or row.due_at,
        "done": done_at,
    }
    return bool(connection.execute(_FINISH, values).rowcount)


def interrupted(connection: sa.Connection) -> list[tuple[QueueRow, str]]:
    """Return the rows that somebody was sending, with the boot id of the sender."""
    return [(_queue_row(row), row.sender) for row in connection.execute(_INTERRUPTED)]


def _queue_row(row: Any) -> QueueRow:
    return QueueRow(
        row.id,
        row.person,
        QueueAction(row.action),
        row.visit,
        row.visit_at,
        row.site,
        row.attempts,
        row.due_at,
        row.detail,
    )


def row(
    owner: str,
    action: QueueAction,
    *,
    now: datetime,
    due_at: datetime,
    visit: str | None = None,
    visit_at: datetime | None = None,
    site: str | None = None,
    skipped: str | None = None,
) -> Row:
    """Return a row to add; with `skipped`, one that only says why nothing is sent."""
    return {
        "person": owner,
        "action": action,
        "visit": visit,
        "visit_at": visit_at,
        "site": site,
        "state": QueueState.SKIPPED if skipped else QueueState.NEW,
        "detail": skipped or "",
        "created_at": now,
        "due_at": due_at,
        "done_at": now if skipped else None,
        "attempts": 0,
    }


def add(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Add rows, which are numbered in this order."""
    if rows:
        connection.execute(_ADD, rows)


def enqueue(connection: sa.Connection, owner: str, action: QueueAction, *, now: datetime, due_at: datetime) -> None:
    """Add a row that tells of a person."""
    add(connection, [row(owner, action, now=now, due_at=due_at)])


def skip_waiting(
    connection: sa.Connection,
    why: str,
    now: datetime,
    *,
    person: str | None = None,
    visits: Iterable[str] | None = None,
) -> None:
    """Take back the waiting rows of a person, or of some visits."""
    whose = queue.c.person == person if visits is None else queue.c.visit.in_(list(visits))
    stopped = {"state": QueueState.SKIPPED, "detail": why, "done_at": now}
    connection.execute(queue.update().where(whose, queue.c.state.in_(WAITING)).values(stopped))


def forget_skipped(connection: sa.Connection, why: str, visits: Iterable[str]) -> None:
    """Remove rows of visits that were skipped for that reason."""
    connection.execute(
        queue.delete().where(
            queue.c.visit.in_(list(visits)), queue.c.state == QueueState.SKIPPED, queue.c.detail == why
        )
    )


def hasten(connection: sa.Connection, person: str, now: datetime) -> None:
    """Make the person's waiting rows due now."""
    connection.execute(
        queue.update().where(queue.c.person == person, is_open(), queue.c.state.in_(WAITING)).values(due_at=now)
    )


def may_be_there(connection: sa.Connection, person: str) -> bool:
    """Say whether a row that creates the person was begun and has not ended: Mywellness may know the person already."""
    begun = sa.select(queue.c.id).where(
        queue.c.person == person, is_open(), queue.c.action == QueueAction.PERSON, queue.c.attempts > 0
    )
    return connection.execute(begun.limit(1)).one_or_none() is not None


def counts(connection: sa.Connection) -> dict[str, dict[str, int]]:
    """Return how many rows stand where: action → state → rows."""
    found: dict[str, dict[str, int]] = {}
    for action, state, rows in connection.execute(_COUNTS):
        found.setdefault(action, {})[state] = rows
    return found


def oldest_open(connection: sa.Connection) -> datetime | None:
    """Return when the oldest row that is still to be sent was queued."""
    found: datetime | None = connection.execute(_OLDEST).scalar_one()
    return found


def queue_rows(
    connection: sa.Connection,
    *,
    state: QueueState | None = None,
    action: QueueAction | None = None,
    person: str | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Return rows of the queue by number."""
    question = sa.select(*_VIEW).where(queue.c.id > after).order_by(queue.c.id).limit(limit)
    for column, wanted in ((queue.c.state, state), (queue.c.action, action), (queue.c.person, person)):
        if wanted is not None:
            question = question.where(column == wanted)
    return [dict(row) for row in connection.execute(question).mappings()]

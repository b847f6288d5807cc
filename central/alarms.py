"""Things that staff must look at: one open alarm per kind and subject, counted rather than repeated.

Raised in the transaction that met the trouble, so an alarm and what it speaks of are kept together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from central.schema import alarm


class AlarmKind(StrEnum):
    """What there is to look at. Values are stable."""

    UNREADABLE_ENTRY = "unreadable_entry"
    """An entry of a journal that this version cannot read, or that contradicts its own hash; kept in quarantine."""
    OTHER_HASH = "other_hash"
    """The same identity came with another content: a cloned or restored journal (rulings 15)."""
    REFUSED_MESSAGE = "refused_message"
    """A message that is no batch: too large, not readable, or not from the edge whose topic it came on."""
    UNKNOWN_TOPIC = "unknown_topic"
    UNKNOWN_EDGE = "unknown_edge"
    """A batch from an edge that nobody enrolled, or that was revoked."""
    GAP = "gap"
    """An edge leaves out entries; it was asked to rewind."""
    NEW_JOURNAL = "new_journal"
    """An edge began a new journal: a new card, or a file that was lost."""
    JOURNAL_WENT_BACK = "journal_went_back"
    """An edge knows less of its own journal than central has stored: a restored copy."""
    FOREIGN_RETAINED = "foreign_retained"
    """A message was left with the broker on a topic that keeps none; it was cleared (rulings 18)."""
    READER_LOST = "reader_lost"
    MYWELLNESS_DOWN = "mywellness_down"
    """No call gets through; the facility's queue is paused (rulings 22)."""
    MYWELLNESS_UNKNOWN = "mywellness_unknown"
    """A visit was sent and its answer is lost: it is not sent again by itself (D-49)."""
    PUNCH_OVERDRAWN = "punch_overdrawn"
    """Doors that did not know of each other took more punches than a card had (A-53)."""
    UNKNOWN_PUNCH_CARD = "unknown_punch_card"
    """An edge took a punch from a card that nobody sold here."""
    EDGE_PROBLEM = "edge_problem"
    """What an edge reports of itself."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm as it is listed."""

    id: int
    kind: str
    subject: str
    detail: str
    raised_at: datetime
    last_at: datetime
    times: int
    cleared_at: datetime | None


def raise_alarm(connection: sa.Connection, kind: AlarmKind, subject: str, detail: str, now: datetime) -> bool:
    """Raise an alarm, or count it where it stands open. Returns whether it is new."""
    subject = subject[:200]
    again = connection.execute(
        alarm.update()
        .where(alarm.c.kind == kind.value, alarm.c.subject == subject, alarm.c.cleared_at.is_(None))
        .values(times=alarm.c.times + 1, last_at=now, detail=detail)
    )
    if again.rowcount:
        return False
    row = {"kind": kind.value, "subject": subject, "detail": detail, "raised_at": now, "last_at": now, "times": 1}
    connection.execute(alarm.insert(), row)
    return True


def clear_alarm(connection: sa.Connection, kind: AlarmKind, subject: str, now: datetime) -> bool:
    """Close the open alarm of this kind and subject. Returns whether there was one."""
    closed = connection.execute(
        alarm.update()
        .where(alarm.c.kind == kind.value, alarm.c.subject == subject[:200], alarm.c.cleared_at.is_(None))
        .values(cleared_at=now)
    )
    return bool(closed.rowcount)


def list_alarms(
    connection: sa.Connection, *, open_only: bool = True, before: int | None = None, limit: int = 100
) -> Sequence[Alarm]:
    """Return alarms, newest first, of those with an id below `before`."""
    question = sa.select(alarm).order_by(alarm.c.id.desc()).limit(limit)
    if open_only:
        question = question.where(alarm.c.cleared_at.is_(None))
    if before is not None:
        question = question.where(alarm.c.id < before)
    return [Alarm(*row) for row in connection.execute(question)]

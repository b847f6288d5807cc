"""SQL of punch cards and their punches."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from central.memberships.model import PunchCard
from central.schema import punch, punch_card

_TAKEN: Final = (
    sa.select(sa.func.coalesce(sa.func.sum(punch.c.change), 0)).where(punch.c.card == punch_card.c.id).scalar_subquery()
)
_CARD: Final = sa.select(punch_card, (punch_card.c.punches_bought + _TAKEN).label("punches_left"))


def cards(
    connection: sa.Connection, *, after: int = 0, limit: int | None = None, person: str | None = None
) -> list[PunchCard]:
    """Return cards by id, those of one person if given."""
    question = _CARD.where(punch_card.c.id > after).order_by(punch_card.c.id).limit(limit)
    if person is not None:
        question = question.where(punch_card.c.person == person)
    return [PunchCard(**row) for row in connection.execute(question).mappings()]


def find(connection: sa.Connection, key: int) -> PunchCard | None:
    """Return one card with what is left on it."""
    row = connection.execute(_CARD.where(punch_card.c.id == key)).mappings().one_or_none()
    return None if row is None else PunchCard(**row)


def lock(connection: sa.Connection, key: int) -> bool:
    """Keep others from punching a card until this transaction ends; tell whether there is one."""
    question = sa.select(punch_card.c.id).where(punch_card.c.id == key).with_for_update()
    return connection.execute(question).first() is not None


def add(connection: sa.Connection, values: Mapping[str, Any]) -> int:
    """Add a card and return its id."""
    return int(connection.execute(punch_card.insert().values(**values).returning(punch_card.c.id)).scalar_one())


def card_of(connection: sa.Connection, passage: str, change: int) -> int | None:
    """Return the card that a passage changed in this way."""
    found: int | None = connection.execute(
        sa.select(punch.c.card).where(punch.c.passage == passage, punch.c.change == change)
    ).scalar()
    return found


def add_punch(
    connection: sa.Connection, card: int, change: int, *, passage: str, epoch: str, sequence: int, at: datetime
) -> None:
    """Write that a passage took a punch, or that it came back."""
    row = {"passage": passage, "change": change, "card": card, "epoch": epoch, "sequence": sequence, "at": at}
    connection.execute(punch.insert(), row)

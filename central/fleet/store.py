"""SQL of edges: typed rows out."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from central.schema import edge, stream


class EdgeRow(NamedTuple):
    """An edge as stored."""

    id: str
    site: str
    name: str
    broker_hash: str
    created_at: datetime
    revoked_at: datetime | None
    online: bool
    last_heard: datetime | None
    version: str | None
    revision: int
    clock: str | None
    health: dict[str, Any] | None


_COLUMNS: Final = [edge.c[name] for name in EdgeRow._fields]


def find(connection: sa.Connection, key: str) -> EdgeRow | None:
    """Return one edge."""
    row = connection.execute(sa.select(*_COLUMNS).where(edge.c.id == key)).one_or_none()
    return None if row is None else EdgeRow(*row)


def edges(
    connection: sa.Connection, *, after: str = "", limit: int | None = None, site: str | None = None
) -> list[EdgeRow]:
    """Return edges by id."""
    question = sa.select(*_COLUMNS).where(edge.c.id > after).order_by(edge.c.id).limit(limit)
    if site is not None:
        question = question.where(edge.c.site == site)
    return [EdgeRow(*row) for row in connection.execute(question)]


def update(connection: sa.Connection, key: str, values: Mapping[str, Any]) -> None:
    """Change columns of an edge."""
    connection.execute(edge.update().where(edge.c.id == key).values(**values))


def streams(connection: sa.Connection, edges: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    """Return epoch and through of every journal of these edges."""
    found: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    question = sa.select(stream.c.edge, stream.c.epoch, stream.c.through).where(stream.c.edge.in_(edges))
    for key, epoch, through in connection.execute(question.order_by(stream.c.epoch)):
        found[key].append((epoch, through))
    return found

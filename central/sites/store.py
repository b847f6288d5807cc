"""SQL of sites: typed rows out."""

from collections.abc import Iterable
from dataclasses import fields

import sqlalchemy as sa

from central.schema import entry_right, entry_right_reader, lane, reader, schedule, site
from central.sites.model import WEEKDAYS, Intervals, Lane, Reader, Right, Schedule, Site
from protocol.policy import DoorMode, ExitPolicy, ReaderKind

_READER = [reader.c[field.name] for field in fields(Reader)]


def sites(connection: sa.Connection, *, after: str = "", limit: int | None = None) -> list[Site]:
    """Return sites by id."""
    question = sa.select(*[site.c[field.name] for field in fields(Site)]).where(site.c.id > after).order_by(site.c.id)
    return [Site(**row) for row in connection.execute(question.limit(limit)).mappings()]


def lanes(connection: sa.Connection, of_site: str) -> list[Lane]:
    """Return the lanes of a site."""
    question = sa.select(lane.c.id, lane.c.site, lane.c.name).where(lane.c.site == of_site).order_by(lane.c.id)
    return [Lane(**row) for row in connection.execute(question).mappings()]


def readers(connection: sa.Connection, of_site: str) -> list[Reader]:
    """Return the readers of a site."""
    question = sa.select(*_READER).where(reader.c.site == of_site).order_by(reader.c.id)
    return [_reader(row) for row in connection.execute(question).mappings()]


def find(connection: sa.Connection, table: sa.Table, key: str) -> sa.RowMapping | None:
    """Return one row of a table with a text id."""
    return connection.execute(sa.select(table).where(table.c.id == key)).mappings().one_or_none()


def find_reader(connection: sa.Connection, key: str) -> Reader | None:
    """Return one reader."""
    row = connection.execute(sa.select(*_READER).where(reader.c.id == key)).mappings().one_or_none()
    return None if row is None else _reader(row)


def _reader(row: sa.RowMapping) -> Reader:
    values = dict(row)
    values.update(kind=ReaderKind(row["kind"]), mode=DoorMode(row["mode"]), exit_policy=ExitPolicy(row["exit_policy"]))
    return Reader(**values)


def schedules(connection: sa.Connection, *, after: str = "", limit: int | None = None) -> list[Schedule]:
    """Return schedules by id."""
    question = sa.select(schedule).where(schedule.c.id > after).order_by(schedule.c.id).limit(limit)
    return [
        Schedule(
            row.id,
            row.name,
            dict(zip(WEEKDAYS, map(_intervals, row.weekly), strict=True)),
            {day: _intervals(pairs) for day, pairs in sorted(row.exceptions.items())},
        )
        for row in connection.execute(question)
    ]


def _intervals(pairs: Iterable[tuple[int, int]]) -> Intervals:
    return [(start, end) for start, end in pairs]


def rights(connection: sa.Connection, *, after: str = "", limit: int | None = None) -> list[Right]:
    """Return entry rights by id, with their readers."""
    question = sa.select(entry_right).where(entry_right.c.id > after).order_by(entry_right.c.id).limit(limit)
    rows = connection.execute(question).all()
    by_right: dict[str, list[str]] = {row.id: [] for row in rows}
    allowed = (
        sa.select(entry_right_reader.c.entry_right, entry_right_reader.c.reader)
        .where(entry_right_reader.c.entry_right.in_(by_right))
        .order_by(entry_right_reader.c.reader)
    )
    for right, allows in connection.execute(allowed):
        by_right[right].append(allows)
    return [Right(row.id, row.name, row.schedule, tuple(by_right[row.id])) for row in rows]


def replace_readers(connection: sa.Connection, right: str, wanted: Iterable[str]) -> None:
    """Make a right allow exactly these readers."""
    connection.execute(sa.delete(entry_right_reader).where(entry_right_reader.c.entry_right == right))
    rows = [{"entry_right": right, "reader": each} for each in sorted(set(wanted))]
    if rows:
        connection.execute(entry_right_reader.insert(), rows)


def sites_of_rights(connection: sa.Connection, rights: Iterable[str]) -> list[str]:
    """Return the sites whose readers any of these rights allow."""
    question = (
        sa.select(reader.c.site)
        .join(entry_right_reader, entry_right_reader.c.reader == reader.c.id)
        .where(entry_right_reader.c.entry_right.in_(list(rights)))
        .distinct()
        .order_by(reader.c.site)
    )
    return list(connection.scalars(question))


def sites_of_schedule(connection: sa.Connection, key: str) -> list[str]:
    """Return the sites where a schedule limits a right."""
    using = connection.scalars(sa.select(entry_right.c.id).where(entry_right.c.schedule == key)).all()
    return sites_of_rights(connection, using)


def missing_readers(connection: sa.Connection, wanted: Iterable[str]) -> list[str]:
    """Return which of the readers do not exist."""
    names = set(wanted)
    return sorted(names.difference(connection.scalars(sa.select(reader.c.id).where(reader.c.id.in_(names)))))

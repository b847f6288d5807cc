"""Use cases of sites: create, change, list. Each says which site has changed; the access list follows from that."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from central.changes import Aggregate, Unit
from central.errors import Invalid, NotFound, Refused
from central.schema import entry_right, lane, reader, schedule, site
from central.sites import store
from central.sites.model import WEEKDAYS, Intervals, Lane, Reader, ReaderValues, Right, Schedule, Site, SiteValues


def create_site(unit: Unit, key: str, values: SiteValues) -> Site:
    """Create a site; refuses an id that is taken with `ID_IN_USE`."""
    _insert(unit, site, "site", {"id": key, **values})
    unit.changed(Aggregate.SITE, key)
    return get_site(unit.connection, key)


def change_site(unit: Unit, key: str, values: SiteValues) -> Site:
    """Change what is named in `values`."""
    _update(unit, site, "site", key, values)
    unit.changed(Aggregate.SITE, key)
    return get_site(unit.connection, key)


def get_site(connection: sa.Connection, key: str) -> Site:
    """Return a site; raises `NotFound`."""
    row = store.find(connection, site, key)
    if row is None:
        raise NotFound("site", key)
    return Site(**row)


def list_sites(connection: sa.Connection, *, after: str | None = None, limit: int | None = None) -> list[Site]:
    """Return sites by id."""
    return store.sites(connection, after=after or "", limit=limit)


def create_lane(unit: Unit, of_site: str, key: str, name: str) -> Lane:
    """Create a lane at a site."""
    get_site(unit.connection, of_site)
    _insert(unit, lane, "lane", {"id": key, "site": of_site, "name": name})
    unit.changed(Aggregate.SITE, of_site)
    return Lane(key, of_site, name)


def change_lane(unit: Unit, key: str, name: str) -> Lane:
    """Rename a lane."""
    _update(unit, lane, "lane", key, {"name": name})
    changed = Lane(**(store.find(unit.connection, lane, key) or {}))
    unit.changed(Aggregate.SITE, changed.site)
    return changed


def list_lanes(connection: sa.Connection, of_site: str) -> list[Lane]:
    """Return the lanes of a site."""
    get_site(connection, of_site)
    return store.lanes(connection, of_site)


def create_reader(unit: Unit, of_site: str, key: str, values: ReaderValues) -> Reader:
    """Create a reader at a lane of the site; `lane`, `name` and `kind` must be there."""
    get_site(unit.connection, of_site)
    _check_lane(unit.connection, of_site, values)
    _insert(unit, reader, "reader", {"id": key, "site": of_site, **values})
    unit.changed(Aggregate.SITE, of_site)
    return get_reader(unit.connection, key)


def change_reader(unit: Unit, key: str, values: ReaderValues) -> Reader:
    """Change what is named in `values`; a reader never moves to another site."""
    before = get_reader(unit.connection, key)
    _check_lane(unit.connection, before.site, values)
    _update(unit, reader, "reader", key, values)
    unit.changed(Aggregate.SITE, before.site)
    return get_reader(unit.connection, key)


def get_reader(connection: sa.Connection, key: str) -> Reader:
    """Return a reader; raises `NotFound`."""
    found = store.find_reader(connection, key)
    if found is None:
        raise NotFound("reader", key)
    return found


def list_readers(connection: sa.Connection, of_site: str) -> list[Reader]:
    """Return the readers of a site."""
    get_site(connection, of_site)
    return store.readers(connection, of_site)


def create_schedule(
    unit: Unit, key: str, name: str, weekly: Mapping[str, Intervals], exceptions: Mapping[str, Intervals]
) -> Schedule:
    """Create a schedule; a weekday that is not named is closed."""
    row = {"id": key, "name": name, "weekly": _week(weekly), "exceptions": dict(exceptions)}
    _insert(unit, schedule, "schedule", row)
    return get_schedule(unit.connection, key)


def change_schedule(
    unit: Unit,
    key: str,
    *,
    name: str | None = None,
    weekly: Mapping[str, Intervals] | None = None,
    exceptions: Mapping[str, Intervals] | None = None,
) -> Schedule:
    """Change a schedule; `weekly` and `exceptions` replace what was there as a whole."""
    values: dict[str, Any] = {} if name is None else {"name": name}
    if weekly is not None:
        values["weekly"] = _week(weekly)
    if exceptions is not None:
        values["exceptions"] = dict(exceptions)
    _update(unit, schedule, "schedule", key, values)
    for each in store.sites_of_schedule(unit.connection, key):
        unit.changed(Aggregate.SITE, each)
    return get_schedule(unit.connection, key)


def set_exception(unit: Unit, key: str, day: str, intervals: Intervals | None) -> Schedule:
    """Replace one day (ISO 8601) of a schedule; an empty list closes it, `None` lets the week's pattern hold again."""
    exceptions = dict(get_schedule(unit.connection, key).exceptions)
    exceptions.pop(day, None)
    if intervals is not None:
        exceptions[day] = intervals
    return change_schedule(unit, key, exceptions=exceptions)


def get_schedule(connection: sa.Connection, key: str) -> Schedule:
    """Return a schedule; raises `NotFound`."""
    found = [each for each in store.schedules(connection) if each.id == key]
    if not found:
        raise NotFound("schedule", key)
    return found[0]


def list_schedules(connection: sa.Connection, *, after: str | None = None, limit: int | None = None) -> list[Schedule]:
    """Return schedules by id."""
    return store.schedules(connection, after=after or "", limit=limit)


def create_right(unit: Unit, key: str, name: str, readers: Iterable[str], schedule_key: str | None = None) -> Right:
    """Create an entry right for `readers`, limited by a schedule or always."""
    readers = list(readers)
    _check_right(unit.connection, readers, schedule_key)
    _insert(unit, entry_right, "entry right", {"id": key, "name": name, "schedule": schedule_key})
    store.replace_readers(unit.connection, key, readers)
    _right_changed(unit, key)
    return get_right(unit.connection, key)


def change_right(unit: Unit, key: str, values: Mapping[str, Any]) -> Right:
    """Change `name`, `schedule` or `readers`, whichever `values` names; sites that lose a reader change too."""
    values = dict(values)
    readers = values.pop("readers", None)
    _check_right(unit.connection, readers or (), values.get("schedule"))
    _right_changed(unit, key)
    _update(unit, entry_right, "entry right", key, values)
    if readers is not None:
        store.replace_readers(unit.connection, key, readers)
        _right_changed(unit, key)
    return get_right(unit.connection, key)


def get_right(connection: sa.Connection, key: str) -> Right:
    """Return an entry right; raises `NotFound`."""
    found = [each for each in store.rights(connection) if each.id == key]
    if not found:
        raise NotFound("entry right", key)
    return found[0]


def list_rights(connection: sa.Connection, *, after: str | None = None, limit: int | None = None) -> list[Right]:
    """Return entry rights by id."""
    return store.rights(connection, after=after or "", limit=limit)


def _right_changed(unit: Unit, key: str) -> None:
    for each in store.sites_of_rights(unit.connection, [key]):
        unit.changed(Aggregate.SITE, each)


def _check_lane(connection: sa.Connection, of_site: str, values: ReaderValues) -> None:
    wanted = values.get("lane")
    if wanted is not None and wanted not in {each.id for each in store.lanes(connection, of_site)}:
        raise Invalid("LANE_NOT_AT_SITE", f"site {of_site} has no lane {wanted!r}; create it there first")


def _check_right(connection: sa.Connection, readers: Iterable[str], schedule_key: str | None) -> None:
    if missing := store.missing_readers(connection, readers):
        raise Invalid("NO_SUCH_READER", f"create these readers first: {', '.join(missing)}")
    if schedule_key is not None and store.find(connection, schedule, schedule_key) is None:
        raise Invalid("NO_SUCH_SCHEDULE", f"create schedule {schedule_key!r} first")


def _week(weekly: Mapping[str, Intervals]) -> list[Intervals]:
    return [list(weekly.get(day, ())) for day in WEEKDAYS]


def _insert(unit: Unit, table: sa.Table, what: str, row: Mapping[str, Any]) -> None:
    if store.find(unit.connection, table, row["id"]) is not None:
        raise Refused("ID_IN_USE", f"there is a {what} {row['id']!r} already; choose another id or change that one")
    unit.connection.execute(table.insert().values(**row))


def _update(unit: Unit, table: sa.Table, what: str, key: str, values: Mapping[str, Any]) -> None:
    if store.find(unit.connection, table, key) is None:
        raise NotFound(what, key)
    if values:
        unit.connection.execute(table.update().where(table.c.id == key).values(**values))

"""What edges say of themselves: connected or gone, and how they are."""

import sqlalchemy as sa

from central.alarms import AlarmKind, clear_alarm, raise_alarm
from central.changes import Unit
from central.schema import edge as edge_table
from protocol.identity import EdgeId
from protocol.messages import Birth, Death, Health


def note_birth(unit: Unit, edge: EdgeId, birth: Birth) -> bool:
    """Remember that an edge is connected. Returns whether there is such an edge."""
    return _write(
        unit,
        edge,
        online=True,
        last_heard=unit.now,
        version=birth.version[:64],
        boot=birth.boot[:64],
        revision=birth.revision,
        clock=birth.clock.value,
    )


def note_death(unit: Unit, edge: EdgeId, death: Death) -> bool:
    """Remember that an edge is gone: unless it has started anew since, which the boot id shows."""
    boot = unit.connection.execute(sa.select(edge_table.c.boot).where(edge_table.c.id == edge)).scalar()
    if boot not in (None, death.boot[:64]):
        return False
    return _write(unit, edge, online=False)


def note_health(unit: Unit, edge: EdgeId, health: Health) -> bool:
    """Remember how an edge is, and raise or clear the alarm for what it complains of."""
    known = _write(
        unit,
        edge,
        last_heard=unit.now,
        revision=health.revision,
        clock=health.clock.value,
        health=health.model_dump(mode="json"),
    )
    if known and health.problems:
        detail = "; ".join(health.problems)
        raise_alarm(unit.connection, AlarmKind.EDGE_PROBLEM, edge, detail, unit.now)
    elif known:
        clear_alarm(unit.connection, AlarmKind.EDGE_PROBLEM, edge, unit.now)
    return known


def note_heard(unit: Unit, edge: EdgeId) -> bool:
    """Remember that an edge was heard of just now."""
    return _write(unit, edge, last_heard=unit.now)


def _write(unit: Unit, edge: EdgeId, **values: object) -> bool:
    changed = unit.connection.execute(edge_table.update().where(edge_table.c.id == edge).values(**values))
    return bool(changed.rowcount)

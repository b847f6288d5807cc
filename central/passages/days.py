"""Recomputes the visits of the people and days that a batch touches, in that batch's transaction (A-51)."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import sqlalchemy as sa

from central.changes import Aggregate, Unit
from central.passages import store
from central.passages.entries import Row, Source, seen
from central.passages.rules import Settlement, Visit, VisitPlan, settle, visits_of
from central.passages.store import StoredVisit, Whereabouts
from protocol.identity import EventId, PersonId, SiteId
from protocol.journal import stamp_order

Visits = Callable[[Unit, Sequence[VisitPlan]], None]
"""Who is told which visits to queue and which to take back: the Mywellness side."""

PersonDay = tuple[str, date]

AnyRow = Row | sa.RowMapping
"""A passage that is about to be stored, or one that is."""


class _Day(NamedTuple):
    """One person's day before and after."""

    rows: Sequence[AnyRow]
    visits: tuple[Visit, ...]
    before: Sequence[StoredVisit]


def record(unit: Unit, place: Source, fresh: Sequence[Row], touched: Collection[PersonDay], visits: Visits) -> None:
    """Store fresh passages and bring visits, queue and people's last times up to date.

    `touched` are further days to recompute: those of passages that a later entry spoke about.
    """
    named = {row["person"] for row in fresh if row["person"] is not None} | {person for person, _ in touched}
    people = store.lock_people(unit.connection, named) if named else {}
    keys = dict.fromkeys(
        (row["person"], row["visit_day"]) for row in fresh if row["granted"] and row["person"] is not None
    )
    keys.update(dict.fromkeys(touched))
    days = _days(unit, place.site, fresh, keys) if keys else {}
    _mark(unit, fresh, days)
    store.add_passages(unit.connection, fresh)
    where = dict(people)
    _note_attempts(where, fresh)
    _settle(unit, place, fresh, days, people, visits)
    for (person, _), day in days.items():
        if person in where:
            where[person] = _after_visits(unit, person, where[person], day)
    store.save_whereabouts(unit.connection, {person: now for person, now in where.items() if now != people[person]})


def _days(unit: Unit, site: str, fresh: Sequence[Row], keys: Collection[PersonDay]) -> dict[PersonDay, _Day]:
    persons = {person for person, _ in keys}
    dates = {day for _, day in keys}
    rows: dict[PersonDay, list[AnyRow]] = defaultdict(list)
    stored, visits = store.granted_passages(unit.connection, site, persons, dates)
    found: list[AnyRow] = [*stored, *(row for row in fresh if row["granted"])]
    for row in found:
        rows[row["person"], row["visit_day"]].append(row)
    before: dict[PersonDay, list[StoredVisit]] = defaultdict(list)
    for visit in visits:
        before[visit.person, visit.visit_day].append(visit)
    return {key: _Day(rows[key], visits_of(map(seen, rows[key])), before[key]) for key in keys}


def _mark(unit: Unit, fresh: Sequence[Row], days: Mapping[PersonDay, _Day]) -> None:
    """Central's word on which passages opened a visit: in fresh rows before they are stored, else where it changed."""
    opening = {visit.id for day in days.values() for visit in day.visits}
    for row in fresh:
        row["new_visit"] = row["id"] in opening
    new = {row["id"] for row in fresh}
    changed = {
        row["id"]: row["id"] in opening
        for day in days.values()
        for row in day.rows
        if row["id"] not in new and row["new_visit"] != (row["id"] in opening)
    }
    store.mark_passages(unit.connection, changed)


def _settle(
    unit: Unit,
    place: Source,
    fresh: Sequence[Row],
    days: Mapping[PersonDay, _Day],
    people: Mapping[str, Whereabouts],
    visits: Visits,
) -> None:
    new = {row["id"] for row in fresh}
    asked = {EventId(row["id"]) for day in days.values() for row in day.rows if row["counts"] and row["id"] not in new}
    standing = store.queue_standing(unit.connection, asked) if asked else {}
    gone: list[str] = []
    plans: list[VisitPlan] = []
    added: list[Row] = []
    for (person, date_), day in days.items():
        settlement = _settlement(day, standing)
        rows = [
            store.visit_row(place.site, person, date_, ordinal, visit, sent_as)
            for ordinal, (visit, sent_as) in enumerate(settlement.visits, 1)
        ]
        before = {visit.id: visit for visit in day.before}
        same = {row["id"] for row in rows if row["id"] in before and _is_same(before[row["id"]], row)}
        if len(same) == len(rows) == len(before) and not settlement.queue and not settlement.superseded:
            continue
        gone.extend(before.keys() - same)
        added.extend(row for row in rows if row["id"] not in same)
        unit.changed(Aggregate.VISITS, f"{person}/{place.site}/{date_}")
        if person in people and (settlement.queue or settlement.superseded):
            again = frozenset(visit.id for visit in settlement.queue if visit.id in asked)
            plans.append(
                VisitPlan(
                    SiteId(place.site),
                    PersonId(person),
                    place.zone,
                    date_,
                    settlement.queue,
                    settlement.superseded,
                    again,
                )
            )
    store.remove_visits(unit.connection, gone)
    store.add_visits(unit.connection, added)
    if plans:
        visits(unit, plans)


def _settlement(day: _Day, standing: Mapping[EventId, bool]) -> Settlement:
    ordered = sorted(day.rows, key=lambda row: stamp_order(row["at"], row["edge"], row["epoch"], row["sequence"]))
    ids = [EventId(row["id"]) for row in ordered]
    # A visit that was planned and has no row was not to be sent: that was decided when it was recorded (rulings 3).
    unsent = {visit.sent_as for visit in day.before if visit.sent_as not in standing}
    return settle(
        day.visits,
        decided=[event for event in ids if standing.get(event, event in unsent)],
        waiting=[event for event in ids if standing.get(event) is False],
    )


def _is_same(before: StoredVisit, row: Row) -> bool:
    return before == StoredVisit(*(row[name] for name in StoredVisit._fields))


def _note_attempts(where: dict[str, Whereabouts], fresh: Sequence[Row]) -> None:
    """Every read counts as an attempt, granted or not; it never moves the last visit (A-40)."""
    for row in fresh:
        known = where.get(row["person"])
        if known is not None and (known.last_attempt_at is None or known.last_attempt_at < row["at"]):
            where[row["person"]] = known._replace(last_attempt_at=row["at"])


def _after_visits(unit: Unit, person: str, known: Whereabouts, day: _Day) -> Whereabouts:
    """The last visit follows the day's visits, also where a recomputation moved or removed the one it came from."""
    now = day.visits[-1].opened_at if day.visits else None
    before = day.before[-1].opened_at if day.before else None
    if now == before:
        return known
    if now is not None and (known.last_visit_at is None or known.last_visit_at < now):
        return known._replace(last_visit_at=now)
    if known.last_visit_at is not None and known.last_visit_at == before:
        return known._replace(last_visit_at=store.last_visit(unit.connection, person))
    return known

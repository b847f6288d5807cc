"""Keeps the access list of every site true: a reaction to changes, in the transaction of the change.

Only rows that come out different are written, all of one change under one new revision: a delta is the rows above it.
"""

import json
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from central.access import store
from central.changes import Aggregate, Change, Unit
from central.memberships.model import card_name
from protocol.access import Kind, Row, credential_row, holder_row, reader_row, right_row, schedule_row, site_row
from protocol.entitlement import CredentialStatus, Entitlement, Freeze, Holder, PunchCard, entitlement_order
from protocol.identity import BarrierId, EntitlementId, Epoch, LaneId, PersonId, ReaderId, RightId, SiteId
from protocol.messages import Change as WireChange, Delta
from protocol.policy import DoorMode, ExitPolicy, Interval, ReaderKind, ReaderPolicy, Schedule, SitePolicy

_ONE_DAY: Final = timedelta(days=1)
"""Somewhere on earth it is still yesterday."""


def recompile(unit: Unit, change: Change) -> None:
    """Bring the lists up to date with one change (B-21)."""
    connection = unit.connection
    if change.aggregate is Aggregate.PERSON:
        _recompile_people(connection, [change.key], unit.now)
    elif change.aggregate is Aggregate.PRODUCT:
        holders = connection.scalars(store.HOLDERS_OF_PRODUCT, {"product": change.key}).all()
        _recompile_people(connection, holders, unit.now)
    elif change.aggregate is Aggregate.SITE:
        _recompile_site(connection, change.key, unit.now)


def revision(connection: sa.Connection, site: str) -> int:
    """Return the newest revision of a site's list."""
    newest: int = connection.execute(store.REVISION, {"site": site}).scalar_one()
    return newest


def revisions(connection: sa.Connection) -> dict[str, int]:
    """Return the newest revision of every site."""
    return {site: revision(connection, site) for site in connection.scalars(store.SITES)}


def delta(connection: sa.Connection, site: str, since: int, to: int) -> Delta:
    """Return what changed after revision `since` up to `to`."""
    changes = store.rows_of(connection, store.CHANGED_SINCE, site=site, since=since, to=to)
    wire = tuple(WireChange(kind=row.kind, id=row.id, body=row.body) for row in changes)
    return Delta.model_validate({"site": site, "from": since, "to": to, "changes": wire})


def compile_person(connection: sa.Connection, person: str, now: datetime, *, birth_date: bool = False) -> list[Row]:
    """Return the rows of one person: none when there is no credential to hold.

    The date of birth goes along only where a reader asks for it (rulings 9).
    """
    facts = connection.execute(store.PERSON, {"person": person}).one_or_none()
    credentials = connection.execute(store.CREDENTIALS, {"person": person}).all()
    if facts is None or not credentials:
        return []
    someone = store.PersonFacts(*facts)
    holder = Holder(
        PersonId(person),
        CredentialStatus.ACTIVE,
        _entitlements(connection, person, now.date() - _ONE_DAY),
        someone.blocked,
        someone.blocked_until,
        someone.overrides_anti_passback,
        someone.birth_date if birth_date else None,
        _punch_cards(connection, person, now.date() - _ONE_DAY),
    )
    return [
        holder_row(holder),
        *(credential_row(canonical, PersonId(person), CredentialStatus(status)) for canonical, status in credentials),
    ]


def compile_site(connection: sa.Connection, site: str) -> list[Row]:
    """Return the policy rows of one site: the site itself, its readers, and the rights and schedules that name them."""
    place = connection.execute(store.SITE, {"site": site}).mappings().one()
    rows = [
        site_row(
            SitePolicy(
                SiteId(site),
                ZoneInfo(place["zone"]),
                place["rollover"],
                place["charge_grace_days"],
                place["occupancy_limit"],
            )
        )
    ]
    for row in connection.execute(store.READERS, {"site": site}).mappings():
        policy = ReaderPolicy(
            ReaderId(row["id"]),
            LaneId(row["lane"]),
            ReaderKind(row["kind"]),
            {},
            BarrierId(row["barrier"]),
            row["enabled"],
            DoorMode(row["mode"]),
            row["min_interval"],
            row["age_limit"],
            ExitPolicy(row["exit_policy"]),
            row["counts_visits"],
            row["pulse_ms"],
        )
        rows.append(reader_row(policy))
    readers: dict[tuple[str, str | None], list[ReaderId]] = {}
    for right, schedule, reader in connection.execute(store.RIGHTS, {"site": site}):
        readers.setdefault((right, schedule), []).append(ReaderId(reader))
    rows.extend(right_row(RightId(right), allowed, schedule) for (right, schedule), allowed in readers.items())
    used = {schedule for _, schedule in readers if schedule}
    for key, weekly, exceptions in connection.execute(store.SCHEDULES):
        if key in used:
            rows.append(schedule_row(key, _schedule(weekly, exceptions)))
    return rows


def _recompile_people(connection: sa.Connection, people: Iterable[str], now: datetime) -> None:
    people = list(people)
    for site in connection.scalars(store.SITES).all():
        with_birth_date = connection.execute(store.AGE_LIMITED, {"site": site}).first() is not None
        changed: list[tuple[Row, str | None]] = []
        for person in people:
            wanted = compile_person(connection, person, now, birth_date=with_birth_date)
            present = store.rows_of(connection, store.HOLDER_ROWS, site=site, person=person)
            # A credential may still stand in the list under the person who had it before.
            taken = [row.id for row in wanted if row.kind is Kind.CREDENTIAL]
            present += store.rows_of(connection, store.CREDENTIAL_ROWS, site=site, ids=taken)
            changed.extend((row, person) for row in _difference(present, wanted))
        if changed:
            store.write_rows(connection, site, changed)


def _recompile_site(connection: sa.Connection, site: str, now: datetime) -> None:
    present = store.rows_of(connection, store.POLICY_ROWS, site=site)
    wanted = compile_site(connection, site)
    changed = _difference(present, wanted)
    if changed:
        store.write_rows(connection, site, [(row, None) for row in changed])
    # People's rows depend on the site only in whether dates of birth go along, and a new site has none of them yet.
    if not present or _asks_age(present) != _asks_age(wanted):
        _recompile_people(connection, connection.scalars(store.EVERYONE).all(), now)


def _asks_age(rows: list[Row]) -> bool:
    return any(row.kind is Kind.READER and row.body and json.loads(row.body)["age_limit"] for row in rows)


def _difference(present: list[Row], wanted: list[Row]) -> list[Row]:
    """The rows to write: new or different ones, and a row without body for each one that is gone."""
    was = {(row.kind, row.id): row.body for row in present}
    shall = {(row.kind, row.id): row.body for row in wanted}
    gone = [Row(kind, key, None) for (kind, key), body in was.items() if (kind, key) not in shall and body is not None]
    return gone + [row for row in wanted if was.get((row.kind, row.id), "") != row.body]


def _entitlements(connection: sa.Connection, person: str, day: date) -> tuple[Entitlement, ...]:
    """Return what the person holds, without what ran out before `day` as long as anything else is held.

    Years of ended subscriptions would make the list long, and what they refuse for would hide the reason that matters
    (rulings 6 reports the failure that comes latest).
    """
    freezes: dict[int, list[Freeze]] = {}
    for number, first, last in connection.execute(store.FREEZES, {"person": person}):
        freezes.setdefault(number, []).append(Freeze(first, last))
    found: list[tuple[tuple[int, int], Entitlement]] = []
    held = [store.SubscriptionFacts(*row) for row in connection.execute(store.SUBSCRIPTIONS, {"person": person})]
    for facts in [each for each in held if not each.is_over(day)] or held:
        entitlement = Entitlement(
            EntitlementId(str(facts.id)),
            RightId(facts.right),
            facts.start,
            facts.charged_through,
            tuple(freezes.get(facts.id, ())),
            facts.overdue_from,
        )
        found.append((entitlement_order(entitlement, facts.id), entitlement))
    return tuple(entitlement for _, entitlement in sorted(found, key=lambda pair: pair[0]))


def _punch_cards(connection: sa.Connection, person: str, day: date) -> tuple[PunchCard, ...]:
    """Return the person's own cards, the one sold first at the front; those that ended before `day` as above."""
    counted: dict[int, dict[Epoch, int]] = {}
    for key, epoch, sequence in connection.execute(store.COUNTED, {"person": person}):
        counted.setdefault(key, {})[epoch] = sequence
    cards = [
        PunchCard(EntitlementId(card_name(key)), RightId(right), valid_through, left, counted.get(key, {}))
        for key, right, valid_through, left in connection.execute(store.PUNCH_CARDS, {"person": person})
    ]
    return tuple([card for card in cards if day <= card.valid_through] or cards)


def _schedule(weekly: list[list[list[int]]], exceptions: dict[str, list[list[int]]]) -> Schedule:
    return Schedule(
        tuple(tuple(Interval(start, end) for start, end in day) for day in weekly),
        {
            date.fromisoformat(day): tuple(Interval(start, end) for start, end in intervals)
            for day, intervals in exceptions.items()
        },
    )

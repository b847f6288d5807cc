"""P1: a whole decision against a bare point read with six rules, at three sizes of the list.

A decision waits for nothing, so it is judged by the processor's time of its thread: what other programs do on the same
cores meanwhile is not its doing. The wall's time stands beside it.
"""

import json
import random
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

from edge.store.access import AccessStore
from edge.store.presence import PresenceBook, PresenceChange, VisitChange
from protocol.access import (
    FORMAT,
    SCHEMA,
    credential_row,
    holder_row,
    reader_row,
    right_row,
    schedule_row,
    site_row,
    statement,
)
from protocol.decision import Granted, decide
from protocol.entitlement import CredentialStatus, Entitlement, Freeze, Holder
from protocol.identity import EntitlementId, EventId, PersonId, ReaderId, RightId
from protocol.policy import DAY_SECONDS, Interval, Schedule, SitePolicy
from protocol.visit import OpenVisit, visit_day
from tests.bench.measure import Effort, Outcome, Samples, Target, figure, interleaved, percentile, ratios, span
from tests.edge.builders import SITE, ZONE, reader

NOW: Final = datetime(2026, 3, 10, 17, 0, tzinfo=UTC)
_TODAY: Final = date(2026, 3, 10)
_RIGHT: Final = RightId("5f2a9c1e-gym")
_SCHEDULE: Final = Schedule((((Interval(5 * 3600, DAY_SECONDS),)) * 1,) * 7, {date(2026, 12, 24): ()})
_INSIDE: Final = 200
_SLICE: Final = 250
_BATCH: Final = 20_000
_MADE_OF: Final = "1"
"""Changes when the lists below do: then older files in the cache are not used."""

Clock = Callable[[], float]
Side = Callable[[Clock], Samples]


def run(effort: Effort, cache: Path) -> Iterator[Outcome]:
    """Take the figures of P1. Lists are kept in `cache` between runs."""
    sizes = (1_000, 100_000, 1_000_000) if not effort.quick else (200, 1_000, 5_000)
    slices = effort.of(40, 2)
    sides: list[Side] = []
    for size in sizes:
        sides += [_product(cache, size), _floor(cache, size)]
    on_processor = list(interleaved(effort.rounds, *(partial(side, time.thread_time) for side in sides), slices=slices))
    by_the_wall = list(interleaved(effort.rounds, *(partial(side, time.perf_counter) for side in sides), slices=slices))
    for place, size in enumerate(sizes):
        people = f"{size:,}".replace(",", " ")
        name = f"whole decision, {people} people"
        pairs = [(one[2 * place], one[2 * place + 1]) for one in on_processor]
        yield ratios("P1", f"{name}: p50", pairs, 0.50, Target(2.0))
        yield ratios("P1", f"{name}: p99", pairs, 0.99, Target(3.0))
        pairs = [(one[2 * place], one[2 * place + 1]) for one in by_the_wall]
        yield ratios("P1", f"{name}: p50 on the wall, with all that runs beside", pairs, 0.50)
    smallest, largest = ([percentile(one[side], 0.5) for one in on_processor] for side in (0, 2 * len(sizes) - 2))
    flat = [big / small for small, big in zip(smallest, largest, strict=True)]
    detail = f"{span(statistics.median(largest))} : {span(statistics.median(smallest))}"
    yield figure("P1", "flatness: largest list to smallest, p50", "×", flat, Target(1.5), detail)
    smallest, largest = ([percentile(one[side], 0.5) for one in on_processor] for side in (1, 2 * len(sizes) - 1))
    flat = [big / small for small, big in zip(smallest, largest, strict=True)]
    yield figure("P1", "flatness of the floor itself", "×", flat)


# --- who comes to the door --------------------------------------------------------------------------------------------


def _person(number: int) -> PersonId:
    return PersonId(str(UUID(int=random.Random(number).getrandbits(128), version=4)))  # noqa: S311 – no secret


def _credential(number: int) -> str:
    return f"uid:{(number * 2_654_435_761) & 0xFFFFFFFF:08X}{number & 0xFFFFFF:06X}"


def _holder(number: int) -> Holder:
    """Mostly one subscription in good standing; some have two, are frozen, ended or blocked."""
    person = _person(number)

    def entitlement(key: str, charged: date) -> Entitlement:
        frozen = (Freeze(date(2026, 3, 1), date(2026, 3, 31)),) if number % 50 == 0 else ()
        return Entitlement(EntitlementId(f"{key}{person[1:]}"), _RIGHT, date(2025, 1, 1), charged, frozen, None)

    ends = _TODAY + timedelta(days=number % 200 - 5)
    entitlements = [entitlement("a", ends)]
    if number % 10 == 0:
        entitlements.append(entitlement("b", date(2025, 12, 31)))
    return Holder(person, CredentialStatus.ACTIVE, tuple(entitlements), blocked=number % 40 == 0)


def _arrivals(size: int, count: int) -> Callable[[], list[str]]:
    """Cards in a new random order at each call, one in twenty unknown; the same for product and floor."""
    rng = random.Random(7)  # noqa: S311 – the same cards at each run
    return lambda: [
        _credential(rng.randrange(size)) if rng.random() < 0.95 else "uid:FFFFFFFFFFFFFF" for _ in range(count)
    ]


# --- the product ------------------------------------------------------------------------------------------------------


def _product(cache: Path, size: int) -> Side:
    folder = cache / f"access-{_MADE_OF}-{size}"
    if not (folder / "access.db").exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / "access.db.part"
        draft.unlink(missing_ok=True)
        _write_list(draft, size)
        store = AccessStore.open(cache / "nowhere", site=SITE)
        store.path = folder / "access.db"
        store.install(draft)
        store.close()
    store = AccessStore.open(folder, site=SITE)
    assert store.policies is not None
    site, at = store.policies.site, store.policies.readers[ReaderId("RD-IN")]
    book = _book(size, site)
    arrivals, relay = _arrivals(size, _SLICE), Relay()

    def measured(clock: Clock) -> Samples:
        samples: Samples = []
        for card in arrivals():
            started = clock()
            holder = store.lookup(card)
            presence = book.around(holder, card, at, site, NOW)
            verdict = decide(holder, reader=at, site=site, now=NOW, presence=presence)
            if isinstance(verdict, Granted):
                relay.on()
            samples.append(clock() - started)
        return samples

    return measured


def _write_list(path: Path, size: int) -> None:
    rows = [
        site_row(SitePolicy(SITE, ZONE, 4 * 3600, 3)),
        schedule_row("day", _SCHEDULE),
        right_row(_RIGHT, [ReaderId("RD-IN")], "day"),
        reader_row(reader()._replace(min_interval=120)),
    ]
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;" + SCHEMA)
    meta = {"format": str(FORMAT), "site": SITE, "revision": "1", "made_at": "2026-03-01T00:00:00+00:00"}
    connection.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", meta.items())
    people = sorted((_person(number), number) for number in range(size))
    for row in rows:
        connection.execute(*statement(row))
    connection.executemany(
        "INSERT INTO holder (person, body) VALUES (?, ?)", (holder_row(_holder(n))[1:] for _, n in people)
    )
    cards = sorted((_credential(number), person) for person, number in people)
    connection.executemany(
        "INSERT INTO credential (canonical, person, status) VALUES (?, ?, ?)",
        (
            (canonical, *json.loads(credential_row(canonical, person, CredentialStatus.ACTIVE).body or ""))
            for canonical, person in cards
        ),
    )
    connection.commit()
    connection.close()


def _book(size: int, site: SitePolicy) -> PresenceBook:
    """A busy hour: some two hundred people are inside."""
    book, day = PresenceBook(), visit_day(NOW.astimezone(site.zone), site.rollover)
    for number in range(0, size, max(1, size // _INSIDE)):
        visit = OpenVisit(EventId(f"event-{number}"), day)
        book.apply(PresenceChange((VisitChange(_person(number), visit),)))
    return book


class Relay:
    """Stands for the pin."""

    def __init__(self) -> None:
        self.times = 0

    def on(self) -> None:
        """Open."""
        self.times += 1


# --- the floor --------------------------------------------------------------------------------------------------------

_COLUMNS: Final = "person, active, starts, ends, zones, opens, closes, frozen, last_seen"
_AT: Final = int(NOW.timestamp())


def _floor(cache: Path, size: int) -> Side:
    path = cache / f"bare-{_MADE_OF}-{size}.db"
    if not path.exists():
        _write_bare(path, size)
    read = sqlite3.connect(path, isolation_level=None)
    read.execute("PRAGMA query_only = 1")
    execute, question = read.execute, f"SELECT {_COLUMNS} FROM member WHERE card = ?"  # noqa: S608 – constant
    arrivals, relay = _arrivals(size, _SLICE), Relay()

    def measured(clock: Clock) -> Samples:
        samples: Samples = []
        for card in arrivals():
            started = clock()
            reason, _new = _six_rules(execute(question, (card,)).fetchone())
            if reason == "ok":
                relay.on()
            samples.append(clock() - started)
        return samples

    return measured


def _six_rules(row: tuple[int, ...] | None, minute: int = 1_020, zone: int = 8) -> tuple[str, bool]:
    """Known, active, not frozen, in its dates, in the zone, in its hours: integers only, the first failure counts."""
    if row is None or not row[1]:
        return "no member", False
    _person_number, _active, starts, ends, zones, opens, closes, frozen, last_seen = row
    if frozen:
        return "frozen", False
    if not starts <= _AT < ends:
        return "dates", False
    if not zones & zone:
        return "zone", False
    if not opens <= minute < closes:
        return "hours", False
    return "ok", _AT - last_seen > 7_200


def _write_bare(path: Path, size: int) -> None:
    cache = path.with_suffix(".part")
    cache.unlink(missing_ok=True)
    connection = sqlite3.connect(cache)
    connection.executescript(
        "PRAGMA synchronous = OFF; CREATE TABLE member (card TEXT PRIMARY KEY, person INTEGER, active INTEGER,"
        " starts INTEGER, ends INTEGER, zones INTEGER, opens INTEGER, closes INTEGER, frozen INTEGER,"
        " last_seen INTEGER) WITHOUT ROWID"
    )
    day = 86_400
    rows = sorted(
        (
            _credential(n),
            n,
            n % 40 != 0,
            _AT - 400 * day,
            _AT + (n % 200 - 5) * day,
            0xFF,
            300,
            1_440,
            n % 50 == 0,
            _AT - n % 9 * 3600,
        )
        for n in range(size)
    )
    for first in range(0, size, _BATCH):
        connection.executemany("INSERT INTO member VALUES (?,?,?,?,?,?,?,?,?,?)", rows[first : first + _BATCH])
    connection.commit()
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    cache.replace(path)

"""Who may pass, and when: every golden vector, asked directly and through an access list in a real SQLite file."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from protocol.access import (
    LOOKUP,
    SCHEMA,
    Kind,
    Row,
    credential_row,
    holder_from_row,
    holder_row,
    policies,
    reader_row,
    right_row,
    schedule_row,
    site_row,
    statement,
)
from protocol.decision import Granted, Lookup, PassageKind, Reason, grants_entry
from protocol.entitlement import Entitlement, Holder
from protocol.visit import is_new_visit, visit_day
from tests.vectors.decision_rows import Vector, VisitDay, documents, judge, vectors, visit_days

CARD = "em40:0010000342"
VECTORS = vectors()
every_vector = pytest.mark.parametrize("vector", [pytest.param(one, id=one.name) for one in VECTORS])
OF_ONE_SUBSCRIPTION = frozenset(
    {
        Reason.NO_RIGHT_AT_READER,
        Reason.OUTSIDE_SCHEDULE,
        Reason.NOT_STARTED,
        Reason.FROZEN,
        Reason.NOT_CHARGED,
        Reason.OVERDUE_INVOICE,
    }
)


@every_vector
def test_rules_give_the_verdict_that_was_typed_by_hand(vector: Vector) -> None:
    verdict = vector.verdict()
    assert (type(verdict), verdict) == (type(vector.then), vector.then)


@every_vector
def test_rules_give_the_same_verdict_about_what_an_access_list_file_holds(vector: Vector, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "access.sqlite")) as file:
        file.executescript("PRAGMA synchronous = OFF;" + SCHEMA)
        for row in rows_of(vector):
            file.execute(*statement(row))
        file.commit()
        found = file.execute(LOOKUP, (CARD,)).fetchone()
        list_ = policies(Row(Kind(kind), key, body) for kind, key, body in file.execute("SELECT * FROM policy"))
    holder: Lookup = holder_from_row(*found) if found else None
    if vector.holder == "ambiguous":  # the file names one owner a card; who finds more says so
        holder = vector.holder
    assert judge(vector, holder, list_.site, list_.readers[vector.reader]) == vector.then


@pytest.mark.parametrize(
    ("vector", "entitlement"),
    [
        pytest.param(one, one.holder.entitlements[0], id=one.name)
        for one in VECTORS
        if isinstance(one.holder, Holder) and len(one.holder.entitlements) == 1 and not one.holder.punch_cards
    ],
)
def test_predicate_of_one_subscription_agrees_with_the_whole_decision(vector: Vector, entitlement: Entitlement) -> None:
    grants = grants_entry(entitlement, vector.readers[vector.reader], vector.site, vector.now)
    assert grants == (not OF_ONE_SUBSCRIPTION & set(vector.then.all_reasons))


@every_vector
def test_predicate_of_a_new_visit_agrees_with_a_sound_entry(vector: Vector) -> None:
    then = vector.then
    sound_entry = isinstance(then, Granted) and then.passage is PassageKind.IN and not then.all_reasons
    if isinstance(then, Granted) and sound_entry and vector.readers[vector.reader].counts_visits:
        assert is_new_visit(vector.open_visit, vector.now, vector.site) == then.new_visit
    else:
        assert not (isinstance(then, Granted) and then.new_visit)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in visit_days()])
def test_visit_day_is_the_one_that_was_typed_by_hand(row: VisitDay) -> None:
    assert visit_day(row.local, row.rollover) == row.day


def test_vectors_are_many_and_each_says_what_it_shows() -> None:
    rows = documents("decisions")
    names = [row["id"] for row in rows]
    assert len(rows) >= 150
    assert sorted(names) == sorted(set(names))
    assert [row["id"] for row in rows if len(row["id"].split()) < 4] == []
    assert [row["id"] for row in rows if not re.fullmatch(r"[A-D]-[0-9]{2}", row["req"])] == []
    questions = [repr(sorted(row["given"].items())) for row in rows]
    assert [one for one in questions if questions.count(one) > 1] == []


def test_every_reason_is_refused_with_in_some_vector() -> None:
    refused = {vector.then.reason for vector in VECTORS if not isinstance(vector.then, Granted)}
    assert refused == set(Reason) - {Reason.OK}


def rows_of(vector: Vector) -> Iterator[Row]:
    """The access list that says what the vector says."""
    yield site_row(vector.site)
    for reader in vector.readers.values():
        yield reader_row(reader)
    for key, right in vector.rights.items():
        if right.schedule is not None:
            yield schedule_row(f"of {key}", right.schedule)
        yield right_row(key, right.readers, f"of {key}" if right.schedule is not None else None)
    if isinstance(vector.holder, Holder):
        yield holder_row(vector.holder)
        yield credential_row(CARD, vector.holder.person, vector.holder.status)

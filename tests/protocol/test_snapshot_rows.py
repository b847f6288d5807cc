"""The rows of an access list come back from a real file as they went in, and go away when told to."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import date

import pytest
from hypothesis import given, strategies as st

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
from protocol.entitlement import CredentialStatus, Holder, PunchCard
from protocol.identity import EntitlementId, Epoch, PersonId, ReaderId, RightId, SiteId
from protocol.policy import ReaderPolicy, Schedule, SitePolicy
from tests.protocol.strategies import holders, ids, readers, schedules, sites
from tests.vectors.decision_rows import vector

CARD = "em40:00009897D6"
FIXTURE = vector({"id": "", "req": "", "given": {"now": "2026-03-10T09:00:00+01:00"}, "then": {"granted": True}})


@contextmanager
def holding(rows: Iterable[Row]) -> Iterator[sqlite3.Connection]:
    """An access list with these rows, in memory: the same SQLite, the same tables."""
    with closing(sqlite3.connect(":memory:")) as file:
        file.executescript(SCHEMA)
        for row in rows:
            file.execute(*statement(row))
        yield file


def policy_rows(file: sqlite3.Connection) -> list[Row]:
    return [Row(Kind(kind), key, body) for kind, key, body in file.execute("SELECT kind, id, body FROM policy")]


@given(holders)
def test_holder_comes_back_as_it_went_in(holder: Holder) -> None:
    rows = [holder_row(holder), credential_row(CARD, holder.person, holder.status)]
    with holding(rows) as file:
        assert holder_from_row(*file.execute(LOOKUP, (CARD,)).fetchone()) == holder


@given(sites, st.lists(readers, max_size=3, unique_by=lambda reader: reader.reader), st.data())
def test_policies_come_back_as_they_went_in(site: SitePolicy, some: list[ReaderPolicy], data: st.DataObject) -> None:
    names = st.sets(st.sampled_from([one.reader for one in some])) if some else st.just(set[ReaderId]())
    rights = data.draw(st.dictionaries(ids.map(RightId), st.tuples(names, st.none() | schedules), max_size=3))
    rows = [site_row(site), *(reader_row(reader) for reader in some)]
    for key, (allowed, plan) in rights.items():
        if plan is not None:
            rows.append(schedule_row(f"s-{key}", plan))
        rows.append(right_row(key, allowed, None if plan is None else f"s-{key}"))
    with holding(rows) as file:
        found = policies(policy_rows(file))
    assert found.site == site
    assert found.readers == {
        one.reader: one._replace(rights={key: plan for key, (allowed, plan) in rights.items() if one.reader in allowed})
        for one in some
    }


@given(schedules)
def test_schedule_comes_back_through_the_right_that_names_it(schedule: Schedule) -> None:
    reader = FIXTURE.readers[ReaderId("RD-IN")]
    right = RightId("MORNING")
    rows = [
        site_row(FIXTURE.site),
        reader_row(reader),
        schedule_row("s-1", schedule),
        right_row(right, [reader.reader], "s-1"),
    ]
    assert policies(rows).readers[reader.reader].rights == {right: schedule}


def test_row_put_twice_is_there_once_as_it_was_put_last() -> None:
    first = Holder(PersonId("M1001"), CredentialStatus.ACTIVE, (), blocked=True)
    rows = [holder_row(first), holder_row(first._replace(blocked=False)), *cards(CredentialStatus.ACTIVE)]
    with holding([*rows, *cards(CredentialStatus.BLOCKED)]) as file:
        found = holder_from_row(*file.execute(LOOKUP, (CARD,)).fetchone())
    assert found == first._replace(blocked=False, status=CredentialStatus.BLOCKED)


def test_credential_that_is_gone_is_unknown() -> None:
    with holding([*cards(CredentialStatus.ACTIVE), Row(Kind.CREDENTIAL, CARD, None)]) as file:
        assert file.execute(LOOKUP, (CARD,)).fetchone() is None


def test_credential_of_a_person_who_is_gone_holds_nothing() -> None:
    holder = Holder(PersonId("M1001"), CredentialStatus.ACTIVE, (), blocked=True)
    with holding([holder_row(holder), *cards(CredentialStatus.ACTIVE), Row(Kind.HOLDER, "M1001", None)]) as file:
        found = holder_from_row(*file.execute(LOOKUP, (CARD,)).fetchone())
    assert found == Holder(PersonId("M1001"), CredentialStatus.ACTIVE, ())


@pytest.mark.parametrize("kind", [Kind.SITE, Kind.READER, Kind.SCHEDULE, Kind.RIGHT])
def test_policy_row_that_is_gone_leaves_the_others(kind: Kind) -> None:
    rows = fixture_rows()
    gone = next(row for row in rows if row.kind is kind)
    with holding([*rows, Row(kind, gone.id, None)]) as file:
        left = policy_rows(file)
    assert sorted(left) == sorted(row for row in rows if row != gone)


def test_removing_what_is_not_there_is_no_error() -> None:
    with holding(Row(kind, "nobody", None) for kind in Kind) as file:
        tables = ("policy", "holder", "credential")
        assert [file.execute(f"SELECT count(*) FROM {table}").fetchone() for table in tables] == [(0,)] * 3  # noqa: S608


def test_ids_of_different_kinds_do_not_meet() -> None:
    rows = [site_row(FIXTURE.site._replace(site=SiteId("X"))), Row(Kind.RIGHT, "X", '{"readers":[],"schedule":null}')]
    with holding([*rows, Row(Kind.RIGHT, "X", None)]) as file:
        assert [row.kind for row in policy_rows(file)] == [Kind.SITE]


def test_right_whose_schedule_is_gone_makes_the_whole_list_unusable() -> None:
    rows = [row for row in fixture_rows() if row.kind is not Kind.SCHEDULE]
    with pytest.raises(ValueError, match="cannot read"):
        policies(rows)


@pytest.mark.parametrize(("number", "rows"), [(0, 0), (2, 2)])
def test_list_names_exactly_one_site(number: int, rows: int) -> None:
    sites_ = [site_row(FIXTURE.site._replace(site=SiteId(f"F{n}"))) for n in range(rows)]
    with pytest.raises(ValueError, match=f"names {number} sites instead of one"):
        policies(sites_)


@pytest.mark.parametrize(
    "body",
    [
        '{"zone":"Europe/Stockholm"}',
        '{"zone":"Nowhere/Land","rollover":0,"charge_grace_days":0,"occupancy_limit":0}',
        "[]",
    ],
)
def test_site_row_nobody_can_read_makes_the_whole_list_unusable(body: str) -> None:
    with pytest.raises(ValueError, match="cannot read"):
        policies([Row(Kind.SITE, "F1", body)])


@pytest.mark.parametrize(("field", "word"), [("kind", "UP"), ("mode", "open"), ("exit_policy", "never")])
def test_reader_row_with_a_word_of_the_future_makes_the_whole_list_unusable(field: str, word: str) -> None:
    row = reader_row(FIXTURE.readers[ReaderId("RD-IN")])
    assert row.body is not None
    value = getattr(FIXTURE.readers[ReaderId("RD-IN")], field)
    changed = row._replace(body=row.body.replace(f'"{field}":"{value}"', f'"{field}":"{word}"'))
    assert changed != row
    with pytest.raises(ValueError, match=word):
        policies([site_row(FIXTURE.site), changed])


def test_body_of_a_holder_is_the_compact_text_the_edges_know() -> None:
    row = holder_row(FIXTURE.holder) if isinstance(FIXTURE.holder, Holder) else None
    assert row == Row(
        Kind.HOLDER, "M1001", '[false,null,false,null,[["SUB-1","ER-GYM","2025-06-01","2026-03-31",[],null]]]'
    )
    assert credential_row(CARD, PersonId("M1001"), CredentialStatus.ACTIVE) == Row(
        Kind.CREDENTIAL, CARD, '["M1001","active"]'
    )


def test_punch_cards_of_a_holder_stand_behind_the_subscriptions() -> None:
    card = PunchCard(EntitlementId("PC-1"), RightId("ER-GYM"), date(2026, 6, 30), 9, {Epoch("00c0ffee00c0ffee"): 17})
    holder = Holder(PersonId("M1001"), CredentialStatus.ACTIVE, (), punch_cards=(card,))
    assert holder_row(holder) == Row(
        Kind.HOLDER,
        "M1001",
        '[false,null,false,null,[],[["PC-1","ER-GYM","2026-06-30",9,{"00c0ffee00c0ffee":17}]]]',
    )


@pytest.mark.parametrize(
    ("row", "name", "word"),
    [
        pytest.param(Row(Kind.READER, "RD-X", '{"lane":"L-X","kind":"UP"}'), "reader row 'RD-X'", "UP", id="kind"),
        pytest.param(Row(Kind.READER, "RD-X", "{"), "reader row 'RD-X'", "JSON", id="no JSON"),
        pytest.param(Row(Kind.READER, "RD-X", "[]"), "reader row 'RD-X'", "TypeError", id="no object"),
        pytest.param(
            Row(Kind.RIGHT, "ER-X", '{"readers":[],"schedule":"s-9"}'), "right row 'ER-X'", "s-9", id="schedule"
        ),
        pytest.param(
            Row(Kind.SCHEDULE, "s-9", '{"weekly":[[5]],"exceptions":{}}'), "schedule row 's-9'", "", id="interval"
        ),
        pytest.param(
            Row(Kind.SCHEDULE, "s-9", '{"weekly":[],"exceptions":{"soon":[]}}'), "schedule row 's-9'", "soon", id="day"
        ),
    ],
)
def test_row_nobody_can_read_is_named_with_what_to_do_next(row: Row, name: str, word: str) -> None:
    with pytest.raises(ValueError, match=name) as refusal:
        policies([site_row(FIXTURE.site), row])
    assert word in str(refusal.value).replace("Expecting property name", "JSON")
    assert "update the edge" in str(refusal.value)


def cards(status: CredentialStatus) -> list[Row]:
    return [credential_row(CARD, PersonId("M1001"), status)]


def fixture_rows() -> list[Row]:
    right = FIXTURE.rights[RightId("ER-GYM")]
    assert right.schedule is not None
    return [
        site_row(FIXTURE.site),
        *(reader_row(reader) for reader in FIXTURE.readers.values()),
        schedule_row("s-1", right.schedule),
        right_row(RightId("ER-GYM"), right.readers, "s-1"),
    ]

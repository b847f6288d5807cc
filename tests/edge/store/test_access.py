"""The access list: whole, never backwards, there after a restart without a network."""

import sqlite3
import threading
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from edge.store.access import AccessStore, Gap, Refused
from protocol.access import Kind, Row, credential_row
from protocol.decision import Denied, Granted, Reason, decide
from protocol.entitlement import AMBIGUOUS, CredentialStatus, Holder
from protocol.identity import PersonId, SiteId
from tests.edge.store.lists import ENTRANCE, SITE, delta, member, site, snapshot

NINE = datetime(2026, 3, 10, 8, 0, tzinfo=UTC)
CARD_1, CARD_2 = "em40:0000000001", "em40:0000000002"


def opened(folder: Path) -> AccessStore:
    return AccessStore.open(folder, site=SITE)


def stocked(folder: Path, revision: int = 12) -> AccessStore:
    store = opened(folder)
    store.install(snapshot(store.draft(), revision, [*member(1), *member(2)]))
    return store


def verdict(store: AccessStore, card: str) -> Granted | Denied:
    assert store.policies is not None
    holder = store.lookup(card)
    return decide(holder, reader=store.policies.readers[ENTRANCE], site=store.policies.site, now=NINE)


def test_an_edge_without_a_list_knows_nobody_and_says_so(tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert (store.revision, store.policies, store.lookup(CARD_1)) == (0, None, None)
    assert "no access list yet" in store.problems()[0]


def test_an_installed_list_decides_from_the_next_lookup_on(tmp_path: Path) -> None:
    store = stocked(tmp_path)
    assert isinstance(verdict(store, CARD_1), Granted)
    assert store.lookup("em40:00000000ff") is None
    assert (store.revision, store.problems()) == (12, ())
    store.close()


@pytest.mark.req("A-47")
def test_after_a_power_cycle_without_network_v12_decides_and_a_half_received_v13_is_discarded(tmp_path: Path) -> None:
    before = stocked(tmp_path, revision=12)
    whole = snapshot(tmp_path / "v13", 13, [*member(1, blocked=True)]).read_bytes()
    before.draft().write_bytes(whole[: len(whole) // 2])
    # No close(): the power goes. What follows has nothing but the folder.
    after = opened(tmp_path)
    assert after.revision == 12
    assert isinstance(verdict(after, CARD_1), Granted)
    assert isinstance(verdict(after, CARD_2), Granted)
    assert not after.draft().exists()
    after.close()


def test_a_half_received_list_is_refused_even_when_somebody_installs_it(tmp_path: Path) -> None:
    store = stocked(tmp_path)
    whole = snapshot(tmp_path / "v13", 13, [row for n in range(500) for row in member(n)]).read_bytes()
    store.draft().write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Refused):
        store.install(store.draft())
    assert isinstance(verdict(store, CARD_1), Granted)
    assert store.revision == 12
    store.close()


@pytest.mark.parametrize(
    ("revision", "of", "form", "policy", "says"),
    [
        pytest.param(12, SITE, 1, True, "12 is not newer than 12", id="same revision"),
        pytest.param(11, SITE, 1, True, "11 is not newer than 12", id="older revision"),
        pytest.param(13, "F2", 1, True, "of site F2", id="another site"),
        pytest.param(13, SITE, 2, True, "format 2", id="a format of tomorrow"),
        pytest.param(13, SITE, 1, False, "names 0 sites", id="no rules in it"),
    ],
)
def test_a_list_that_does_not_fit_is_refused_and_the_one_in_use_stays(
    tmp_path: Path, revision: int, of: str, form: int, says: str, *, policy: bool
) -> None:
    store = stocked(tmp_path)
    with pytest.raises(Refused, match=says):
        store.install(snapshot(store.draft(), revision, of=of, form=form, policy=policy))
    assert (store.revision, isinstance(verdict(store, CARD_1), Granted)) == (12, True)
    store.close()


def test_an_empty_file_never_wipes_the_list(tmp_path: Path) -> None:
    store = stocked(tmp_path)
    store.draft().touch()
    with pytest.raises(Refused):
        store.install(store.draft())
    assert isinstance(verdict(store, CARD_1), Granted)
    store.close()


def test_a_delta_changes_people_and_rules_together(tmp_path: Path) -> None:
    store = stocked(tmp_path)
    store.apply(
        delta(12, 14, [*member(1, blocked=True), Row(Kind.CREDENTIAL, CARD_2, None), site(charge_grace_days=3)])
    )
    answer = verdict(store, CARD_1)
    assert isinstance(answer, Denied)
    assert answer.reason is Reason.PERSON_BLOCKED
    assert store.lookup(CARD_2) is None
    assert store.policies is not None
    assert (store.revision, store.policies.site.charge_grace_days) == (14, 3)
    store.close()


def test_a_delta_is_there_after_a_power_cut(tmp_path: Path) -> None:
    store = stocked(tmp_path)
    store.apply(delta(12, 13, member(1, blocked=True)))
    after = opened(tmp_path)
    assert (after.revision, isinstance(verdict(after, CARD_1), Denied)) == (13, True)
    after.close()


@pytest.mark.parametrize(("since", "to"), [(11, 12), (13, 14), (12, 12), (12, 11)])
def test_a_delta_that_does_not_continue_the_list_in_use_is_a_gap_and_changes_nothing(
    tmp_path: Path, since: int, to: int
) -> None:
    store = stocked(tmp_path)
    with pytest.raises(Gap):
        store.apply(delta(since, to, member(1, blocked=True)))
    assert (store.revision, isinstance(verdict(store, CARD_1), Granted)) == (12, True)
    store.close()


def test_a_delta_before_any_list_is_a_gap(tmp_path: Path) -> None:
    with pytest.raises(Gap):
        opened(tmp_path).apply(delta(0, 1, member(1)))


def test_a_delta_of_another_site_is_refused(tmp_path: Path) -> None:
    store = stocked(tmp_path)
    with pytest.raises(Refused, match="site F2"):
        store.apply(delta(12, 13, member(1, blocked=True), of="F2"))
    store.close()


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(Row(Kind.READER, ENTRANCE, '{"lane":"L1"}'), id="rule with parts missing"),
        pytest.param(Row(Kind.READER, ENTRANCE, "no json"), id="rule that is no JSON"),
        pytest.param(Row(Kind.CREDENTIAL, "em40:x", '["only one"]'), id="credential without a status"),
        pytest.param(Row(Kind.SITE, SITE, None), id="the site itself removed"),
    ],
)
def test_a_delta_with_one_unreadable_row_is_not_applied_at_all(tmp_path: Path, bad: Row) -> None:
    store = stocked(tmp_path)
    with pytest.raises(Refused):
        store.apply(delta(12, 13, [*member(1, blocked=True), bad]))
    assert (store.revision, isinstance(verdict(store, CARD_1), Granted)) == (12, True)
    store.close()
    after = opened(tmp_path)
    assert (after.revision, isinstance(verdict(after, CARD_1), Granted)) == (12, True)
    after.close()


def test_a_full_list_after_deltas_replaces_all_of_them(tmp_path: Path) -> None:
    store = stocked(tmp_path)
    store.apply(delta(12, 13, member(1, blocked=True)))
    store.install(snapshot(store.draft(), 20, [*member(1)]))
    assert (store.revision, isinstance(verdict(store, CARD_1), Granted), store.lookup(CARD_2)) == (20, True, None)
    store.apply(delta(20, 21, member(2)))
    assert isinstance(verdict(store, CARD_2), Granted)
    store.close()
    after = opened(tmp_path)
    assert (after.revision, isinstance(verdict(after, CARD_2), Granted)) == (21, True)
    after.close()


def test_lookups_go_on_while_a_delta_is_being_written(tmp_path: Path) -> None:
    store = stocked(tmp_path)
    rows = [row for number in range(10, 3000) for row in member(number)]
    writing = threading.Thread(target=store.apply, args=(delta(12, 13, rows),))
    writing.start()
    answers = 0
    while writing.is_alive():
        assert isinstance(store.lookup(CARD_1), Holder)
        answers += 1
    writing.join()
    assert answers > 10
    assert isinstance(store.lookup("em40:0000000bb7"), Holder)
    store.close()


def test_a_card_several_people_answer_to_is_ambiguous(tmp_path: Path) -> None:
    store = opened(tmp_path)
    shared = credential_row(CARD_1, PersonId(AMBIGUOUS), CredentialStatus.ACTIVE)
    store.install(snapshot(store.draft(), 1, [shared]))
    assert store.lookup(CARD_1) == AMBIGUOUS
    store.close()


def test_a_member_charged_through_yesterday_is_refused_by_the_stored_list(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.install(snapshot(store.draft(), 1, member(1, charged_through=date(2026, 3, 9))))
    answer = verdict(store, CARD_1)
    assert isinstance(answer, Denied)
    assert answer.reason is Reason.NOT_CHARGED
    store.close()


def test_a_damaged_list_is_told_and_replaced_by_the_next_full_one(tmp_path: Path) -> None:
    stocked(tmp_path).close()
    (tmp_path / "access.db").write_bytes(b"not a database" * 500)
    store = opened(tmp_path)
    assert (store.revision, store.lookup(CARD_1)) == (0, None)
    assert "cannot be used" in store.problems()[0]
    store.install(snapshot(store.draft(), 13, member(1)))
    assert (store.revision, store.problems()) == (13, ())
    assert isinstance(verdict(store, CARD_1), Granted)
    store.close()


def test_a_list_of_another_site_left_in_the_folder_is_not_used(tmp_path: Path) -> None:
    stocked(tmp_path).close()
    store = AccessStore.open(tmp_path, site=SiteId("F9"))
    assert store.revision == 0
    assert "of site F1" in store.problems()[0]


def test_the_list_in_use_is_written_ahead_and_fully_synchronous(tmp_path: Path) -> None:
    store = stocked(tmp_path)
    store.apply(delta(12, 13, member(3)))
    assert store._writer is not None
    assert store._writer.conn.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._writer.conn.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._reader is not None
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store._reader.execute("DELETE FROM credential")
    store.close()

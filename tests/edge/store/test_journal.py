"""The journal: numbered without gaps, chained, forgotten only when central has it."""

import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.store.database import StoreError
from edge.store.journal import Appended, Journal
from edge.store.presence import EntryChange, PresenceChange, VisitChange
from protocol.clock import Trust
from protocol.identity import EdgeId, EventId, Identity, PersonId
from protocol.journal import MAX_BODY, chain
from protocol.visit import OpenVisit
from tests.fakes import FakeClock

EDGE = EdgeId("edge-1")
NINE = datetime(2026, 3, 10, 8, 0, tzinfo=UTC)


def opened(folder: Path, clock: FakeClock | None = None) -> Journal:
    return Journal.open(folder / "journal.db", edge=EDGE, clock=clock or FakeClock())


def body(sequence: int, event_id: EventId) -> str:
    return f'{{"n":{sequence},"id":"{event_id}"}}'


def append(journal: Journal, count: int) -> list[Appended]:
    entries = [journal.append(body) for _ in range(count)]
    for entry in entries:
        entry.committed.result(10)
    return entries


def test_entries_are_numbered_from_one_without_gaps_and_chained_from_the_epoch(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    entries = append(journal, 3)
    assert [e.sequence for e in entries] == [1, 2, 3]
    assert entries[0].hash == chain(journal.epoch, entries[0].body)
    assert entries[2].hash == chain(entries[1].hash, entries[2].body)
    assert entries[2].event_id == Identity(EDGE, journal.epoch, 3).event_id
    assert [(e.sequence, e.hash, e.body) for e in journal.read(1, 50, 64_000)] == [e[:1] + e[2:4] for e in entries]
    assert journal.verify() == 3
    journal.close()


def test_a_restart_goes_on_with_the_next_number_the_same_epoch_and_another_boot(tmp_path: Path) -> None:
    before = opened(tmp_path)
    append(before, 2)
    before.close()
    after = opened(tmp_path)
    assert (after.last, after.epoch) == (2, before.epoch)
    assert after.boot != before.boot
    assert append(after, 1)[0].sequence == 3
    assert after.verify() == 3
    after.close()


def test_two_journals_never_share_an_epoch(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    a, b = opened(tmp_path / "a"), opened(tmp_path / "b")
    assert a.epoch != b.epoch
    a.close()
    b.close()


def test_an_entry_cannot_be_read_before_it_is_on_the_medium(tmp_path: Path) -> None:
    stalled = threading.Event()
    journal = Journal.open(tmp_path / "journal.db", edge=EDGE, clock=FakeClock(), gate=lambda: stalled.wait(10))
    entry = journal.append(body)
    assert not entry.committed.done()
    assert (journal.last, journal.committed, journal.read(1, 50, 64_000)) == (1, 0, [])
    stalled.set()
    entry.committed.result(10)
    assert (journal.committed, len(journal.read(1, 50, 64_000))) == (1, 1)
    journal.close()


def test_what_waits_while_a_sync_is_under_way_goes_into_one_commit(tmp_path: Path) -> None:
    commits: list[int] = []
    first = threading.Event()
    journal = Journal.open(
        tmp_path / "journal.db",
        edge=EDGE,
        clock=FakeClock(),
        gate=lambda: first.wait(10),
        on_commit=commits.append,
    )
    entries = [journal.append(body)]
    while journal._writer._queue:
        threading.Event().wait(0.001)
    entries += [journal.append(body) for _ in range(20)]
    first.set()
    for entry in entries:
        entry.committed.result(10)
    assert commits == [1, 21]
    journal.close()


def test_giving_up_waiting_does_not_take_an_entry_back(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    entry = journal.append(body)
    assert not entry.committed.cancel()
    journal.close()
    assert entry.committed.result(0) is None
    assert opened_once_more_has(tmp_path, 1)


def opened_once_more_has(folder: Path, last: int) -> bool:
    journal = opened(folder)
    found = journal.verify() == last == journal.last
    journal.close()
    return found


def test_a_body_too_long_for_central_is_refused_and_uses_no_number(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    with pytest.raises(ValueError, match="8000 is the most"):
        journal.append(lambda _s, _e: "å" * (MAX_BODY // 2 + 1))
    assert append(journal, 1)[0].sequence == 1
    journal.close()


def test_a_read_gives_no_more_bytes_than_asked_but_at_least_one_entry(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    for _ in range(4):
        journal.append(lambda _s, _e: "x" * 1000).committed.result(10)
    assert [e.sequence for e in journal.read(2, 50, 2_200)] == [2, 3]
    assert [e.sequence for e in journal.read(2, 50, 10)] == [2]
    assert [e.sequence for e in journal.read(2, 1, 64_000)] == [2]
    assert journal.read(5, 50, 64_000) == []
    journal.close()


# --- acknowledged -----------------------------------------------------------------------------------------------------


def test_an_acknowledgement_counts_only_with_the_hash_of_that_entry(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    entries = append(journal, 3)
    assert not journal.acknowledge(2, entries[0].hash)
    assert journal.acknowledged == 0
    assert any("acknowledges entry 2 with a hash this journal does not have" in p for p in journal.problems())
    assert journal.acknowledge(2, entries[1].hash)
    assert journal.acknowledged == 2
    assert not any("acknowledges" in p for p in journal.problems())
    journal.close()


def test_central_knowing_more_than_the_journal_is_an_alarm_not_progress(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    append(journal, 1)
    assert not journal.acknowledge(7, "0" * 32)
    assert journal.acknowledged == 0
    assert any("its last is 1" in p for p in journal.problems())
    journal.close()


def test_acknowledged_survives_a_clean_end_and_repeats_are_fine(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    entries = append(journal, 3)
    assert journal.acknowledge(0, journal.epoch)
    assert journal.acknowledge(3, entries[2].hash)
    assert journal.acknowledge(3, entries[2].hash)
    assert not journal.acknowledge(2, entries[1].hash)
    journal.close()
    again = opened(tmp_path)
    assert again.acknowledged == 3
    again.close()


def test_entries_stay_seven_days_after_the_acknowledgement_and_the_newest_for_ever(tmp_path: Path) -> None:
    clock = FakeClock(NINE)
    journal = opened(tmp_path, clock)
    entries = append(journal, 5)
    journal.acknowledge(4, entries[3].hash)
    append(journal, 1)
    clock.advance(timedelta(days=7, minutes=-1))
    journal.prune(clock.read().wall)
    journal.close()
    journal = opened(tmp_path, clock)
    assert journal.read(1, 1, 64_000)[0].sequence == 1
    clock.advance(timedelta(hours=1))
    journal.prune(clock.read().wall)
    journal.close()
    journal = opened(tmp_path, clock)
    assert [e.sequence for e in journal.read(1, 50, 64_000)] == [5, 6]
    assert journal.last == 6
    journal.close()


def test_an_unset_clock_prunes_nothing(tmp_path: Path) -> None:
    clock = FakeClock(NINE)
    journal = opened(tmp_path, clock)
    entries = append(journal, 3)
    journal.acknowledge(3, entries[2].hash)
    append(journal, 1)
    clock.trust = Trust.UNSET
    journal.prune(NINE + timedelta(days=400))
    journal.close()
    assert opened_once_more_has(tmp_path, 4)


def test_a_rewind_takes_acknowledgements_back_as_far_as_entries_are_kept(tmp_path: Path) -> None:
    clock = FakeClock(NINE)
    journal = opened(tmp_path, clock)
    entries = append(journal, 5)
    journal.acknowledge(3, entries[2].hash)
    append(journal, 1)
    clock.advance(timedelta(days=8))
    journal.acknowledge(5, entries[4].hash)
    journal.prune(clock.read().wall)
    journal.close()
    journal = opened(tmp_path, clock)
    assert journal.rewind(5) == 5
    assert journal.acknowledged == 4
    assert journal.rewind(2) == 4
    assert journal.acknowledged == 3
    assert journal.rewind(9) == 9
    assert journal.acknowledged == 3
    journal.close()


# --- presence ---------------------------------------------------------------------------------------------------------

ANNA = PersonId("p-anna")


def test_presence_counts_at_once_and_is_there_after_a_restart(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    visit = OpenVisit(EventId("v-1"), NINE.date())
    entered = PresenceChange((VisitChange(ANNA, visit),), (EntryChange("em40:1", "B1", NINE),))
    journal.append(body, presence=entered)
    assert journal.presence.visit(ANNA) == visit
    assert journal.presence.inside(NINE.date()) == 1
    journal.close()
    journal = opened(tmp_path)
    assert journal.presence.visit(ANNA) == visit
    assert journal.presence.last_entry("em40:1", "B1") == NINE
    assert journal.presence.last_entry("em40:1", "B2") is None
    assert journal.presence.inside(NINE.date()) == 1
    assert journal.presence.inside(NINE.date() + timedelta(days=1)) == 0
    left = PresenceChange((VisitChange(ANNA, None),), (EntryChange("em40:1", "B1", None),))
    journal.append(body, presence=left)
    journal.close()
    journal = opened(tmp_path)
    assert journal.presence.visit(ANNA) is None
    assert journal.presence.last_entry("em40:1", "B1") is None
    assert journal.presence.inside(NINE.date()) == 0
    journal.close()


def test_presence_of_last_week_is_forgotten_when_pruning(tmp_path: Path) -> None:
    clock = FakeClock(NINE)
    journal = opened(tmp_path, clock)
    visit = OpenVisit(EventId("v-1"), NINE.date())
    change = PresenceChange((VisitChange(ANNA, visit),), (EntryChange("em40:1", "B1", NINE),))
    journal.append(body, presence=change)
    clock.advance(timedelta(days=7))
    journal.prune(clock.read().wall)
    journal.close()
    journal = opened(tmp_path, clock)
    assert journal.presence.visit(ANNA) is None
    assert journal.presence.last_entry("em40:1", "B1") is None
    journal.close()


# --- files that are not what they should be ---------------------------------------------------------------------------


def test_an_emptied_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "journal.db").touch()
    with pytest.raises(StoreError, match=r"no journal of ours.*nothing was changed"):
        opened(tmp_path)
    assert (tmp_path / "journal.db").exists()


def test_a_file_of_noise_is_refused_and_left_alone(tmp_path: Path) -> None:
    noise = bytes(range(1, 251)) * 20
    (tmp_path / "journal.db").write_bytes(noise)
    with pytest.raises(StoreError, match="not a readable database"):
        opened(tmp_path)
    assert (tmp_path / "journal.db").read_bytes() == noise


def test_a_journal_that_has_gone_while_its_companions_stayed_is_not_made_anew(tmp_path: Path) -> None:
    opened(tmp_path).close()
    (tmp_path / "journal.db").unlink()
    with pytest.raises(StoreError, match="Bring the file back"):
        opened(tmp_path)
    assert not (tmp_path / "journal.db").exists()


def test_a_journal_of_another_edge_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with pytest.raises(StoreError, match="belongs to edge edge-1, but this is edge-2"):
        Journal.open(tmp_path / "journal.db", edge=EdgeId("edge-2"), clock=FakeClock())


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("UPDATE entry SET body = 'forged' WHERE sequence = 9", "entry 9 does not continue the chain"),
        ("DELETE FROM entry WHERE sequence = 8", "entry 8 is missing"),
        ("DELETE FROM journal", "names 0 epochs"),
    ],
)
def test_a_journal_that_was_tampered_with_is_refused(tmp_path: Path, damage: str, says: str) -> None:
    journal = opened(tmp_path)
    append(journal, 10)
    journal.close()
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        connection.execute(damage)
    connection.close()
    with pytest.raises(StoreError, match=says):
        opened(tmp_path)


def test_a_half_made_journal_never_gets_its_name(tmp_path: Path) -> None:
    (tmp_path / "journal.db.new").write_bytes(b"half")
    journal = opened(tmp_path)
    append(journal, 1)
    journal.close()
    assert not list(tmp_path.glob("*.new*"))
    assert opened_once_more_has(tmp_path, 1)


def test_the_file_is_write_ahead_and_fully_synchronous(tmp_path: Path) -> None:
    seen: list[object] = []

    def look() -> None:  # in the writer's thread, whose connection it is
        ask = journal._writer._database.conn.execute
        seen.extend(ask(f"PRAGMA {name}").fetchone() for name in ("journal_mode", "synchronous", "mmap_size"))

    journal = Journal.open(tmp_path / "journal.db", edge=EDGE, clock=FakeClock(), gate=look)
    append(journal, 1)
    journal.close()
    mode, synchronous, mapped = seen[:3]
    assert (mode, synchronous) == (("wal",), (2,))
    assert mapped in {(0,), None}


def test_a_thousand_entries_take_less_than_600_bytes_each_beyond_the_empty_journal(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    append(journal, 1)
    pages = "SELECT page_count - freelist_count FROM pragma_page_count, pragma_freelist_count"
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        before = connection.execute(pages).fetchone()[0]
    waiting = [journal.append(lambda _s, _e: "x" * 420) for _ in range(1000)]
    waiting[-1].committed.result(10)
    used = connection.execute(pages).fetchone()[0] - before
    connection.close()
    journal.close()
    assert used * 4096 / 1000 < 600

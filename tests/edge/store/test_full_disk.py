"""A disk that is full or refuses: decisions go on, nothing unacknowledged is lost, the order stays (I-13)."""

import contextlib
import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path

import pytest

from edge.store.journal import Appended, Journal
from edge.store.presence import EntryChange, PresenceChange, VisitChange
from edge.store.spill import Line, Spill
from protocol.identity import EdgeId, EventId, PersonId
from protocol.journal import chain
from protocol.visit import OpenVisit
from tests.fakes import FakeClock

EDGE = EdgeId("edge-1")
NINE = FakeClock().wall


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"this machine lets nobody mount a tmpfs: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def opened(folder: Path) -> Journal:
    return Journal.open(folder / "journal.db", edge=EDGE, clock=FakeClock())


def append(journal: Journal) -> Appended:
    return journal.append(lambda sequence, event_id: json.dumps({"n": sequence, "id": event_id, "rest": "x" * 300}))


def append_until_refused(journal: Journal, limit: int = 20_000) -> list[Appended]:
    """Append one after the other until an entry is not on the medium within half a second."""
    entries: list[Appended] = []
    while len(entries) < limit:
        entries.append(append(journal))
        if not wait([entries[-1].committed], 0.5).done:
            return entries
    pytest.fail(f"{limit} entries fitted")


def fill(folder: Path, leave: int = 0) -> None:
    """Let somebody else take the rest of the disk."""
    found = os.statvfs(folder)
    room = found.f_bavail * found.f_frsize - leave
    with contextlib.suppress(OSError), (folder / "somebody-elses-log").open("ab", buffering=0) as file:
        for _ in range(max(0, room) // 4096):
            file.write(b"x" * 4096)


def eventually(condition: object, seconds: float = 10) -> None:
    deadline = time.perf_counter() + seconds
    while not condition():  # type: ignore[operator]
        assert time.perf_counter() < deadline, "did not happen in time"
        time.sleep(0.01)  # noqa: TID251 – waits for a real disk


def bodies(journal: Journal) -> list[int]:
    return [json.loads(entry.body)["n"] for entry in journal.read(1, 1_000_000, 1 << 40)]


def test_a_full_disk_takes_entries_from_the_reserves_then_from_memory_and_loses_none(small_disk: Path) -> None:
    journal = opened(small_disk)
    entries = append_until_refused(journal)
    durable = [entry for entry in entries if entry.committed.done()]
    # Appending itself goes on: the decision never waits for room.
    entries += [append(journal) for _ in range(10)]
    assert journal.last == len(entries)
    eventually(lambda: "entries in memory only" in " / ".join(journal.problems()))
    problems = " / ".join(journal.problems())
    assert "disk of" in problems
    assert "80% full" in problems or "95% full" in problems
    assert "ballast" in problems
    # Far more were taken than the database alone could hold: ballast and second journal did their work.
    assert len(durable) - journal.committed > 150
    # Central takes what there is; the acknowledged rows make room; everything gets into the database, in order.
    while journal.acknowledged < len(entries):
        head = journal.read(journal.committed, 1, 1)[0]
        assert journal.acknowledge(head.sequence, head.hash)
        eventually(lambda: journal.committed > journal.acknowledged or journal.committed == len(entries))
    eventually(lambda: all(entry.committed.done() for entry in entries))
    kept = bodies(journal)
    assert kept == list(range(kept[0], len(entries) + 1))
    assert not any("memory" in problem or ".spill" in problem for problem in journal.problems())
    journal.close()
    again = opened(small_disk)
    assert again.last == len(entries)
    again.close()


def test_what_is_in_the_second_journal_survives_a_power_cut_and_comes_back_in_order(small_disk: Path) -> None:
    journal = opened(small_disk)
    entries = append_until_refused(journal)
    durable = sum(entry.committed.done() for entry in entries)
    assert durable > journal.committed
    # The power goes: the folder as it is now, on a disk with more room.
    copy = small_disk.parent / "copy"
    copy.mkdir()
    for file in small_disk.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    after = opened(copy)
    assert after.last == durable
    append(after).committed.result(10)
    assert bodies(after) == list(range(1, durable + 2))
    assert after.verify() == durable + 1
    after.close()
    journal.close()


def test_when_somebody_else_filled_the_disk_entries_go_on_and_room_brings_them_into_the_database(
    small_disk: Path,
) -> None:
    journal = opened(small_disk)
    for _ in range(20):
        append(journal).committed.result(10)
    fill(small_disk)
    entries = [append(journal) for _ in range(250)]
    wait([entry.committed for entry in entries], 5)
    assert sum(entry.committed.done() for entry in entries) > 150
    (small_disk / "somebody-elses-log").unlink()
    eventually(lambda: journal.committed == 270)
    assert bodies(journal) == list(range(1, 271))
    assert journal.verify() == 270
    for _ in range(30):
        append(journal).committed.result(10)
    eventually(lambda: not any("ballast" in problem for problem in journal.problems()))
    journal.close()


def test_acknowledged_rows_are_given_up_first_and_unacknowledged_ones_never(small_disk: Path) -> None:
    journal = opened(small_disk)
    entries = [append(journal) for _ in range(300)]
    entries[-1].committed.result(20)
    journal.acknowledge(200, entries[199].hash)
    fill(small_disk)
    later = [append(journal) for _ in range(600)]
    wait([entry.committed for entry in later], 2)
    (small_disk / "somebody-elses-log").unlink()
    eventually(lambda: journal.committed == 900)
    kept = bodies(journal)
    assert kept[0] > 1
    assert kept[0] <= 201
    assert kept == list(range(kept[0], 901))
    journal.close()


def test_a_disk_full_from_the_start_still_opens_the_journal(small_disk: Path) -> None:
    journal = opened(small_disk)
    append(journal).committed.result(10)
    journal.close()
    fill(small_disk)
    journal = opened(small_disk)
    entries = [append(journal) for _ in range(20)]
    for entry in entries:
        entry.committed.result(10)
    assert journal.last == 21
    journal.close()


@pytest.mark.parametrize(("level", "leave"), [("50%", 0.45), ("80%", 0.17), ("95%", 0.03)])
def test_the_alarm_names_the_level_the_disk_has_reached(small_disk: Path, level: str, leave: float) -> None:
    journal = opened(small_disk)
    fill(small_disk, leave=int(leave * 1024 * 1024))
    assert any(f"is {level} full" in problem for problem in journal.problems())
    journal.close()


def test_an_input_output_error_is_survived_by_the_second_journal(tmp_path: Path) -> None:
    broken = True

    def gate() -> None:
        if broken:
            raise sqlite3.OperationalError("disk I/O error")

    journal = Journal.open(tmp_path / "journal.db", edge=EDGE, clock=FakeClock(), gate=gate)
    visit = OpenVisit(EventId("v-1"), NINE.date())
    change = PresenceChange((VisitChange(PersonId("p-1"), visit),), (EntryChange("em40:1", "B1", NINE),))
    journal.append(lambda _s, _e: "one", presence=change).committed.result(10)
    append(journal).committed.result(10)
    assert journal.committed == 0
    assert any("2 entries in journal.spill" in problem for problem in journal.problems())
    # A restart while the disk is still broken knows who is inside.
    lines = Spill(tmp_path / "journal.spill").read(0, journal.epoch)
    assert [line.sequence for line in lines] == [1, 2]
    assert lines[0].presence == change
    broken = False
    eventually(lambda: journal.committed == 2)
    journal.close()
    again = opened(tmp_path)
    assert (again.verify(), again.presence.visit(PersonId("p-1"))) == (2, visit)
    again.close()


def test_lines_left_over_from_an_older_use_of_the_second_journal_are_not_taken(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "journal.spill")
    spill.reserve()
    old = [Line(n, "f" * 32, "x" * 10, None) for n in range(1, 6)]
    spill.append(old)
    spill.clear()
    first = Line(8, chain("e" * 32, "new"), "new", None)
    spill.append([first])
    assert Spill(spill.path).read(7, "e" * 32) == [first]


def test_lines_the_database_already_has_are_passed_by(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "journal.spill")
    head, lines = "e" * 32, []
    for number in (1, 2, 3):
        head = chain(head, str(number))
        lines.append(Line(number, head, str(number), None))
    spill.append(lines)
    assert Spill(spill.path).read(2, lines[1].hash) == [lines[2]]
    assert Spill(spill.path).read(3, lines[2].hash) == []


def test_a_half_written_last_line_does_not_count(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "journal.spill")
    one = Line(1, chain("e" * 32, "one"), "one", None)
    two = Line(2, chain(one.hash, "two"), "two", None)
    spill.append([one, two])
    text = spill.path.read_bytes()
    spill.path.write_bytes(text[:-8])
    assert Spill(spill.path).read(0, "e" * 32) == [one]

"""What the journal said is on the medium is there, whenever the process is killed (targets P8)."""

import random
import signal
import subprocess
import sys
from pathlib import Path

from edge.store.journal import Journal
from protocol.identity import EdgeId
from tests.fakes import FakeClock

KILLS = 20

CHILD = """
import asyncio, sys
from pathlib import Path
from edge.clock import SystemClock
from edge.store.journal import Journal

journal = Journal.open(Path(sys.argv[1]), edge="edge-1", clock=SystemClock())
out = sys.stdout

async def lane():
    while True:
        entry = journal.append(lambda sequence, event_id: f"{sequence} {event_id} " + "x" * 300)
        await asyncio.wrap_future(entry.committed)
        out.write(f"{entry.sequence} {entry.hash}\\n")
        out.flush()
        journal.acknowledge(entry.sequence // 2, (journal.read(entry.sequence // 2, 1, 1)[0].hash))

async def main():
    journal.append(lambda _s, _e: "first").committed.result()
    journal.append(lambda _s, _e: "second").committed.result()
    async with asyncio.TaskGroup() as lanes:
        for _ in range(4):
            lanes.create_task(lane())

asyncio.run(main())
"""


def test_every_entry_reported_durable_survives_sigkill_at_any_point(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    dice = random.Random(8)  # noqa: S311 – the same moments in every run
    reported: dict[int, str] = {}
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, path], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3], text=True
        ) as child:
            assert child.stdout is not None
            for _line in range(dice.randrange(1, 60)):
                line = child.stdout.readline()
                sequence, digest = line.split()
                reported[int(sequence)] = digest
            child.send_signal(signal.SIGKILL)
            for line in child.stdout:
                if line.endswith("\n"):
                    sequence, digest = line.split()
                    reported[int(sequence)] = digest
    assert len(reported) > KILLS
    journal = Journal.open(path, edge=EdgeId("edge-1"), clock=FakeClock())
    assert journal.verify() == journal.last >= max(reported)
    stored = {entry.sequence: entry.hash for entry in journal.read(1, 1_000_000, 1 << 40)}
    assert {sequence: stored.get(sequence) for sequence in reported} == reported
    journal.close()

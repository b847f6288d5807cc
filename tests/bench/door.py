"""P2 and P3: from the last byte of a card at the serial port to the edge of the relay's pin, on disks fast and slow."""

import os
import select
import shutil
import sqlite3
import statistics
import struct
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from edge.frames.encode import rdm6300_frame
from protocol.journal import BODY, OpenedFirst
from tests.bench.door_rig import CARDS
from tests.bench.measure import Effort, Outcome, Samples, Skipped, Target, figure, interleaved, percentile, ratios, span

SYNC_US: Final = 20_000
STALL_US: Final = 1_000_000
_LIMIT_S: Final = 20.0
_SLICE: Final = 10
_PAUSE_S: Final = 0.15
"""Between cards on the slow disk: a lane lets nobody else through while its pulse of 100 ms is on, and to end it is no
work of the next card."""
_SOURCE: Final = Path(__file__).with_name("slow_sync.c")


def run(effort: Effort, folder: Path) -> Iterator[Outcome]:
    """Take the figures of P3 on this disk, and of P2 on a slow one."""
    yield from _on_this_disk(effort, folder)
    library = _compiled(folder)
    if library is None:
        why = "no C compiler (cc) here to build the slow disk with; on Debian: apt-get install gcc"
        yield Skipped("P2", "relay with an emulated sync of 20 ms, and with a stalled disk", why)
        return
    yield from _on_a_slow_disk(effort, folder, library)
    yield from _on_a_stalled_disk(effort, folder, library)


def _on_this_disk(effort: Effort, folder: Path) -> Iterator[Outcome]:
    with ExitStack() as stack:
        recorded = stack.enter_context(Rig("recorded", folder))
        bare = stack.enter_context(Rig("bare", folder))
        slices = effort.of(12, 1)
        rounds = list(interleaved(effort.rounds, recorded.slice, bare.slice, slices=slices))
    pairs = [(one[0], one[1]) for one in rounds]
    ours = [percentile(one[0], 0.99) * 1e3 for one in rounds]
    yield figure("P3", "last byte → relay, recorded first: p99", "ms", ours, Target(5.0))
    yield ratios("P3", "the same to a bare thread with a synced file: p50", pairs, 0.50)
    yield ratios("P3", "the same to a bare thread with a synced file: p99", pairs, 0.99)


def _on_a_slow_disk(effort: Effort, folder: Path, library: Path) -> Iterator[Outcome]:
    with ExitStack() as stack:
        modes = ("recorded", "opens_first", "bare")
        recorded, first, bare = (
            stack.enter_context(Rig(mode, folder, library, SYNC_US, pause_s=_PAUSE_S)) for mode in modes
        )
        sides = (recorded.slice, first.slice, bare.slice)
        rounds = list(interleaved(effort.rounds, *sides, slices=effort.of(4, 1)))
    sync = SYNC_US / 1e6
    over = [(percentile(one[0], 0.99) - 0.002) / sync for one in rounds]
    took = statistics.median(percentile(one[0], 0.99) for one in rounds)
    what = "sync of 20 ms, recorded first: relay p99, less 2 ms"
    yield figure("P2", what, "syncs", over, Target(1.3), f"p99 {span(took)}")
    yield ratios("P2", "the same to file + fdatasync in line: p50", [(one[0], one[2]) for one in rounds], 0.50)
    took = statistics.median(percentile(one[1], 0.99) for one in rounds)
    early = [percentile(one[1], 0.50) / sync for one in rounds]
    yield figure("P2", "sync of 20 ms, opens first: relay p50", "syncs", early, Target(0.05))
    early = [percentile(one[1], 0.99) / sync for one in rounds]
    yield figure("P2", "sync of 20 ms, opens first: relay p99", "syncs", early, Target(0.05), f"p99 {span(took)}")


def _on_a_stalled_disk(effort: Effort, folder: Path, library: Path) -> Iterator[Outcome]:
    taken: Samples = []
    with Rig("recorded", folder, library, 0) as rig:
        rig.slice()
        for _ in range(effort.of(5, 1)):
            rig.delay(STALL_US)
            taken.append(rig.card() * 1e3)
            rig.delay(0)
            rig.card_late()
        path = rig.folder
    marks = _marks(path)
    yield figure("P2", "disk stalled for 1 s: relay", "ms", taken, Target(160.0))
    yield figure(
        "P2", "disk stalled for 1 s: entries marked", "of all", [marks / len(taken)], Target(1.0, at_least=True)
    )


class Rig:
    """A door rig with its serial line, from `with` to the end of it."""

    def __init__(
        self, mode: str, folder: Path, library: Path | None = None, delay_us: int = 0, *, pause_s: float = 0.0
    ) -> None:
        """Prepare a rig of `mode`, see `door_rig`; with `library` syncs take `delay_us` longer.

        A slice pauses before each card, as long as people at a lane would at the least.
        """
        self._pause_s = pause_s
        self.folder = folder / f"{mode}-{delay_us}-{'slow' if library else 'plain'}"
        self._mode = mode
        self._environment = dict(os.environ)
        if library is not None:
            self._environment |= {"LD_PRELOAD": str(library), "WELLGATE_SYNC_DELAY_US": str(delay_us)}
        self._numbers = 0

    def __enter__(self) -> Self:
        """Start, and return when cards are answered."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._line, far = os.openpty()
        tty.setraw(far, termios.TCSANOW)
        self._times, write = os.pipe()
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "tests.bench.door_rig",
            self._mode,
            os.ttyname(far),
            str(write),
            self.folder,
        ]
        self._process = subprocess.Popen(
            command,
            env=self._environment,
            pass_fds=[write],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        os.close(write)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "READY\n":
            raise RuntimeError(f"the {self._mode} rig did not start; its words stand above")
        self._far = far  # kept open: a line without a far end hangs up
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        for descriptor in (self._line, self._far, self._times):
            os.close(descriptor)

    def slice(self) -> Samples:
        """Present some cards, one after the other."""
        taken: Samples = []
        for _ in range(_SLICE):
            time.sleep(self._pause_s)
            taken.append(self.card())
        return taken

    def card(self) -> float:
        """Present the next card; return the seconds from its last byte to the relay."""
        self._numbers = self._numbers % CARDS + 1
        frame = rdm6300_frame(self._numbers)
        os.write(self._line, frame[:-1])
        started = time.perf_counter()
        os.write(self._line, frame[-1:])
        ready, _, _ = select.select([self._times], [], [], _LIMIT_S)
        if not ready:
            raise RuntimeError(f"card {self._numbers} opened nothing at the {self._mode} rig")
        (opened,) = struct.unpack("d", os.read(self._times, 8))
        return float(opened) - started

    def card_late(self) -> None:
        """Present a card and forget how long it took: what a stall held up is over afterwards."""
        time.sleep(STALL_US / 1e6)
        self.card()

    def delay(self, microseconds: int) -> None:
        """Let a sync take this much longer from now on."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{microseconds}\n")
        self._process.stdin.flush()
        time.sleep(0.05)


def _marks(folder: Path) -> int:
    """Count the entries that say a lane opened first."""
    journal = sqlite3.connect(folder / "journal.db")
    try:
        bodies = journal.execute("SELECT body FROM entry").fetchall()
    finally:
        journal.close()
    return sum(isinstance(BODY.validate_json(body), OpenedFirst) for (body,) in bodies)


def _compiled(folder: Path) -> Path | None:
    """Build the slow disk; `None` where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = folder / "slow_sync.so"
    command: list[str | Path] = [compiler, "-shared", "-fPIC", "-O2", "-o", library, _SOURCE, "-ldl"]
    subprocess.run(command, check=True)
    return library

"""The one thread that writes a journal: groups whatever waits into one commit, and never lets go of an entry.

While a sync is under way arrivals gather; the next commit starts when it returns. When the disk refuses (full, broken)
the writer frees acknowledged rows, then the ballast; if that is not enough entries go to the second file journal, and
with that refused too they wait in memory. No number is given twice, no order changed, nothing unacknowledged
overwritten (I-13).
"""

import errno
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final, NamedTuple

from sqlite_utils import Database

from edge.store import presence, space
from edge.store.database import companions
from edge.store.presence import PresenceChange
from edge.store.space import Ballast
from edge.store.spill import Line, Spill

log = logging.getLogger(__name__)

INSERT: Final = "INSERT INTO entry (sequence, hash, body) VALUES (?, ?, ?)"
SET_ACKNOWLEDGED: Final = "UPDATE journal SET acknowledged = ?"
SET_MARK: Final = "INSERT OR REPLACE INTO mark (hour, through) VALUES (?, ?)"
RESTART_LOG: Final = ("INSERT INTO mark (hour, through) VALUES (-1, 0)", "DELETE FROM mark WHERE hour = -1")
"""Changes nothing, but writes a page."""
FREE_OLDEST: Final = """
    DELETE FROM entry
     WHERE sequence <= (SELECT min(sequence) + :count - 1 FROM entry)
       AND sequence <= :through
       AND sequence < (SELECT max(sequence) FROM entry)
"""
#: The newest entry always stays: the numbering goes on from it.

PAGE: Final = 4_096
WAL_FRAMES: Final = 500
"""The write-ahead log is written once to this length, then used again and again: overwriting is a third faster."""

_CHECKPOINT_FRAMES: Final = 400
_FRAMES_PER_COMMIT: Final = 4
_FREED_AT_ONCE: Final = (500, 50, 5)
_PRUNED_AT_ONCE: Final = 500
_MERGED_AT_ONCE: Final = 16
_PLENTY: Final = 16 * 1024 * 1024
"""Bytes free from which on nobody needs to count them."""
_FRAME: Final = PAGE + 24
_FRAMES_AT_LEAST: Final = 6
_ROW: Final = 150
_SLACK: Final = 16 * 1024
_GATHER_SECONDS: Final = 0.000_2
_LAZY_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 0.5
_RETRY_TURNS: Final = 16


class _Promise(NamedTuple):
    """What everybody waits for whose entry is in the same group."""

    last: int
    """The sequence of the group's last entry: once that is on the medium, all are."""
    kept: Future[None]


class Writer(threading.Thread):
    """Owns the writing connection from `start()` to `close()`."""

    def __init__(
        self,
        database: Database,
        path: Path,
        *,
        spill: Spill,
        ballast: Ballast,
        spilled: Sequence[Line],
        on_commit: Callable[[int], None],
        gate: Callable[[], object] | None,
    ) -> None:
        super().__init__(name=f"writer of {path.name}", daemon=True)
        self.trouble: str | None = None
        """Why entries are not in the database, while that is so."""
        self._database = database
        self._path = path
        self._folder = path.parent
        self._spill = spill
        self._ballast = ballast
        self._on_commit = on_commit
        self._gate = gate
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._queue: list[Line] = []
        self._gathering: Future[None] | None = None
        self._asleep = False
        self._target = 1
        self._closing = False
        self._acknowledged = 0
        self._mark: tuple[int, int] | None = None
        self._acknowledged_dirty = False
        self._prune_through = 0
        # From here on the writer thread's own.
        self._spilled: list[Line] = list(spilled)  # on the medium, not yet in the database
        self._held: list[Line] = []  # nowhere but here
        self._promises: deque[_Promise] = deque()
        self._room = space.free(self._folder)
        self._turns = 0
        self._frames = 0
        self._failure: BaseException | None = None

    # --- called by the loop's thread ----------------------------------------------------------------------------------

    def put(self, entry: Line) -> Future[None]:
        """Hand over the next entry; return what is done once it is on the medium, shared by all that go there with it.

        Raises the failure that ended the thread, if it has ended.
        """
        with self._lock:
            if self._failure is not None or self._closing:
                raise RuntimeError(f"the writer of {self._path} has ended; restart the edge") from self._failure
            if self._gathering is None:
                self._gathering = Future()
                self._gathering.set_running_or_notify_cancel()  # who stops waiting cannot take the entry back
            self._queue.append(entry)
            if self._asleep or len(self._queue) >= self._target:
                self._wake.notify()
            return self._gathering

    def acknowledge(self, through: int, mark: tuple[int, int] | None) -> None:
        """Store with the next commit, or in a while, up to where central has the journal; `mark` is (hour, through)."""
        with self._lock:
            self._acknowledged, self._acknowledged_dirty = through, True
            self._mark = mark or self._mark
            self._wake.notify()

    def prune(self, through: int) -> None:
        """Remove entries up to `through` when nothing else is to do, a few at a time."""
        with self._lock:
            self._prune_through = max(self._prune_through, through)
            self._wake.notify()

    def forget(self, change: PresenceChange) -> None:
        """Write a change of presence that comes with no entry: yesterday's is forgotten."""
        with self._lock:
            self._queue.append(Line(0, "", "", change))
            self._wake.notify()

    def close(self) -> None:
        """Write what waits and end. What the disk still refuses stays in the second journal."""
        with self._lock:
            self._closing = True
            self._wake.notify()
        self.join()

    # --- the thread ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        try:
            self._warm_up()
            if self._spilled:
                self._take_refuge([], retry=True)
            while self._turn():
                pass
            self._tidy(idle=True)
        except BaseException as failure:
            self._end(failure)
            raise
        finally:
            self._database.close()

    def _turn(self) -> bool:
        group, closing, timed_out = self._next_group()
        if self._spilled or self._held:
            self._take_refuge(group, retry=timed_out or closing or not group)
        elif group or self._acknowledged_dirty:
            try:
                self._commit(group)
            except (sqlite3.Error, OSError) as problem:
                self._refused(group, problem)
        self._tidy(idle=not group)
        return not (closing and not self._queue)

    def _next_group(self) -> tuple[list[Line], bool, bool]:
        """Wait for work; return the entries to commit together, whether this is the end, and whether time ran out."""
        timed_out = False
        with self._wake:
            while not (self._queue or self._closing):
                in_trouble = bool(self._spilled or self._held)
                if self._prune_through:
                    break
                self._asleep = True
                patience = _RETRY_SECONDS if in_trouble else _LAZY_SECONDS if self._acknowledged_dirty else None
                woken = self._wake.wait(patience)
                self._asleep = False
                if not woken:
                    timed_out = True
                    break
                if in_trouble:
                    break
            # Whoever waited for the last commit is about to come again: let them join while they keep coming.
            while 0 < (arrived := len(self._queue)) < self._target and not self._closing:
                self._wake.wait(_GATHER_SECONDS)
                if len(self._queue) == arrived:
                    break
            group, self._queue = self._queue, []
            if self._gathering is not None:
                self._promises.append(_Promise(max(entry.sequence for entry in group), self._gathering))
                self._gathering = None
            self._target = max(1, len(group))
            return group, self._closing, timed_out

    def _commit(self, entries: Sequence[Line]) -> None:
        """Put entries into the database, durable on return, in one transaction with all they change."""
        if entries:
            self._leave_a_reserve(entries)
        with self._lock:
            acknowledged = self._acknowledged if self._acknowledged_dirty else None
            mark, self._acknowledged_dirty = self._mark, False
        rows = [(e.sequence, bytes.fromhex(e.hash), e.body) for e in entries if e.sequence]
        changes = [e.presence for e in entries if e.presence is not None]
        try:
            with self._database.atomic():
                self._insert(rows)
                if changes:
                    presence.store(self._database, changes)
                if acknowledged is not None:
                    self._database.conn.execute(SET_ACKNOWLEDGED, (acknowledged,))
                    if mark is not None:
                        self._database.conn.execute(SET_MARK, mark)
                if self._gate is not None:
                    self._gate()
        except BaseException:
            with self._lock:
                self._acknowledged_dirty = self._acknowledged_dirty or acknowledged is not None
            raise
        self._frames += _FRAMES_PER_COMMIT + sum(len(row[2]) for row in rows) // PAGE
        if rows:
            self._on_commit(rows[-1][0])
            self._keep_promises(rows[-1][0])

    def _keep_promises(self, through: int) -> None:
        """Tell those who wait for entries up to `through`."""
        with self._lock:
            self._target += len(
                self._queue
            )  # whoever is told now is about to come again, beside those who wait already
        while self._promises and self._promises[0].last <= through:
            self._promises.popleft().kept.set_result(None)

    def _leave_a_reserve(self, entries: Sequence[Line]) -> None:
        """Refuse, before anything is written, what would use up the very last room.

        A transaction that runs into a full disk leaves the write-ahead log grown and unusable: then not even
        acknowledged rows could be freed. What fits into free pages and into the log as it is needs no room at all.
        """
        self._room = room = space.free(self._folder)
        if room >= _PLENTY:
            return
        if self._frames:
            self._checkpoint()
        (pages,) = self._database.conn.execute("PRAGMA freelist_count").fetchone()
        log_frames = 0 if self._frames else companions(self._path)[0].stat().st_size // _FRAME
        frames = _FRAMES_AT_LEAST + sum(len(entry.body.encode()) + _ROW for entry in entries) // PAGE
        needed = (max(0, frames - pages) + max(0, frames - log_frames)) * _FRAME
        if needed and room - needed < (_SLACK if self._ballast.aboard else space.RESERVE):
            raise OSError(errno.ENOSPC, "not enough room left to be safe", str(self._path))

    def _insert(self, rows: list[tuple[int, bytes, str]]) -> None:
        if len(rows) == 1:
            self._database.conn.execute(INSERT, rows[0])
        elif rows:
            self._database.conn.executemany(INSERT, rows)

    # --- a disk that refuses ------------------------------------------------------------------------------------------

    def _refused(self, group: list[Line], problem: Exception) -> None:
        log.error("journal %s refuses %d entries: %s; making room", self._path, len(group), problem)
        self.trouble = f"journal {self._path} cannot be written ({problem})"
        if self._make_room(group):
            self._recovered()
        else:
            self._take_refuge(group, retry=False)

    def _make_room(self, entries: Sequence[Line]) -> bool:
        """Free the oldest acknowledged rows, then the ballast; tell whether the entries are in the database now."""
        for step in (self._free_acknowledged, self._drop_ballast):
            try:
                if step():
                    self._checkpoint()
                    self._free_acknowledged()
                    self._commit(entries)
                    return True
            except (sqlite3.Error, OSError) as problem:
                log.warning("journal %s: no room yet (%s)", self._path, problem)
        return False

    def _free_acknowledged(self) -> bool:
        """Free the oldest acknowledged rows. A deletion needs room of its own: where it has little, it takes few."""
        for count in _FREED_AT_ONCE:
            try:
                freed = self._forget_oldest(self._acknowledged, count)
            except sqlite3.Error as problem:
                log.debug("journal %s: cannot free %d acknowledged entries (%s)", self._path, count, problem)
                continue
            if freed:
                log.warning("journal %s: freed %d acknowledged entries to make room", self._path, freed)
            return freed > 0
        return False

    def _forget_oldest(self, through: int, count: int) -> int:
        with self._database.atomic():
            return self._database.conn.execute(FREE_OLDEST, {"count": count, "through": through}).rowcount

    def _drop_ballast(self) -> bool:
        dropped = self._ballast.drop()
        if dropped:
            log.warning("journal %s: threw out its ballast", self._path)
        return dropped

    def _take_refuge(self, group: list[Line], *, retry: bool) -> None:
        """Keep order: while anything waits outside the database, everything new waits behind it."""
        self._held += group
        self._turns += 1
        if (retry or self._turns % _RETRY_TURNS == 0) and self._come_back():
            self._recovered()
            return
        if self._held:
            lines = [entry for entry in self._held if entry.sequence]
            try:
                self._spill.append(lines)
            except OSError as problem:
                if "memory" not in (self.trouble or ""):
                    log.critical("journal %s: second journal refuses too (%s)", self._path, problem)
                self.trouble = (
                    f"journal {self._path} and {self._spill.path.name} are full:"
                    f" {len(self._held)} entries in memory only"
                )
                return
            self._spilled += lines
            if lines:
                self._keep_promises(lines[-1].sequence)
            self._held = []
            self.trouble = f"journal {self._path} is full: {len(self._spilled)} entries in {self._spill.path.name}"

    def _come_back(self) -> bool:
        """Bring what waits outside into the database, oldest first, a part at a time; tell whether all of it is in."""
        while waiting := self._first_outside():
            try:
                self._checkpoint()
                self._commit(waiting)
            except (sqlite3.Error, OSError) as problem:
                log.debug("journal %s: still refuses (%s)", self._path, problem)
                if not self._free_acknowledged():
                    return False  # `trouble` stands, the entries stay where they are
                continue
            merged = len(self._spilled)
            self._spilled = self._spilled[len(waiting) :]
            self._held = self._held[max(0, len(waiting) - merged) :]
        self._spill.clear()
        return True

    def _first_outside(self) -> list[Line]:
        return [*self._spilled[:_MERGED_AT_ONCE], *self._held[: max(0, _MERGED_AT_ONCE - len(self._spilled))]]

    def _recovered(self) -> None:
        log.warning("journal %s takes entries again", self._path)
        self.trouble = None
        self._turns = 0

    # --- housekeeping -------------------------------------------------------------------------------------------------

    def _tidy(self, *, idle: bool) -> None:
        """Checkpoint and prune while nobody waits; take new ballast aboard when there is room again."""
        scarce = max(_FRAMES_PER_COMMIT, self._room // 4 // PAGE)
        limit = min(_CHECKPOINT_FRAMES, scarce)
        try:
            if self._frames >= limit and (idle or not self._queue or self._frames >= WAL_FRAMES - _FRAMES_PER_COMMIT):
                self._checkpoint()
                if self.trouble is None:
                    self._restart_log()
            if self.trouble is None and not self._queue:
                self._ballast.take()
            if self._prune_through and not self._queue:
                self._prune_some()
        except (sqlite3.Error, OSError) as problem:
            log.debug("journal %s: housekeeping put off (%s)", self._path, problem)  # the next commit tells
            with self._lock:
                self._prune_through = 0

    def _checkpoint(self) -> None:
        _busy, logged, moved = self._database.conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._frames = max(0, logged - moved)

    def _restart_log(self) -> None:
        """Write the first commit of a log that starts anew, which costs a second sync, while nobody waits for it."""
        if self._frames or self._queue:
            return
        with self._database.atomic():
            for statement in RESTART_LOG:
                self._database.conn.execute(statement)
        self._frames = 1

    def _prune_some(self) -> None:
        with self._lock:
            through = min(self._prune_through, self._acknowledged)
        gone = self._forget_oldest(through, _PRUNED_AT_ONCE)
        self._frames += _FRAMES_PER_COMMIT + gone // 8
        if gone < _PRUNED_AT_ONCE:
            with self._lock:
                self._prune_through = 0

    def _warm_up(self) -> None:
        """Write the write-ahead log to its full length once, where there is plenty of room."""
        wal = companions(self._path)[0]
        if space.free(self._path.parent) < 32 * WAL_FRAMES * PAGE or wal.stat().st_size > WAL_FRAMES * PAGE:
            return
        execute = self._database.conn.execute
        execute("DROP TABLE IF EXISTS warm")
        execute("CREATE TABLE warm (x BLOB) STRICT")
        execute("INSERT INTO warm (x) VALUES (zeroblob(?))", (WAL_FRAMES * PAGE // 2,))
        execute("DROP TABLE warm")
        self._checkpoint()
        self._restart_log()

    def _end(self, failure: BaseException) -> None:
        log.critical("journal %s: its writer ended: %r", self._path, failure)
        with self._lock:
            self._failure = failure
            waiting = [promise.kept for promise in self._promises]
            if self._gathering is not None:
                waiting.append(self._gathering)
            self._queue = []
        self.trouble = f"journal {self._path}: its writer ended ({failure!r}); restart the edge"
        for promised in waiting:
            promised.set_exception(failure)

"""The second file journal: where entries go when the database cannot grow any more (rulings 10).

Space is set aside while there is some, so that a full disk still takes about two hundred entries. One entry is one line
of JSON; whatever does not continue the chain of hashes is an older use of the file and ends the reading.
"""

import errno
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from edge.store import space
from edge.store.presence import PresenceChange, from_json, to_json
from protocol.journal import chain

RESERVED: Final = 128 * 1024
"""Bytes set aside for the second journal."""


class Line(NamedTuple):
    """One entry, with what it changes about who is where."""

    sequence: int
    hash: str
    body: str
    presence: PresenceChange | None


class Spill:
    """A file of lines; appended and synced, emptied when its lines are in the database."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._end = 0

    def reserve(self) -> None:
        """Set the space aside. Raises `OSError` when there is none."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_size < RESERVED:
                os.posix_fallocate(descriptor, 0, RESERVED)
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self, after: int, head: str) -> list[Line]:
        """Return the lines that continue a journal whose last entry is number `after` with hash `head`.

        Lines the journal has already taken over are passed by: the power may have gone between taking and emptying.
        """
        if not self.path.exists():
            return []
        lines: list[Line] = []
        self._end = 0
        for text in self.path.read_bytes().split(b"\0", 1)[0].splitlines(keepends=True):
            line = _parse(text)
            if line is None:
                break
            if line.sequence > after:
                if line.sequence != after + 1 or line.hash != chain(head, line.body):
                    break
                lines.append(line)
                after, head = line.sequence, line.hash
            self._end += len(text)
        return lines

    def append(self, lines: Iterable[Line]) -> None:
        """Write lines behind those there are and wait for the medium. Raises `OSError`; then none of them counts."""
        text = "".join(
            json.dumps([s, h, body, to_json(p)], separators=(",", ":"), ensure_ascii=False) + "\n"
            for s, h, body, p in lines
        ).encode()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            grows = self._end + len(text) >= os.fstat(descriptor).st_size
            if grows and space.free(self.path.parent) < space.RESERVE + len(text):
                raise OSError(errno.ENOSPC, "what was set aside is used up and the disk is full", str(self.path))
            written = os.pwrite(descriptor, text + b"\0", self._end)
            if written <= len(text):
                raise OSError(f"{self.path}: only {written} of {len(text) + 1} bytes fitted")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._end += len(text)

    def clear(self) -> None:
        """Forget all lines; the space stays set aside."""
        self._end = 0
        if self.path.exists():
            descriptor = os.open(self.path, os.O_WRONLY)
            try:
                os.pwrite(descriptor, b"\0", 0)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _parse(text: bytes) -> Line | None:
    try:
        sequence, digest, body, presence = json.loads(text)
        return Line(int(sequence), str(digest), str(body), from_json(presence))
    except (ValueError, TypeError):
        return None

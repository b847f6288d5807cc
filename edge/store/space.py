"""Room on the disk of a journal: how full it is, and the ballast that is thrown out when it is full.

On a full disk SQLite can read, but neither insert nor delete nor checkpoint; giving back one file of 150 kB makes all
three work again (security.md §0, finding 8).
"""

import os
from pathlib import Path
from typing import Final

BALLAST: Final = 150_000
"""Bytes kept in reserve."""

RESERVE: Final = 64 * 1024
"""Bytes the journal itself never uses up: SQLite needs them to free rows and to open its file."""

_LEVELS: Final = (0.95, 0.80, 0.50)  # rulings 12


class Ballast:
    """A file that only takes up room."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._taken = False

    @property
    def aboard(self) -> bool:
        """Whether there is something to throw out."""
        return self.path.exists()

    def take(self) -> None:
        """Take the ballast aboard where at least twice as much is free."""
        self._taken = self._taken or self.aboard
        if self._taken or free(self.path.parent) < 2 * BALLAST + RESERVE:
            return
        draft = self.path.with_suffix(".new")
        try:
            draft.write_bytes(b"\0" * BALLAST)
            draft.rename(self.path)
        except OSError:
            draft.unlink(missing_ok=True)  # a disk that cannot take it has none: `problems` tells

    def drop(self) -> bool:
        """Give the room back; tell whether there was any."""
        self._taken = False
        if not self.aboard:
            return False
        self.path.unlink()
        return True


def free(folder: Path) -> int:
    """Bytes we may still write in `folder`."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def fill_problem(folder: Path) -> str | None:
    """Say which alarm level the file system of `folder` has reached: 95, 80, 50 % or none."""
    found = os.statvfs(folder)
    taken = found.f_blocks - found.f_bfree
    if not taken + found.f_bavail:
        return None
    used = taken / (taken + found.f_bavail)
    for level in _LEVELS:
        if used >= level:
            return (
                f"disk of {folder} is {level:.0%} full ({free(folder) // 1024} kB free): bring the edge back online so"
                " that"
                " entries can be acknowledged and freed, or make room"
            )
    return None

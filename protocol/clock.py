"""Readings of a clock, how far to trust them, and the shared record that lets one clock drive several processes.

The processes of a replay, a chaos run or a journey (edges, central, sandbox) map the same small file; whoever plays the
day writes it, everybody else reads (rulings 1). Opening the file is the shell's business; the layout is agreed here.
"""

import struct
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol


class Trust(StrEnum):
    """How far the wall clock can be believed (security.md §7; words of rulings 27)."""

    UNSET = "unset"
    DRIFTING = "drifting"
    TRUSTED = "trusted"


class Reading(NamedTuple):
    """One look at a clock."""

    wall: datetime
    """Aware, UTC."""
    mono_ms: int
    """Milliseconds since boot; never steps back within one boot."""
    trust: Trust


class Clock(Protocol):
    """Where a side gets the time from. One per process, injected."""

    def read(self) -> Reading:
        """Return wall time, monotonic time and trust, taken together."""
        ...


_RECORD = struct.Struct("<QqqQ")
RECORD_SIZE = _RECORD.size
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRUSTS = (Trust.UNSET, Trust.DRIFTING, Trust.TRUSTED)


def write_record(buffer: bytearray | memoryview, reading: Reading) -> None:
    """Write `reading` so that no reader of the same memory sees half of it (a sequence lock: odd while writing)."""
    sequence = _RECORD.unpack_from(buffer)[0] | 1
    struct.pack_into("<Q", buffer, 0, sequence)
    wall_us = (reading.wall - _EPOCH) // timedelta(microseconds=1)
    struct.pack_into("<qqQ", buffer, 8, wall_us, reading.mono_ms, _TRUSTS.index(reading.trust))
    struct.pack_into("<Q", buffer, 0, sequence + 1)


def read_record(buffer: bytes | bytearray | memoryview) -> Reading | None:
    """Return the reading, or `None` when a write is under way: look again."""
    sequence, wall_us, mono_ms, trust = _RECORD.unpack_from(buffer)
    if sequence & 1 or struct.unpack_from("<Q", buffer)[0] != sequence:
        return None
    return Reading(_EPOCH + timedelta(microseconds=wall_us), mono_ms, _TRUSTS[trust])

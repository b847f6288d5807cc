"""What an entry of a journal says, put into the columns of central's tables; or why it cannot be read.

Nothing in here trusts the sender: a text too long for its column or a number no database holds must end in
quarantine, not in a transaction that fails for ever (I-14).
"""

from datetime import datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from pydantic import ValidationError

from central.passages.rules import Seen, day_of, is_late
from protocol.decision import Reason
from protocol.identity import EdgeId, Epoch, EventId, Identity
from protocol.journal import BODY, Entry, OpenedFirst, Outcome, Passage, ReaderChange, RemoteOpen, chain
from protocol.policy import ReaderKind

_LARGEST: Final = 2**63 - 1
_SHOWN: Final = 100
"""Characters shown of where something is wrong."""
_LONGEST: Final = {"credential": 600, "person": 64, "entitlement": 64, "punched": 64}

Row = dict[str, Any]


class Source(NamedTuple):
    """Whose entries are read: the edge with what its site says about time and readers."""

    edge: EdgeId
    epoch: Epoch
    site: str
    zone: ZoneInfo
    rollover: int


class Unfit(Exception):  # noqa: N818 - a verdict on an entry, not a fault of ours
    """The entry is kept, but not understood; the text says why."""


Note = Outcome | OpenedFirst | ReaderChange | RemoteOpen


def read_entry(sent: Entry, head: str, source: Source, sequence: int, received: datetime) -> Row | Note:
    """Return a passage as a row of the table `passage`, or one of the other entries; raises `Unfit`.

    `head` is the hash of the entry before it.
    """
    if chain(head, sent.body) != sent.hash:
        raise Unfit("its hash does not follow from the entry before it")
    try:
        entry = BODY.validate_json(sent.body)
    except ValidationError as problem:
        raise Unfit(first_problem(problem)) from problem
    if isinstance(entry, Passage):
        return _passage(entry, source, sequence, received)
    if isinstance(entry, Outcome | OpenedFirst) and not 1 <= entry.of < sequence:
        raise Unfit(f"speaks of entry {entry.of}, which does not come before it")
    return entry


def first_problem(problem: ValidationError) -> str:
    """Say what is wrong without repeating what was sent: cards and names stay out of logs."""
    error = problem.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in error["loc"]) or "text"
    # A field nobody knows is named by whoever sent it: it must neither forge a line of the log nor be unstorable.
    shown = "".join(sign if sign.isprintable() else "␀" for sign in place[:_SHOWN])
    return f"{shown}: {error['msg']}"


def seen(row: Row | sa.RowMapping) -> Seen:
    """Return a passage row as the rules of visits see it."""
    return Seen(
        EventId(row["id"]),
        row["at"],
        row["edge"],
        row["epoch"],
        row["sequence"],
        ReaderKind(row["direction"]),
        row["counts"],
        row["passed"],
        Reason.TOO_SOON in row["all_reasons"],
    )


def _passage(entry: Passage, source: Source, sequence: int, received: datetime) -> Row:
    if entry.site != source.site:
        raise Unfit(
            f"names site {entry.site}, but the edge stands in {source.site}; correct site.toml of {source.edge}"
        )
    for name, longest in _LONGEST.items():
        value = getattr(entry, name)
        if value is not None and len(value) > longest:
            raise Unfit(f"{name} has {len(value)} characters, more than {longest}")
    if not 0 <= entry.revision <= _LARGEST:
        raise Unfit("revision is no number that a list can have")
    try:
        day = day_of(entry.stamp.at, source.zone, source.rollover)
        late = is_late(entry.stamp.at, received)
    except (OverflowError, ValueError) as problem:
        raise Unfit("stamp.at lies outside the calendar") from problem
    return {
        "id": Identity(source.edge, source.epoch, sequence).event_id,
        "edge": source.edge,
        "epoch": source.epoch,
        "sequence": sequence,
        "site": entry.site,
        "reader": entry.reader,
        "lane": entry.lane,
        "direction": entry.direction.value,
        "passage": entry.passage.value,
        "credential": storable(entry.credential),
        "raw": storable(entry.raw),
        "person": None if entry.person is None else storable(entry.person),
        "granted": entry.granted,
        "reason": entry.reason.value,
        "all_reasons": [reason.value for reason in entry.all_reasons],
        "entitlement": None if entry.entitlement is None else storable(entry.entitlement),
        "punched": storable(entry.punched) if entry.punched is not None and entry.granted else None,
        "counts": entry.granted and not entry.all_reasons,
        "edge_new_visit": entry.new_visit,
        "new_visit": False,
        "at": entry.stamp.at,
        "visit_day": day,
        "received_at": received,
        "revision": entry.revision,
        "clock": entry.stamp.clock.value,
        "offline": entry.offline,
        "opened_first": entry.opened_first,
        "late": late,
        "passed": None,
    }


def storable(text: str) -> str:
    """Return `text` without the character no PostgreSQL text can hold: NUL becomes its visible sign."""
    return text.replace("\x00", "␀")

"""The entries of an edge's journal and the batches that carry them to central.

An entry is a JSON text (`body`) and a hash that chains it to its predecessor. Central stores the text as it came, so a
body nobody can read yet is kept, not lost: acknowledged means stored, not understood (security.md §6).
"""

import hashlib
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from protocol import VERSION
from protocol.clock import Trust
from protocol.decision import PassageKind, Reason
from protocol.identity import EPOCH_PATTERN, ID_PATTERN
from protocol.policy import ReaderKind

MAX_ENTRIES: Final = 50
"""Entries in one batch at the most."""
MAX_BYTES: Final = 64_000
"""Bytes of one batch at the most; the broker refuses larger packets."""
MAX_BODY: Final = 8_000
"""Bytes of one entry's body at the most."""

Id = Annotated[str, Field(pattern=ID_PATTERN)]


def _version_is_required(schema: dict[str, Any]) -> None:
    schema["required"] = ["v", *(name for name in schema.get("required", ()) if name != "v")]
    del schema["properties"]["v"]["default"]


class Strict(BaseModel):
    """Base of everything on the wire: unknown fields are refused, values are never bent into shape."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Message(Strict):
    """Base of what travels by itself: it names the version of the agreement, and a text without one is refused."""

    model_config = ConfigDict(json_schema_extra=_version_is_required)

    v: Literal[1] = VERSION

    @model_validator(mode="after")
    def _names_its_version(self, info: ValidationInfo) -> Self:
        """Ask it of a text only: code of this version need not name it."""
        if info.mode == "json" and "v" not in self.model_fields_set:
            raise ValidationError.from_exception_data(
                type(self).__name__, [{"type": "missing", "loc": ("v",), "input": {}}], input_type="json"
            )
        return self


class Stamp(Strict):
    """When something happened, as the edge saw it (security.md §7)."""

    at: AwareDatetime
    """Wall clock, UTC."""
    local: AwareDatetime
    """The same instant with the offset of the site's zone (A-01)."""
    mono_ms: int
    boot: str
    clock: Trust


class Passage(Strict):
    """One read at a reader and its answer: granted or denied, exactly one per presentation (A-01)."""

    type: Literal["passage"] = "passage"
    stamp: Stamp
    site: Id
    reader: Id
    lane: Id
    direction: ReaderKind
    passage: PassageKind
    credential: str
    """Canonical form."""
    raw: str = ""
    """As the reader sent it, kept so that an unknown credential can be assigned (A-03)."""
    person: str | None
    granted: bool
    reason: Reason
    all_reasons: tuple[Reason, ...] = ()
    entitlement: str | None = None
    punched: str | None = Field(default=None, exclude_if=lambda card: card is None)
    """The punch card that lost a punch (A-17); absent where none did."""
    new_visit: bool = False
    """Advisory: central's recomputation decides (A-51)."""
    visit: str | None = None
    """Event id of the passage that opened the visit this passage belongs to; `None` on the opening passage itself."""
    revision: int
    """Of the access list that decided (A-47)."""
    offline: bool
    opened_first: bool = False
    """The lane is set to open before it records (targets P2)."""


class Outcome(Strict):
    """What the sensor saw after a granted passage; written beside the passage, which never changes (rulings 11)."""

    type: Literal["outcome"] = "outcome"
    stamp: Stamp
    lane: Id
    of: int
    """Sequence of the granted passage, same epoch."""
    passed: bool


class OpenedFirst(Strict):
    """The disk had not answered in time, so the lane opened before its passage was committed (rulings 10)."""

    type: Literal["opened_first"] = "opened_first"
    stamp: Stamp
    of: int
    """Sequence of the granted passage, same epoch."""


class ReaderChange(Strict):
    """A reader that fell silent, or is back."""

    type: Literal["reader"] = "reader"
    stamp: Stamp
    reader: Id
    state: Literal["lost", "back"]
    detail: str = ""


class RemoteOpen(Strict):
    """A lane opened on command: no person, no visit (A-55)."""

    type: Literal["remote_open"] = "remote_open"
    stamp: Stamp
    lane: Id
    command: str
    """Id of the command."""


AnyBody = Passage | Outcome | OpenedFirst | ReaderChange | RemoteOpen
BODY: Final[TypeAdapter[AnyBody]] = TypeAdapter(Annotated[AnyBody, Field(discriminator="type")])


class Entry(Strict):
    """One entry on the wire; its sequence is the batch's `first` plus its place."""

    hash: str = Field(pattern=r"^[0-9a-f]{32}$")
    body: str


class Batch(Message):
    """Consecutive entries of one journal, ≤ `MAX_ENTRIES` and ≤ `MAX_BYTES`."""

    edge: Id
    epoch: str = Field(pattern=EPOCH_PATTERN)
    first: int = Field(ge=1)
    last: int = Field(ge=1)
    entries: tuple[Entry, ...] = Field(min_length=1, max_length=MAX_ENTRIES)

    def model_post_init(self, _context: object) -> None:
        """Refuse a batch whose numbers do not fit its entries."""
        if self.last - self.first + 1 != len(self.entries):
            msg = f"batch says {self.first}…{self.last} but carries {len(self.entries)} entries"
            raise ValueError(msg)


def chain(previous: str, body: str) -> str:
    """Return the hash of an entry: 128 bits of SHA-256 over the predecessor's hash and this body.

    `previous` is the epoch for the first entry of a journal.
    """
    return hashlib.sha256(f"{previous}\n{body}".encode()).hexdigest()[:32]


def stamp_order(at: datetime, edge: str, epoch: str, sequence: int) -> tuple[datetime, str, str, int]:
    """Sort key of passages within a person's day: time first, identity to break ties the same way every time (A-51)."""
    return (at, edge, epoch, sequence)

"""Everything that travels over MQTT besides batches. One model per message; topics in `protocol.topics`."""

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field, TypeAdapter

from protocol import VERSION
from protocol.access import Kind
from protocol.clock import Trust
from protocol.identity import EPOCH_PATTERN
from protocol.journal import Id, Message, Strict
from protocol.policy import DoorMode


class Ack(Message):
    """Central has stored everything up to and including `through`; only this lets an edge forget (retained)."""

    epoch: str = Field(pattern=EPOCH_PATTERN)
    through: int = Field(ge=0)
    head_hash: str
    """Chain hash at `through`; the epoch itself at 0."""


class Rewind(Message):
    """Central has forgotten what it had acknowledged: send again from here. Never retained."""

    id: str
    epoch: str = Field(pattern=EPOCH_PATTERN)
    resume: int = Field(ge=1, alias="from", serialization_alias="from")


class Birth(Message):
    """An edge is connected (retained)."""

    online: Literal[True] = True
    site: Id
    version: str
    boot: str
    epoch: str = Field(pattern=EPOCH_PATTERN)
    acknowledged: int = Field(ge=0)
    """Up to where the edge believes central has stored its journal."""
    last: int = Field(ge=0)
    """Last sequence in the journal."""
    revision: int = Field(ge=0)
    """Of the access list in use; 0 = none yet."""
    clock: Trust
    at: AwareDatetime


class Death(Message):
    """Left with the broker as last will: the edge is gone (retained)."""

    online: Literal[False] = False
    boot: str


State = Birth | Death
STATE: Final[TypeAdapter[Birth | Death]] = TypeAdapter(Annotated[State, Field(discriminator="online")])


class ReaderHealth(Strict):
    """Counters of one reader since the process started."""

    connected: bool
    reads: int
    frames_bad: int
    reconnects: int


class Health(Message):
    """What an edge reports of itself, periodically."""

    at: AwareDatetime
    waiting: int
    """Entries not yet acknowledged."""
    revision: int
    clock: Trust
    disk_free: int
    """Bytes free where the journal lies."""
    readers: dict[str, ReaderHealth]
    problems: tuple[str, ...] = ()


class Open(Strict):
    """Open a lane once."""

    name: Literal["open"] = "open"
    lane: Id


class SetMode(Strict):
    """Put a lane into a door mode until the next access list says otherwise."""

    name: Literal["mode"] = "mode"
    lane: Id
    mode: DoorMode


class Reload(Strict):
    """Fetch the full access list again."""

    name: Literal["reload"] = "reload"


class Command(Message):
    """An order from central; one that has expired is never carried out."""

    id: str
    expires_at: AwareDatetime
    order: Annotated[Open | SetMode | Reload, Field(discriminator="name")]


class Reply(Message):
    """How a command ended."""

    id: str
    outcome: Literal["done", "expired", "refused"]
    detail: str = ""


class Revision(Message):
    """The newest revision of a site's access list (retained): an edge that is behind fetches."""

    revision: int = Field(ge=0)


class Change(Strict):
    """One row of an access list as it is now; `body` is `None` when the row is gone."""

    kind: Kind
    id: str
    body: str | None


class Delta(Message):
    """What changed between two revisions; applied whole, in one transaction, or not at all."""

    site: Id
    since: int = Field(ge=0, alias="from", serialization_alias="from")
    to: int = Field(ge=1)
    changes: tuple[Change, ...]


class Signed(Message):
    """A text and central's Ed25519 signature over `signing_input` of it, base64."""

    body: str
    signature: str


class Notice(Message):
    """A short word about a passage for the live view and the other lanes of the site (QoS 0, never the record)."""

    edge: Id
    sequence: int
    at: AwareDatetime
    reader: Id
    person: str | None
    granted: bool
    reason: str
    new_visit: bool


def signing_input(purpose: Literal["delta", "snapshot"], site: str, payload: bytes) -> bytes:
    """What is signed: the purpose and the site go in, so that one signature never serves for another thing."""
    return f"wellgate-{purpose}-v{VERSION}\n{site}\n".encode() + payload

"""Names of things, and the identity of a journal entry.

An entry is identified by `(edge, epoch, sequence)`: the epoch is a random number made together with the journal file,
so a restored or cloned card can never use a sequence number twice under the same identity (security.md §6, rulings 15).
"""

import re
import uuid
from typing import NamedTuple, NewType

SiteId = NewType("SiteId", str)
EdgeId = NewType("EdgeId", str)
ReaderId = NewType("ReaderId", str)
LaneId = NewType("LaneId", str)
BarrierId = NewType("BarrierId", str)
PersonId = NewType("PersonId", str)
RightId = NewType("RightId", str)
EntitlementId = NewType("EntitlementId", str)
Epoch = NewType("Epoch", str)
EventId = NewType("EventId", str)

#: One level of an MQTT topic: what site, edge, reader and lane ids may look like.
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
EPOCH_PATTERN = r"^[0-9a-f]{16}$"

_EVENTS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:wellgate:event")
_SAFE_ID = re.compile(ID_PATTERN)


class Identity(NamedTuple):
    """Who wrote an entry, into which journal, at which place in it."""

    edge: EdgeId
    epoch: Epoch
    sequence: int

    @property
    def event_id(self) -> EventId:
        """The public id of the entry: uuid5 of the identity, the same on both sides (rulings 15)."""
        return EventId(str(uuid.uuid5(_EVENTS, f"{self.edge}/{self.epoch}/{self.sequence}")))


def is_safe_id(text: str) -> bool:
    """Tell whether `text` may stand as one level of a topic."""
    return _SAFE_ID.fullmatch(text) is not None

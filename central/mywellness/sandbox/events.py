"""What the ledger remembers: one event per committed call, as one JSON line each."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter


class Operation(StrEnum):
    """The six words of SaveMembership, spelled as Mywellness spells them (§1.7)."""

    SUBSCRIBE = "Subscribe"
    RENEW = "Renew"
    UNSUBSCRIBE = "UnSubscribe"
    UPDATE = "Update"
    FROZE = "Froze"
    UNFROZE = "UnFroze"


@dataclass(frozen=True, slots=True)
class PersonCreated:
    """A person came to a facility; `user_id` is shared with other facilities."""

    at: datetime
    facility: str
    user_id: str
    facility_user_id: str
    permanent_token: str
    external_id: str
    details: dict[str, Any]
    kind: Literal["person_created"] = "person_created"


@dataclass(frozen=True, slots=True)
class PersonUpdated:
    """Details changed; `groups` None leaves the groups alone."""

    at: datetime
    facility_user_id: str
    details: dict[str, Any]
    groups: tuple[int, ...] | None
    kind: Literal["person_updated"] = "person_updated"


@dataclass(frozen=True, slots=True)
class MembershipSaved:
    """One SaveMembership with the fields as received."""

    at: datetime
    facility_user_id: str
    operation: Operation
    fields: dict[str, str]
    kind: Literal["membership_saved"] = "membership_saved"


@dataclass(frozen=True, slots=True)
class VisitRecorded:
    """One Visit: the text as received, the moment it stands for, and whether it counts."""

    at: datetime
    facility: str
    user_id: str
    visit_date: str | None
    happened_at: datetime
    counted: bool
    kind: Literal["visit_recorded"] = "visit_recorded"


@dataclass(frozen=True, slots=True)
class PersonDeleted:
    """The person left the facility."""

    at: datetime
    facility_user_id: str
    kind: Literal["person_deleted"] = "person_deleted"


Event = PersonCreated | PersonUpdated | MembershipSaved | VisitRecorded | PersonDeleted

_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def to_line(event: Event) -> bytes:
    """Return the event as one JSON line, newline included."""
    return _EVENT.dump_json(event) + b"\n"


def from_line(line: bytes) -> Event:
    """Read one line. Raises `pydantic.ValidationError`."""
    return _EVENT.validate_json(line)

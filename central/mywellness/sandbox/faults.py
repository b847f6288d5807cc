"""What goes wrong on the way (contract §1.15 "Faults"), armed for the next calls that match."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter

HOLD_LIMIT_S = 600


class FaultKind(StrEnum):
    """One kind per way of failing; "commit" is the moment the ledger has it."""

    TOKEN_NOT_VALID = "token_not_valid"  # noqa: S105 - a fault's name, no secret
    UNAUTHORIZED_EMPTY = "unauthorized_empty"
    SERVER_ERROR = "server_error"
    HTML_200 = "html_200"
    CUT_BEFORE_COMMIT = "cut_before_commit"
    CUT_AFTER_COMMIT = "cut_after_commit"
    HANG_BEFORE_COMMIT = "hang_before_commit"
    HANG_AFTER_COMMIT = "hang_after_commit"
    SLOW = "slow"
    MISSING_TOKEN = "missing_token"  # noqa: S105 - a fault's name, no secret
    ACCOUNT_LOCKED = "account_locked"
    RATE_403 = "rate_403"
    RATE_429 = "rate_429"
    MATCH_CONFLICT = "match_conflict"
    DUPLICATE = "duplicate"


ONLY_FOR = {
    FaultKind.ACCOUNT_LOCKED: "AccessIntegration",
    FaultKind.MATCH_CONFLICT: "CreateFacilityUserFromThirdParty",
}
"""Kinds that make sense for one action only; they wait for it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The next `count` calls of `action` (None: any) fail this way, after `skip` matching calls went well.

    `delay_ms` belongs to `slow` and is real time, as the caller's timeout is; `status` belongs to `server_error`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    kind: FaultKind
    action: str | None = None
    count: Annotated[int, Field(ge=1)] = 1
    skip: Annotated[int, Field(ge=0)] = 0
    delay_ms: Annotated[int, Field(ge=0, le=HOLD_LIMIT_S * 1000)] = 1000
    status: Annotated[int, Field(ge=500, le=599)] = 500

    def concerns(self, action: str) -> bool:
        """Tell whether a call of `action` is one this fault waits for."""
        return all(
            wanted is None or wanted.casefold() == action.casefold()
            for wanted in (self.action, ONLY_FOR.get(self.kind))
        )


_FAULT = TypeAdapter(Fault)


def read_fault(text: bytes | str) -> Fault:
    """Read a fault from its JSON. Raises `pydantic.ValidationError`."""
    return _FAULT.validate_json(text, strict=True)


@dataclass(slots=True)
class Armed:
    """A fault and how often it still strikes."""

    fault: Fault
    skip: int
    remaining: int


class FaultPlan:
    """The armed faults, in the order they were armed; a call meets at most one."""

    def __init__(self) -> None:
        """Start without any."""
        self._armed: list[Armed] = []

    def arm(self, fault: Fault) -> None:
        """Add a fault behind those already waiting."""
        self._armed.append(Armed(fault, fault.skip, fault.count))

    def strike(self, action: str) -> Fault | None:
        """Return the fault this call meets, if any, and count it down."""
        for armed in self._armed:
            if not armed.fault.concerns(action):
                continue
            if armed.skip:
                armed.skip -= 1
                continue
            armed.remaining -= 1
            if not armed.remaining:
                self._armed.remove(armed)
            return armed.fault
        return None

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    def armed(self) -> list[dict[str, object]]:
        """Return the waiting faults for display."""
        return [
            {"kind": a.fault.kind.value, "action": a.fault.action, "skip": a.skip, "remaining": a.remaining}
            for a in self._armed
        ]

"""The life of a link between one person and one facility's Mywellness, as a table (requirements D-28…D-33, §D-SM).

No link at all is written None. A cell that depends on circumstances names its cases; a cell that is absent is refused.
A failed visit or attendance never moves a link; person, group, membership and device sends do, and only once their
retries are used up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class LinkState(StrEnum):
    """The seven states staff see (D-28)."""

    ENABLED = "Enabled"
    NEW = "New"
    TO_UPDATE = "ToUpdate"
    CREATION_ERROR = "CreationError"
    TO_DELETE = "ToDelete"
    ERROR = "Error"
    SUSPENDED = "Suspended"


class LinkEvent(StrEnum):
    """What can happen to a link: the columns of §D-SM."""

    CHANGED = "changed"
    SYNC_OK = "sync_ok"
    SYNC_FAILED = "sync_failed"
    SYNCHRONISE = "synchronise"
    SUSPEND = "suspend"
    ENABLE = "enable"
    DELETE = "delete"
    OPT_OUT = "opt_out"


class SuspendReason(StrEnum):
    """Why a link is suspended; only the member's own opt-out is undone by opting in again (ruling 24)."""

    STAFF = "staff"
    MEMBER_OPT_OUT = "member_opt_out"


class Case(StrEnum):
    """The circumstances a contextual cell tells apart."""

    WANTED = "wanted"
    """The person is selected, has not opted out and was not removed by staff."""
    UNWANTED = "unwanted"
    GONE = "gone"
    """Mywellness confirmed the deletion, or has never heard of the person."""
    UNREACHABLE = "unreachable"
    NEVER_CREATED = "never created"
    PENDING = "pending"
    """Our data changed while the link was suspended."""
    UNCHANGED = "unchanged"
    OPTED_OUT = "opted out"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class LinkContext:
    """What the contextual cells look at.

    An incomplete person still gets a link, `New` with its missing attributes (ruling 20), so completeness is not here.
    """

    selected: bool = False
    tombstoned: bool = False
    opted_out: bool = False
    has_remote: bool = False
    """The link carries a facility user id of Mywellness."""
    remote_up: bool = False
    """The delete call was answered with success."""
    pending: bool = False


class BadTransition(Exception):  # noqa: N818 - named after the code clients get
    """The link cannot take this event in its state; nothing was changed. Answered with 409 `BAD_TRANSITION`."""

    code = "BAD_TRANSITION"

    def __init__(self, state: LinkState | None, event: LinkEvent, case: Case) -> None:
        """Keep what was asked, for the answer to the client."""
        self.state = state
        self.event = event
        self.case = case
        why = "" if case is Case.ALWAYS else f" ({case})"
        super().__init__(f"a link in state {state or 'none'} cannot take {event}{why}; reload and choose again")


S, E = LinkState, LinkEvent

Cell: TypeAlias = LinkState | Mapping[Case, LinkState | None] | None

DELETED: Cell = {Case.GONE: None, Case.UNREACHABLE: S.TO_DELETE}

TRANSITIONS: Mapping[LinkState | None, Mapping[LinkEvent, Cell]] = {
    None: {
        E.CHANGED: {Case.WANTED: S.NEW, Case.UNWANTED: None},
        E.SYNCHRONISE: S.NEW,
        E.OPT_OUT: None,
    },
    S.NEW: {
        E.CHANGED: S.NEW,
        E.SYNC_OK: S.ENABLED,
        E.SYNC_FAILED: S.CREATION_ERROR,
        E.SYNCHRONISE: S.NEW,
        E.SUSPEND: S.SUSPENDED,
        E.DELETE: None,
        E.OPT_OUT: S.SUSPENDED,
    },
    S.ENABLED: {
        E.CHANGED: S.TO_UPDATE,
        E.SYNC_OK: S.ENABLED,
        E.SYNC_FAILED: S.ERROR,
        E.SYNCHRONISE: S.TO_UPDATE,
        E.SUSPEND: S.SUSPENDED,
        E.DELETE: DELETED,
        E.OPT_OUT: S.SUSPENDED,
    },
    S.TO_UPDATE: {
        E.CHANGED: S.TO_UPDATE,
        E.SYNC_OK: S.ENABLED,
        E.SYNC_FAILED: S.ERROR,
        E.SYNCHRONISE: S.TO_UPDATE,
        E.SUSPEND: S.SUSPENDED,
        E.DELETE: DELETED,
        E.OPT_OUT: S.SUSPENDED,
    },
    S.CREATION_ERROR: {
        E.CHANGED: S.NEW,
        E.SYNC_OK: S.ENABLED,
        E.SYNC_FAILED: S.CREATION_ERROR,
        E.SYNCHRONISE: S.NEW,
        E.SUSPEND: S.SUSPENDED,
        E.DELETE: DELETED,
        E.OPT_OUT: S.SUSPENDED,
    },
    S.ERROR: {
        E.CHANGED: S.TO_UPDATE,
        E.SYNC_OK: S.ENABLED,
        E.SYNC_FAILED: S.ERROR,
        E.SYNCHRONISE: S.TO_UPDATE,
        E.SUSPEND: S.SUSPENDED,
        E.DELETE: DELETED,
        E.OPT_OUT: S.SUSPENDED,
    },
    S.SUSPENDED: {
        E.CHANGED: S.SUSPENDED,
        E.ENABLE: {Case.NEVER_CREATED: S.NEW, Case.PENDING: S.TO_UPDATE, Case.UNCHANGED: S.ENABLED},
        E.DELETE: DELETED,
        E.OPT_OUT: S.SUSPENDED,
    },
    S.TO_DELETE: {
        E.CHANGED: S.TO_DELETE,
        E.SYNC_OK: None,
        E.SYNC_FAILED: S.TO_DELETE,
        E.DELETE: DELETED,
        E.OPT_OUT: S.TO_DELETE,
    },
}

OPERATIONS = (E.SYNCHRONISE, E.SUSPEND, E.ENABLE, E.DELETE)
"""The events staff may ask for, in menu order (D-30…D-32)."""


def case_of(event: LinkEvent, context: LinkContext) -> Case:
    """Return the case a contextual cell has to look under for this event."""
    match event:
        case LinkEvent.CHANGED:
            wanted = context.selected and not (context.tombstoned or context.opted_out)
            return Case.WANTED if wanted else Case.UNWANTED
        case LinkEvent.DELETE:
            return Case.GONE if context.remote_up or not context.has_remote else Case.UNREACHABLE
        case LinkEvent.ENABLE if context.opted_out:
            return Case.OPTED_OUT
        case LinkEvent.ENABLE if not context.has_remote:
            return Case.NEVER_CREATED
        case LinkEvent.ENABLE:
            return Case.PENDING if context.pending else Case.UNCHANGED
        case _:
            return Case.ALWAYS


def step(state: LinkState | None, event: LinkEvent, *, context: LinkContext) -> LinkState | None:
    """Return the next state, None meaning no link; raise `BadTransition` for what the table refuses (D-29)."""
    case = case_of(event, context)
    row = TRANSITIONS[state]
    if event not in row:
        raise BadTransition(state, event, case)
    cell = row[event]
    if not isinstance(cell, Mapping):
        return cell
    if case not in cell:
        raise BadTransition(state, event, case)
    return cell[case]


def opting_in(reason: SuspendReason | None) -> LinkEvent:
    """Return what a member's renewed consent is: it enables only what the opt-out had suspended (ruling 24)."""
    return LinkEvent.ENABLE if reason is SuspendReason.MEMBER_OPT_OUT else LinkEvent.CHANGED


def available(state: LinkState | None, *, context: LinkContext) -> tuple[LinkEvent, ...]:
    """Return the operations to offer staff for a link in this state, in menu order (D-30…D-32)."""

    def refused(event: LinkEvent) -> bool:
        try:
            step(state, event, context=context)
        except BadTransition:
            return True
        return False

    return tuple(event for event in OPERATIONS if not refused(event))

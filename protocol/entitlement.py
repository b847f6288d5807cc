"""Who holds a credential and what that person is entitled to: compiled by central, read by `decide()`.

Nothing personal travels to an edge but ids, credentials and dates (rulings 9).
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from protocol.identity import EntitlementId, Epoch, PersonId, RightId


class CredentialStatus(StrEnum):
    """Only `active` opens anything (A-04)."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    RETURNED = "returned"


NOTHING_COUNTED: Final[Mapping[Epoch, int]] = MappingProxyType({})


class Freeze(NamedTuple):
    """Days on which a subscription opens nothing, both inclusive; `last` is `None` while open-ended (A-10, C-16)."""

    first: date
    last: date | None


class Entitlement(NamedTuple):
    """A subscription as an edge needs it (A-08). Dates are inclusive; annulled ones are never compiled (C-13)."""

    entitlement: EntitlementId
    right: RightId
    start: date
    charged_through: date | None
    freezes: tuple[Freeze, ...] = ()
    overdue_from: date | None = None
    """First day on which an overdue invoice blocks this subscription (A-12)."""


class PunchCard(NamedTuple):
    """A punch card of the holder's own, as an edge needs it (A-16)."""

    entitlement: EntitlementId
    right: RightId
    valid_through: date
    """Last day, inclusive."""
    left: int
    """Punches left; below zero after two doors punched one card offline (A-53)."""
    counted: Mapping[Epoch, int] = NOTHING_COUNTED
    """Up to which sequence of each journal `left` includes the punches taken there; journals without any are absent."""


class Holder(NamedTuple):
    """The person a credential belongs to."""

    person: PersonId
    status: CredentialStatus
    entitlements: tuple[Entitlement, ...]
    """In the order they are tried: later charged-through first, then lower id (rulings 6)."""
    blocked: bool = False
    blocked_until: date | None = None
    """Last day of the block, inclusive; `None` = until lifted (A-11)."""
    overrides_anti_passback: bool = False
    birth_date: date | None = None
    """Only where a reader of the site has an age limit (rulings 9)."""
    punch_cards: tuple[PunchCard, ...] = ()
    """In the order they are tried, after the subscriptions (A-17): the one sold first comes first."""


AMBIGUOUS = "ambiguous"
"""Stands for a credential that several people answer to (rulings 6)."""


def entitlement_order(entitlement: Entitlement, number: int) -> tuple[int, int]:
    """Sort key of ruling 6: later charged-through first (never charged last), then lower subscription number."""
    charged = entitlement.charged_through
    return (-(charged.toordinal() if charged else 0), number)

"""What a subscription means on a day: its end, whether it is active or frozen, which one Mywellness is told about.

The predicates follow the normative table in requirements §0.3. They look alike and differ on purpose: a committed but
unbilled subscription is active and selected for Mywellness, yet opens no door (entry is decided in `protocol`).
All dates are calendar days of the site; through-dates and freeze ends are inclusive (ruling 5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Freeze:
    """A pause of one subscription from `first` to `last`, both included; `last` is None while it has no end (C-16)."""

    first: date
    last: date | None

    def __post_init__(self) -> None:
        """Refuse a freeze that ends before it begins."""
        if self.last is not None and self.last < self.first:
            raise ValueError(f"freeze ends {self.last} before it begins {self.first}; swap the dates")

    def covers(self, day: date) -> bool:
        """Say whether the subscription is paused on that day."""
        return self.first <= day and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one member holds of one product (C-08); `person` is the user of it, never the payer (D-05)."""

    id: int
    person: str
    product: str
    gives_membership: bool
    start: date
    bound_through: date | None
    charged_through: date | None
    auto_renew: bool
    annulled: bool
    freezes: tuple[Freeze, ...]
    product_name: str


def last_known_day(subscription: Subscription) -> date:
    """Return the later of bound-through and charged-through; a missing one is ignored, both missing give the start."""
    known = [day for day in (subscription.bound_through, subscription.charged_through) if day is not None]
    return max(known, default=subscription.start)


def effective_end(subscription: Subscription) -> date | None:
    """Return the last day of the subscription, or None while it renews itself (§0.3, C-09; ruling 7)."""
    return None if subscription.auto_renew else last_known_day(subscription)


def is_active(subscription: Subscription, day: date) -> bool:
    """Say whether the subscription runs on that day; being frozen does not matter (§0.3, C-10)."""
    end = effective_end(subscription)
    return not subscription.annulled and subscription.start <= day and (end is None or day <= end)


def is_frozen(subscription: Subscription, day: date) -> bool:
    """Say whether a freeze covers that day (§0.3); whether the subscription is active is another question."""
    return any(freeze.covers(day) for freeze in subscription.freezes)


def is_sync_candidate(subscription: Subscription, day: date) -> bool:
    """Say whether the subscription makes its user a member, and so may be shown to Mywellness (§0.3, D-05, D-20)."""
    return is_active(subscription, day) and subscription.gives_membership


def represented(subscriptions: Iterable[Subscription], day: date) -> Subscription | None:
    """Choose the one subscription Mywellness is told about on that day, or None when nothing makes a member (D-20).

    Not frozen goes before frozen, then the furthest effective end (no end is furthest). Equals are told apart by later
    bound-through, later charged-through, later start, lower id; a missing date is the earliest.
    """

    def reach(subscription: Subscription) -> tuple[bool, date, date, date, date, int]:
        return (
            not is_frozen(subscription, day),
            effective_end(subscription) or date.max,
            subscription.bound_through or date.min,
            subscription.charged_through or date.min,
            subscription.start,
            -subscription.id,
        )

    candidates = (subscription for subscription in subscriptions if is_sync_candidate(subscription, day))
    return max(candidates, key=reach, default=None)


def member_since(subscriptions: Iterable[Subscription], override: date | None = None) -> date | None:
    """Return the day the person first became a member, whatever gaps came after; an imported date wins (C-12)."""
    if override is not None:
        return override
    starts = (each.start for each in subscriptions if each.gives_membership and not each.annulled)
    return min(starts, default=None)


def freeze_overlaps(freezes: Iterable[Freeze], wanted: Freeze) -> Freeze | None:
    """Return the existing freeze that shares a day with the wanted one, or None if it may be added (C-16)."""
    wanted_last = wanted.last or date.max
    return next(
        (each for each in freezes if each.first <= wanted_last and wanted.first <= (each.last or date.max)),
        None,
    )

"""SUB-1 of requirements §0.2, a member in good standing; a test names only what differs."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from central.memberships.rules import Freeze, Subscription

TODAY = date(2026, 3, 10)
FROZEN_TODAY = (Freeze(date(2026, 3, 5), date(2026, 3, 20)),)

SUB_1 = Subscription(
    id=1,
    person="M1001",
    product="P-GYM",
    gives_membership=True,
    start=date(2025, 6, 1),
    bound_through=date(2026, 5, 31),
    charged_through=date(2026, 3, 31),
    auto_renew=True,
    annulled=False,
    freezes=(),
    product_name="Gym",
)


def subscription(**differs: object) -> Subscription:
    """Return SUB-1 with some fields replaced."""
    return replace(SUB_1, **differs)  # type: ignore[arg-type]

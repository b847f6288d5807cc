"""Use cases of subscriptions and freezes (C-08, C-12, C-13, C-16). Whatever changes, changes the user."""

from collections.abc import Sequence
from datetime import date, datetime

import sqlalchemy as sa

from central.changes import Aggregate, Unit
from central.errors import Invalid, NotFound, Refused
from central.memberships import products, rules, store
from central.memberships.model import Product, ProductType, Subscription, SubscriptionValues, as_rule
from central.people import service as people


def subscribe(
    unit: Unit,
    *,
    person: str,
    product: str,
    site: str,
    start: date,
    bound_through: date | None = None,
    charged_through: date | None = None,
    auto_renew: bool | None = None,
    price: int | None = None,
    payer: str | None = None,
    sold_at: datetime | None = None,
) -> Subscription:
    """Sell a subscription to a person; auto-renew and price come from the product unless given, `sold_at` is now.

    Refuses with `NOT_A_SUBSCRIPTION`, `PRODUCT_NOT_AT_FACILITY` (C-01), `NO_SUCH_MEMBER` or `DATES_REVERSED`.
    """
    sold = products.get(unit.connection, product)
    if sold.type is not ProductType.SUBSCRIPTION:
        raise Invalid("NOT_A_SUBSCRIPTION", f"product {product} is a {sold.type}; sell it as what it is")
    products.check_sold_at(sold, site)
    _check_people(unit.connection, person, payer)
    _check_dates(start, bound_through, charged_through)
    key = store.add_subscription(
        unit.connection,
        {
            "person": person,
            "payer": payer,
            "product": product,
            "site": site,
            "start": start,
            "bound_through": bound_through,
            "charged_through": charged_through,
            "auto_renew": sold.auto_renew_default if auto_renew is None else auto_renew,
            "price": sold.price if price is None else price,
            "sold_at": sold_at or unit.now,
        },
    )
    return _changed(unit, key)


def change(unit: Unit, key: int, values: SubscriptionValues) -> Subscription:
    """Change what is named in `values`. A charge is never taken back to «never charged» (C-08)."""
    before = _locked(unit, key)
    charged = values.get("charged_through", before.charged_through)
    if charged is None and before.charged_through is not None:
        raise Invalid(
            "CHARGED_ALREADY", "charged-through is empty only before the first charge; give the corrected day"
        )
    _check_dates(before.start, values.get("bound_through", before.bound_through), charged)
    _check_people(unit.connection, before.person, values.get("payer"))
    if all(getattr(before, name) == value for name, value in values.items()):
        return before
    store.update_subscription(unit.connection, key, values)
    return _changed(unit, key)


def charge(unit: Unit, key: int, through: date) -> Subscription:
    """Record that the subscription has been debited through a day."""
    return change(unit, key, {"charged_through": through})


def annul(unit: Unit, key: int) -> Subscription:
    """Make the subscription as if it had never been: no access, no member (C-13)."""
    _locked(unit, key)
    store.update_subscription(unit.connection, key, {"annulled": True})
    return _changed(unit, key)


def terminate(unit: Unit, key: int, on: date, reason: str, comment: str | None = None) -> Subscription:
    """End the subscription on its last day `on`: it stops renewing and is bound no longer.

    Refuses a day before the start, or one that has been paid beyond (`CHARGED_BEYOND`).
    """
    before = _locked(unit, key)
    if on < before.start:
        raise Invalid("DATES_REVERSED", f"subscription {key} starts {before.start}; annul it if it never was to be")
    if before.charged_through is not None and on < before.charged_through:
        detail = f"subscription {key} is charged through {before.charged_through}; end it then or later"
        raise Invalid("CHARGED_BEYOND", detail)
    store.update_subscription(
        unit.connection,
        key,
        {
            "auto_renew": False,
            "bound_through": on,
            "terminated_on": on,
            "termination_reason": reason,
            "termination_comment": comment,
        },
    )
    return _changed(unit, key)


def freeze(unit: Unit, key: int, first: date, last: date | None, reason: str = "") -> Subscription:
    """Pause a subscription from `first` to `last`, both included, or until ended; refuses `FREEZE_OVERLAP` (C-16)."""
    before = _locked(unit, key)
    _check_freeze(before, first, last)
    store.add_freeze(unit.connection, key, first, last, reason)
    return _changed(unit, key)


def end_freeze(unit: Unit, key: int, freeze_key: int, last: date | None) -> Subscription:
    """Let a freeze end on `last`; a day before it began removes it, `None` opens its end."""
    before = _locked(unit, key)
    found = next((each for each in before.freezes if each.id == freeze_key), None)
    if found is None:
        raise NotFound(f"freeze of subscription {key}", freeze_key)
    if last is not None and last < found.first:
        store.remove_freeze(unit.connection, freeze_key)
    else:
        _check_freeze(before, found.first, last, but=freeze_key)
        store.end_freeze(unit.connection, freeze_key, last)
    return _changed(unit, key)


def get(connection: sa.Connection, key: int) -> Subscription:
    """Return a subscription with its freezes; raises `NotFound`."""
    found = store.subscriptions(connection, keys=[key])
    if not found:
        raise NotFound("subscription", key)
    return found[0]


def list_subscriptions(
    connection: sa.Connection, *, after: int = 0, limit: int | None = None, persons: Sequence[str] | None = None
) -> list[Subscription]:
    """Return subscriptions by id, those of some persons if given."""
    return store.subscriptions(connection, after=after, limit=limit, persons=persons)


def held_by(connection: sa.Connection, person: str) -> list[rules.Subscription]:
    """Return what a person holds, annulled ones too, as the rules read it."""
    held = store.subscriptions(connection, persons=[person])
    sold: dict[str, Product] = {key: products.get(connection, key) for key in {each.product for each in held}}
    return [as_rule(each, sold[each.product]) for each in held]


def member_since(connection: sa.Connection, person: str, override: date | None = None) -> date | None:
    """Return the day the person first became a member; an imported `override` wins (C-12)."""
    return rules.member_since(held_by(connection, person), override)


def _locked(unit: Unit, key: int) -> Subscription:
    found = store.subscriptions(unit.connection, keys=[key], lock=True)
    if not found:
        raise NotFound("subscription", key)
    return found[0]


def _changed(unit: Unit, key: int) -> Subscription:
    subscription = get(unit.connection, key)
    unit.changed(Aggregate.PERSON, subscription.person)
    return subscription


def _check_people(connection: sa.Connection, person: str, payer: str | None) -> None:
    if missing := people.missing(connection, (each for each in (person, payer) if each is not None)):
        raise Invalid("NO_SUCH_MEMBER", f"create member {' and '.join(missing)} first")


def _check_dates(start: date, bound: date | None, charged: date | None) -> None:
    for name, day in (("bound-through", bound), ("charged-through", charged)):
        if day is not None and day < start:
            raise Invalid("DATES_REVERSED", f"{name} {day} lies before the start {start}; correct one of them")


def _check_freeze(subscription: Subscription, first: date, last: date | None, *, but: int | None = None) -> None:
    try:
        wanted = rules.Freeze(first, last)
    except ValueError as problem:
        raise Invalid("DATES_REVERSED", str(problem)) from problem
    others = [rules.Freeze(each.first, each.last) for each in subscription.freezes if each.id != but]
    clash = rules.freeze_overlaps(others, wanted)
    if clash is not None:
        until = clash.last or "further notice"
        detail = f"subscription {subscription.id} is frozen from {clash.first} to {until} already; end that first"
        raise Refused("FREEZE_OVERLAP", detail)

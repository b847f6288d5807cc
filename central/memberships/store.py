"""SQL of products, subscriptions and freezes: typed rows out."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date
from typing import Any, Final

import sqlalchemy as sa

from central.memberships.model import Freeze, Product, ProductType, Subscription
from central.schema import freeze, product, subscription

_SUBSCRIPTION: Final = [subscription.c[each.name] for each in fields(Subscription) if each.name != "freezes"]


def products(connection: sa.Connection, *, after: str = "", limit: int | None = None) -> list[Product]:
    """Return products by id."""
    question = sa.select(product).where(product.c.id > after).order_by(product.c.id).limit(limit)
    return [_product(row) for row in connection.execute(question).mappings()]


def find_product(connection: sa.Connection, key: str) -> Product | None:
    """Return one product."""
    row = connection.execute(sa.select(product).where(product.c.id == key)).mappings().one_or_none()
    return None if row is None else _product(row)


def product_with_number(connection: sa.Connection, number: str) -> str | None:
    """Return the id of the product with that number."""
    return connection.scalar(sa.select(product.c.id).where(product.c.number == number))


def _product(row: sa.RowMapping) -> Product:
    return Product(**{**row, "type": ProductType(row["type"])})


def save_product(connection: sa.Connection, key: str, values: Mapping[str, Any], *, new: bool) -> None:
    """Add or change a product."""
    if new:
        connection.execute(product.insert().values(id=key, **values))
    elif values:
        connection.execute(product.update().where(product.c.id == key).values(**values))


def subscriptions(
    connection: sa.Connection,
    *,
    after: int = 0,
    limit: int | None = None,
    persons: Sequence[str] | None = None,
    keys: Sequence[int] | None = None,
    lock: bool = False,
) -> list[Subscription]:
    """Return subscriptions by id with their freezes; `lock` keeps others out until the transaction ends."""
    question = sa.select(*_SUBSCRIPTION).where(subscription.c.id > after).order_by(subscription.c.id).limit(limit)
    if persons is not None:
        question = question.where(subscription.c.person.in_(persons))
    if keys is not None:
        question = question.where(subscription.c.id.in_(keys))
    rows = connection.execute(question.with_for_update() if lock else question).mappings().all()
    freezes: defaultdict[int, list[Freeze]] = defaultdict(list)
    paused = sa.select(freeze).where(freeze.c.subscription.in_([row["id"] for row in rows]))
    for row in connection.execute(paused.order_by(freeze.c.first)):
        freezes[row.subscription].append(Freeze(row.id, row.first, row.last, row.reason))
    return [Subscription(**row, freezes=freezes[row["id"]]) for row in rows]


def add_subscription(connection: sa.Connection, values: Mapping[str, Any]) -> int:
    """Add a subscription and return its id."""
    added = connection.execute(subscription.insert().values(**values).returning(subscription.c.id))
    return int(added.scalar_one())


def update_subscription(connection: sa.Connection, key: int, values: Mapping[str, Any]) -> None:
    """Change columns of a subscription."""
    connection.execute(subscription.update().where(subscription.c.id == key).values(**values))


def add_freeze(connection: sa.Connection, of_subscription: int, first: date, last: date | None, reason: str) -> None:
    """Add a freeze."""
    connection.execute(freeze.insert().values(subscription=of_subscription, first=first, last=last, reason=reason))


def end_freeze(connection: sa.Connection, key: int, last: date | None) -> None:
    """Change the last day of a freeze."""
    connection.execute(freeze.update().where(freeze.c.id == key).values(last=last))


def remove_freeze(connection: sa.Connection, key: int) -> None:
    """Remove a freeze."""
    connection.execute(freeze.delete().where(freeze.c.id == key))

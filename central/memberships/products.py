"""Use cases of products: create, change, list (C-01, C-02)."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from central.changes import Aggregate, Unit
from central.errors import Invalid, NotFound, Refused
from central.memberships import store
from central.memberships.model import Product, ProductValues
from central.sites import service as sites


def create(unit: Unit, key: str, values: ProductValues) -> Product:
    """Create a product; refuses with `ID_IN_USE`, `PRODUCT_NUMBER_IN_USE` or what is wrong with it."""
    if store.find_product(unit.connection, key) is not None:
        raise Refused("ID_IN_USE", f"there is a product {key!r} already; choose another id or change that one")
    _check(unit.connection, key, values)
    store.save_product(unit.connection, key, values, new=True)
    unit.changed(Aggregate.PRODUCT, key)
    return get(unit.connection, key)


def change(unit: Unit, key: str, values: ProductValues) -> Product:
    """Change what is named in `values`; subscriptions that exist keep their own price."""
    before = get(unit.connection, key)
    whole: dict[str, Any] = {
        name: getattr(before, name) for name in ("sites", "gives_membership", "requires_membership", "entry_right")
    }
    _check(unit.connection, key, {**whole, **values})
    store.save_product(unit.connection, key, values, new=False)
    unit.changed(Aggregate.PRODUCT, key)
    return get(unit.connection, key)


def get(connection: sa.Connection, key: str) -> Product:
    """Return a product; raises `NotFound`."""
    found = store.find_product(connection, key)
    if found is None:
        raise NotFound("product", key)
    return found


def list_products(connection: sa.Connection, *, after: str | None = None, limit: int | None = None) -> list[Product]:
    """Return products by id."""
    return store.products(connection, after=after or "", limit=limit)


def check_sold_at(sold: Product, site: str) -> None:
    """Refuse to sell a product where it is not sold: `PRODUCT_NOT_AT_FACILITY` (C-01)."""
    if site not in sold.sites:
        places = ", ".join(sold.sites) or "no site"
        raise Invalid("PRODUCT_NOT_AT_FACILITY", f"product {sold.number} is sold at {places}, not at {site}")


def _check(connection: sa.Connection, key: str, values: Mapping[str, Any]) -> None:
    number = values.get("number")
    if number is not None and store.product_with_number(connection, number) not in {None, key}:
        raise Refused("PRODUCT_NUMBER_IN_USE", f"another product has number {number}; choose another")
    if values.get("requires_membership") and values.get("gives_membership", True):
        detail = "a product that requires membership gives none; switch one of the two off"
        raise Invalid("GIVES_AND_REQUIRES_MEMBERSHIP", detail)
    for site in values.get("sites", ()):
        try:
            sites.get_site(connection, site)
        except NotFound as missing:
            raise Invalid("NO_SUCH_SITE", f"create site {site!r} first, or do not sell there") from missing
    right = values.get("entry_right")
    if right is not None:
        try:
            sites.get_right(connection, right)
        except NotFound as missing:
            raise Invalid("NO_SUCH_RIGHT", f"create entry right {right!r} first") from missing

"""Imports a member file: each row as a whole or not at all, repeatable, with a report that names every row it left out.

The same number is the same member. What the file says wins; what it leaves empty stays as it is.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TextIO

import sqlalchemy as sa

from central.changes import Unit, Units
from central.errors import Refused
from central.memberships import products, service as memberships
from central.memberships.model import Product, ProductType, Subscription, SubscriptionValues
from central.people import credentials, service as people
from central.people.model import Person, PersonValues
from central.people.rows import FileProblem, Row, Trouble, read_rows

BATCH: Final = 500
"""Rows of one transaction: quick, and not in the way of the doors for long."""

_FIELDS: Final = {"CREDENTIAL_IN_USE": "card", "FREEZE_OVERLAP": "frozen_from"}


@dataclass
class Report:
    """What became of a file."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    troubles: list[Trouble] = field(default_factory=list)
    dry_run: bool = False


class _DryRun(Exception):  # noqa: N818 - takes back a transaction that was only tried
    pass


def person_id(number: str) -> str:
    """Return the id that a member from a file gets: the same for the same number, wherever it is imported."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:wellgate:person:{number}"))


def import_members(
    units: Units, file: TextIO, *, product: str | None = None, site: str | None = None, dry_run: bool = False
) -> Report:
    """Import a member file; a dry run does and takes back everything.

    Without `product` and `site` there must be only one subscription product, and only one site where it is sold. Raises
    `FileProblem` when the file or these cannot be used; then nothing has been imported.
    """
    rows, troubles = read_rows(file)
    report = Report(troubles=troubles, dry_run=dry_run)
    sold = units.database.sync_read(_product, product)
    where = _site(sold, site)
    batches = [rows] if dry_run else [rows[first : first + BATCH] for first in range(0, len(rows), BATCH)]
    for batch in batches:
        try:
            units.run_sync(_import_batch, batch, sold, where, report)
        except _DryRun:
            break
    report.troubles.sort(key=lambda trouble: trouble.line)
    return report


def _product(connection: sa.Connection, wanted: str | None) -> Product:
    offered = [each for each in products.list_products(connection) if each.type is ProductType.SUBSCRIPTION]
    found = [each for each in offered if wanted in {None, each.id, each.number}]
    if len(found) == 1:
        return found[0]
    known = ", ".join(each.id for each in offered) or "none yet"
    raise FileProblem(f"say with --product which subscription the members hold; there are: {known}")


def _site(sold: Product, wanted: str | None) -> str:
    if wanted is None and len(sold.sites) == 1:
        return sold.sites[0]
    if wanted in sold.sites:
        return wanted
    raise FileProblem(f"say with --site where; product {sold.id} is sold at: {', '.join(sold.sites) or 'no site yet'}")


def _import_batch(unit: Unit, batch: Sequence[Row], product: Product, site: str, report: Report) -> None:
    numbers = people.ids_by_number(unit.connection)
    keys = [numbers.get(row.number) or person_id(row.number) for row in batch]
    known = people.get_many(unit.connection, keys)
    held: dict[str, list[Subscription]] = {key: [] for key in keys}
    for subscription in memberships.list_subscriptions(unit.connection, persons=keys):
        held[subscription.person].append(subscription)
    for key, row in zip(keys, batch, strict=True):
        before = known.get(key)
        try:
            with unit.attempt():
                changed = _import_row(unit, row, key, before, held[key], product, site)
        except Refused as refusal:
            what, _, do = refusal.detail.rpartition("; ")
            trouble = Trouble(row.line, _FIELDS.get(refusal.code, ""), what or refusal.detail, do or "correct it")
            report.troubles.append(trouble)
            continue
        report.created += before is None
        report.updated += before is not None and changed
        report.unchanged += not changed
    if report.dry_run:
        raise _DryRun


def _import_row(
    unit: Unit,
    row: Row,
    key: str,
    before: Person | None,
    held: Sequence[Subscription],
    product: Product,
    site: str,
) -> bool:
    values = _values(row)
    if before is None:
        people.create(unit, {"number": row.number, "home_site": site, **values}, key=key)
        changed = True
    else:
        changed = _differs(before, values)
        if changed:
            people.change(unit, key, values)
    if row.card is not None:
        mine = {each.credential for each in before.credentials} if before else set()
        # A card that reception has blocked or taken back stays so: an older file must not open doors again.
        if row.card.canonical not in mine:
            credentials.assign(unit, key, row.card)
            changed = True
    if row.start is not None:
        changed = _import_subscription(unit, row, key, held, product, site) or changed
    return changed


def _values(row: Row) -> PersonValues:
    values: PersonValues = {"allow_sync": row.allow_sync, "allow_activity_sync": row.allow_activity_sync}
    if row.first_name:
        values["first_name"] = row.first_name
    if row.last_name:
        values["last_name"] = row.last_name
    if row.birth_date is not None:
        values["birth_date"] = row.birth_date
    if row.gender is not None:
        values["gender"] = row.gender
    if row.email is not None:
        values["email"] = row.email
    return values


def _differs(before: Person, values: Mapping[str, object]) -> bool:
    return any(getattr(before, name) != value for name, value in values.items())


def _import_subscription(
    unit: Unit, row: Row, key: str, held: Sequence[Subscription], product: Product, site: str
) -> bool:
    if row.start is None:
        return False
    of_product = [each for each in held if each.product == product.id and not each.annulled]
    same = [each for each in of_product if each.start == row.start]
    if not same:
        subscription = memberships.subscribe(
            unit,
            person=key,
            product=product.id,
            site=site,
            start=row.start,
            bound_through=row.bound_through,
            charged_through=row.charged_through,
            auto_renew=row.auto_renew,
        )
        _import_freeze(unit, row, subscription)
        return True
    subscription = same[0]
    values: SubscriptionValues = {"auto_renew": row.auto_renew}
    if row.bound_through is not None:
        values["bound_through"] = row.bound_through
    if row.charged_through is not None:
        values["charged_through"] = row.charged_through
    changed = any(getattr(subscription, name) != value for name, value in values.items())
    if changed:
        memberships.change(unit, subscription.id, values)
    return _import_freeze(unit, row, subscription) or changed


def _import_freeze(unit: Unit, row: Row, subscription: Subscription) -> bool:
    if row.frozen_from is None:
        return False
    known = next((each for each in subscription.freezes if each.first == row.frozen_from), None)
    if known is None:
        memberships.freeze(unit, subscription.id, row.frozen_from, row.frozen_to, "imported")
    elif known.last != row.frozen_to:
        memberships.end_freeze(unit, subscription.id, known.id, row.frozen_to)
    return known is None or known.last != row.frozen_to

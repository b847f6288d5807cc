"""SQL of the access list: what it is compiled from, and its rows."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import sqlalchemy as sa

from central.schema import (
    access_row,
    credential,
    entry_right,
    entry_right_reader,
    freeze,
    person,
    product,
    punch,
    punch_card,
    reader,
    schedule,
    site,
    subscription,
)
from protocol.access import Kind, Row

SITES = sa.select(site.c.id).order_by(site.c.id)

PERSON = sa.select(
    person.c.id, person.c.blocked, person.c.blocked_until, person.c.overrides_anti_passback, person.c.birth_date
).where(person.c.id == sa.bindparam("person"))

CREDENTIALS = sa.select(credential.c.canonical, credential.c.status).where(
    credential.c.person == sa.bindparam("person")
)

#: A subscription without an entry right opens nothing, so it is not compiled (A-13); an annulled one neither (C-13).
SUBSCRIPTIONS = (
    sa.select(
        subscription.c.id,
        product.c.entry_right,
        subscription.c.start,
        subscription.c.charged_through,
        subscription.c.overdue_from,
        subscription.c.auto_renew,
        subscription.c.bound_through,
    )
    .join(product, product.c.id == subscription.c.product)
    .where(
        subscription.c.person == sa.bindparam("person"),
        subscription.c.annulled.is_(False),
        product.c.entry_right.is_not(None),
    )
)

FREEZES = (
    sa.select(freeze.c.subscription, freeze.c.first, freeze.c.last)
    .join(subscription, subscription.c.id == freeze.c.subscription)
    .where(subscription.c.person == sa.bindparam("person"))
    .order_by(freeze.c.first)
)

#: A card without an entry right opens nothing either (A-16); what is left on it is a sum (`central.schema.punch`).
PUNCH_CARDS = (
    sa.select(
        punch_card.c.id,
        product.c.entry_right,
        punch_card.c.valid_through,
        punch_card.c.punches_bought
        + sa.select(sa.func.coalesce(sa.func.sum(punch.c.change), 0))
        .where(punch.c.card == punch_card.c.id)
        .scalar_subquery(),
    )
    .join(product, product.c.id == punch_card.c.product)
    .where(punch_card.c.person == sa.bindparam("person"), product.c.entry_right.is_not(None))
    .order_by(punch_card.c.id)
)
COUNTED = (
    sa.select(punch.c.card, punch.c.epoch, sa.func.max(punch.c.sequence))
    .join(punch_card, punch_card.c.id == punch.c.card)
    .where(punch_card.c.person == sa.bindparam("person"))
    .group_by(punch.c.card, punch.c.epoch)
)

SITE = sa.select(site).where(site.c.id == sa.bindparam("site"))
READERS = sa.select(reader).where(reader.c.site == sa.bindparam("site"))

RIGHTS = (
    sa.select(entry_right.c.id, entry_right.c.schedule, entry_right_reader.c.reader)
    .join(entry_right_reader, entry_right_reader.c.entry_right == entry_right.c.id)
    .join(reader, reader.c.id == entry_right_reader.c.reader)
    .where(reader.c.site == sa.bindparam("site"))
)
SCHEDULES = sa.select(schedule.c.id, schedule.c.weekly, schedule.c.exceptions)

HOLDERS_OF_PRODUCT = sa.union(
    sa.select(subscription.c.person).where(subscription.c.product == sa.bindparam("product")),
    sa.select(punch_card.c.person).where(punch_card.c.product == sa.bindparam("product")),
)

EVERYONE = sa.select(credential.c.person).distinct()

AGE_LIMITED = sa.select(sa.literal(1)).where(reader.c.site == sa.bindparam("site"), reader.c.age_limit > 0).limit(1)

HOLDER_ROWS = sa.select(access_row.c.kind, access_row.c.id, access_row.c.body).where(
    access_row.c.site == sa.bindparam("site"), access_row.c.person == sa.bindparam("person")
)
POLICY_ROWS = sa.select(access_row.c.kind, access_row.c.id, access_row.c.body).where(
    access_row.c.site == sa.bindparam("site"), access_row.c.person.is_(None)
)
CREDENTIAL_ROWS = sa.select(access_row.c.kind, access_row.c.id, access_row.c.body).where(
    access_row.c.site == sa.bindparam("site"),
    access_row.c.kind == Kind.CREDENTIAL,
    access_row.c.id.in_(sa.bindparam("ids", expanding=True)),
)

NEXT_REVISION = (
    site.update()
    .where(site.c.id == sa.bindparam("key"))
    .values(revision=site.c.revision + 1)
    .returning(site.c.revision)
)
REVISION = sa.select(site.c.revision).where(site.c.id == sa.bindparam("site"))
DELETE_ROWS = access_row.delete().where(
    access_row.c.site == sa.bindparam("s"), access_row.c.kind == sa.bindparam("k"), access_row.c.id == sa.bindparam("i")
)

CHANGED_SINCE = (
    sa.select(access_row.c.kind, access_row.c.id, access_row.c.body)
    .where(
        access_row.c.site == sa.bindparam("site"),
        access_row.c.revision > sa.bindparam("since"),
        access_row.c.revision <= sa.bindparam("to"),
    )
    .order_by(access_row.c.revision, access_row.c.kind, access_row.c.id)
)
ALL_ROWS = sa.select(access_row.c.kind, access_row.c.id, access_row.c.body).where(
    access_row.c.site == sa.bindparam("site"), access_row.c.body.is_not(None)
)


class PersonFacts(NamedTuple):
    """What the list needs to know of a person."""

    id: str
    blocked: bool
    blocked_until: date | None
    overrides_anti_passback: bool
    birth_date: date | None


class SubscriptionFacts(NamedTuple):
    """What the list needs to know of a subscription."""

    id: int
    right: str
    start: date
    charged_through: date | None
    overdue_from: date | None
    auto_renew: bool
    bound_through: date | None

    def is_over(self, day: date) -> bool:
        """Whether it ran out before `day` by itself (C-09): it can only refuse from then on."""
        last = max((end for end in (self.charged_through, self.bound_through) if end), default=self.start)
        return not self.auto_renew and last < day


def rows_of(connection: sa.Connection, question: sa.Executable, **keys: object) -> list[Row]:
    """Run one of the row questions above."""
    return [Row(Kind(row.kind), row.id, row.body) for row in connection.execute(question, keys)]


def write_rows(connection: sa.Connection, site_id: str, changed: Sequence[tuple[Row, str | None]]) -> int:
    """Store changed rows, each with its person, under the site's next revision, which is returned."""
    revision: int = connection.execute(NEXT_REVISION, {"key": site_id}).scalar_one()
    connection.execute(DELETE_ROWS, [{"s": site_id, "k": row.kind, "i": row.id} for row, _ in changed])
    connection.execute(
        access_row.insert(),
        [
            {"site": site_id, "kind": row.kind, "id": row.id, "person": owner, "body": row.body, "revision": revision}
            for row, owner in changed
        ],
    )
    return revision

"""What is sold and what members hold: the values the services take and give (C-01, C-02, C-08, C-16)."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, TypedDict

from pydantic import Field

from central.memberships import rules


class ProductType(StrEnum):
    """What kind of thing is sold (C-01). Only a subscription can be held as one."""

    SUBSCRIPTION = "subscription"
    PUNCH_CARD = "punch_card"
    STORED_VALUE = "stored_value"
    ENTRY_TICKET = "entry_ticket"
    CLASS = "class"
    SERVICE = "service"
    COURSE = "course"
    MERCHANDISE = "merchandise"
    FEE = "fee"


@dataclass(frozen=True, slots=True)
class Product:
    """A product. `price` in minor units with VAT; `vat_rate` in hundredths of a percent; `sites` where it is sold."""

    id: str
    number: str
    name: str
    description: str
    external_description: str
    type: ProductType
    price: int
    currency: str
    vat_rate: int
    sites: list[str]
    sold_online: bool
    gives_membership: bool
    requires_membership: bool
    debit_interval_months: int
    commitment_months: int
    notice_months: int
    auto_renew_default: bool
    entry_right: str | None


class ProductValues(TypedDict, total=False):
    """What staff decide about a product."""

    number: str
    name: str
    description: str
    external_description: str
    type: ProductType
    price: int
    currency: str
    vat_rate: int
    sites: list[str]
    sold_online: bool
    gives_membership: bool
    requires_membership: bool
    debit_interval_months: int
    commitment_months: int
    notice_months: int
    auto_renew_default: bool
    entry_right: str | None


@dataclass(frozen=True, slots=True)
class Freeze:
    """A pause from `first` to `last`, both included; `last` is null while it has no end (C-16)."""

    id: int
    first: Annotated[date, Field(serialization_alias="from")]
    last: Annotated[date | None, Field(serialization_alias="to")]
    reason: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a person holds of a product (C-08); `person` uses it, `payer` pays if that is somebody else."""

    id: int
    person: str
    payer: str | None
    product: str
    site: str
    start: date
    bound_through: date | None
    charged_through: date | None
    auto_renew: bool
    price: int
    sold_at: datetime | None
    annulled: bool
    overdue_from: date | None
    terminated_on: date | None
    termination_reason: str | None
    termination_comment: str | None
    freezes: list[Freeze]


class SubscriptionValues(TypedDict, total=False):
    """What may be said about a subscription that exists."""

    bound_through: date | None
    charged_through: date | None
    auto_renew: bool
    price: int
    payer: str | None
    overdue_from: date | None


@dataclass(frozen=True, slots=True)
class PunchCard:
    """A punch card of a person (A-16); below zero `punches_left` where doors took more than there was (A-53)."""

    id: int
    person: str
    product: str
    site: str
    punches_bought: int
    punches_left: int
    valid_through: date
    price: int
    sold_at: datetime


def card_name(key: int) -> str:
    """The id of a punch card where ids of subscriptions stand beside it: at doors and in passages."""
    return f"PC-{key}"


def as_rule(subscription: Subscription, product: Product) -> rules.Subscription:
    """Return a subscription as the rules read it."""
    return rules.Subscription(
        id=subscription.id,
        person=subscription.person,
        product=subscription.product,
        gives_membership=product.gives_membership,
        start=subscription.start,
        bound_through=subscription.bound_through,
        charged_through=subscription.charged_through,
        auto_renew=subscription.auto_renew,
        annulled=subscription.annulled,
        freezes=tuple(rules.Freeze(each.first, each.last) for each in subscription.freezes),
        product_name=product.name,
    )

"""Products, subscriptions and freezes over HTTP."""

from datetime import date
from typing import Annotated, cast

from aiohttp import web
from pydantic import AwareDatetime, Field

from central.http import UNITS
from central.memberships import products, punch_cards, service
from central.memberships.model import Product, ProductType, ProductValues, PunchCard, Subscription, SubscriptionValues
from central.operations import Change, Listing, Operations, Page, Wish, listing
from central.wire import Id, Name

op = Operations("memberships")

Months = Annotated[int, Field(ge=0, le=120)]
Money = Annotated[int, Field(ge=0, le=10**12, description="minor units, VAT included")]
Text = Annotated[str, Field(max_length=2000)]
ProductNumber = Annotated[str, Field(min_length=1, max_length=64)]
Reason = Annotated[str, Field(max_length=200)]
SubscriptionKey = Annotated[int, Field(ge=1, lt=2**63)]


class _ProductFacts(Change):
    description: Text = ""
    external_description: Text = ""
    price: Money = 0
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "SEK"
    vat_rate: Annotated[int, Field(ge=0, le=10_000, description="hundredths of a percent")] = 0
    sites: list[Id] = Field(default_factory=list)
    sold_online: bool = False
    gives_membership: bool = True
    requires_membership: bool = False
    debit_interval_months: Months = 1
    commitment_months: Months = 0
    notice_months: Months = 0
    auto_renew_default: bool = False
    entry_right: Id | None = None


class ProductChange(_ProductFacts):
    """What shall be different about a product."""

    number: ProductNumber = ""
    name: Name = ""


class ProductWish(_ProductFacts):
    """A new product."""

    id: Id
    number: ProductNumber
    name: Name
    type: ProductType = ProductType.SUBSCRIPTION


class SubscriptionWish(Wish):
    """A new subscription. Price and auto-renew come from the product unless given."""

    person: Id
    product: Id
    site: Id
    start: date
    bound_through: date | None = None
    charged_through: date | None = None
    auto_renew: bool | None = None
    price: Money | None = None
    payer: Id | None = None
    sold_at: AwareDatetime | None = None


class SubscriptionChange(Change):
    """What shall be different about a subscription."""

    bound_through: date | None = None
    charged_through: date | None = None
    auto_renew: bool = False
    price: Money = 0
    payer: Id | None = None
    overdue_from: date | None = None


class PunchCardWish(Wish):
    """A new punch card of a person's own. The price comes from the product unless given."""

    person: Id
    product: Id
    site: Id
    punches: Annotated[int, Field(ge=1, le=10_000)]
    valid_through: Annotated[date, Field(description="last day, inclusive")]
    price: Money | None = None


class SubscriptionQuery(Page):
    """Which subscriptions."""

    after: SubscriptionKey | None = Field(default=None, strict=False)  # type: ignore[assignment]
    person: Id | None = None


class Charge(Wish):
    """Through which day has been debited."""

    through: date


class Termination(Wish):
    """The last day, and why."""

    on: date
    reason: Reason
    comment: Text | None = None


class FreezeWish(Wish):
    """A pause, both days included; without `to` it lasts until it is ended."""

    since: date = Field(alias="from")
    to: date | None = None
    reason: Reason = ""


class FreezeEnd(Wish):
    """The last day of the pause; a day before it began removes it, null opens its end."""

    to: date | None


@op("POST", "/api/products", "Create a product", status=201)
async def create_product(request: web.Request, body: ProductWish) -> Product:
    values = cast("ProductValues", body.everything(but="id"))
    return await request.app[UNITS].run(products.create, body.id, values)


@op("PATCH", "/api/products/{product}", "Change a product")
async def change_product(request: web.Request, product: Id, body: ProductChange) -> Product:
    return await request.app[UNITS].run(products.change, product, cast("ProductValues", body.given()))


@op("GET", "/api/products", "List products")
async def list_products(request: web.Request, query: Page) -> Listing[Product]:
    found = await request.app[UNITS].read(products.list_products, after=query.after, limit=query.limit + 1)
    return listing(found, query, lambda each: each.id)


@op("GET", "/api/products/{product}", "Show a product")
async def show_product(request: web.Request, product: Id) -> Product:
    return await request.app[UNITS].read(products.get, product)


@op("POST", "/api/subscriptions", "Sell a subscription", status=201)
async def create_subscription(request: web.Request, body: SubscriptionWish) -> Subscription:
    return await request.app[UNITS].run(service.subscribe, **body.everything())


@op("PATCH", "/api/subscriptions/{subscription}", "Change a subscription")
async def change_subscription(
    request: web.Request, subscription: SubscriptionKey, body: SubscriptionChange
) -> Subscription:
    values = cast("SubscriptionValues", body.given())
    return await request.app[UNITS].run(service.change, subscription, values)


@op("GET", "/api/subscriptions", "List subscriptions")
async def list_subscriptions(request: web.Request, query: SubscriptionQuery) -> Listing[Subscription]:
    found = await request.app[UNITS].read(
        service.list_subscriptions,
        after=query.after or 0,
        limit=query.limit + 1,
        persons=[query.person] if query.person else None,
    )
    return listing(found, query, lambda each: each.id)


@op("GET", "/api/subscriptions/{subscription}", "Show a subscription")
async def show_subscription(request: web.Request, subscription: SubscriptionKey) -> Subscription:
    return await request.app[UNITS].read(service.get, subscription)


@op("POST", "/api/subscriptions/{subscription}/charge", "Record a debit")
async def charge_subscription(request: web.Request, subscription: SubscriptionKey, body: Charge) -> Subscription:
    return await request.app[UNITS].run(service.charge, subscription, body.through)


@op("POST", "/api/subscriptions/{subscription}/annul", "Annul a subscription")
async def annul_subscription(request: web.Request, subscription: SubscriptionKey) -> Subscription:
    return await request.app[UNITS].run(service.annul, subscription)


@op("POST", "/api/subscriptions/{subscription}/terminate", "Terminate a subscription")
async def terminate_subscription(
    request: web.Request, subscription: SubscriptionKey, body: Termination
) -> Subscription:
    return await request.app[UNITS].run(service.terminate, subscription, body.on, body.reason, body.comment)


@op("POST", "/api/subscriptions/{subscription}/freezes", "Freeze a subscription", status=201)
async def freeze_subscription(request: web.Request, subscription: SubscriptionKey, body: FreezeWish) -> Subscription:
    return await request.app[UNITS].run(service.freeze, subscription, body.since, body.to, body.reason)


@op("PATCH", "/api/subscriptions/{subscription}/freezes/{freeze}", "Change the end of a freeze")
async def end_freeze(
    request: web.Request, subscription: SubscriptionKey, freeze: SubscriptionKey, body: FreezeEnd
) -> Subscription:
    return await request.app[UNITS].run(service.end_freeze, subscription, freeze, body.to)


@op("POST", "/api/punch-cards", "Sell a punch card", status=201)
async def sell_punch_card(request: web.Request, body: PunchCardWish) -> PunchCard:
    return await request.app[UNITS].run(punch_cards.sell, **body.everything())


@op("GET", "/api/punch-cards", "List punch cards with what is left on them")
async def list_punch_cards(request: web.Request, query: SubscriptionQuery) -> Listing[PunchCard]:
    found = await request.app[UNITS].read(
        punch_cards.list_cards, after=query.after or 0, limit=query.limit + 1, person=query.person
    )
    return listing(found, query, lambda each: each.id)


@op("GET", "/api/punch-cards/{card}", "Show a punch card")
async def show_punch_card(request: web.Request, card: SubscriptionKey) -> PunchCard:
    return await request.app[UNITS].read(punch_cards.get, card)

"""Use cases of punch cards: sell one, and count what doors take off (A-16, A-17, A-53).

The balance is the sum of a ledger that only grows, so that an entry that comes twice takes one punch.
"""

import logging
import re
from datetime import date, datetime
from typing import Final, NamedTuple

import sqlalchemy as sa

from central.alarms import AlarmKind, raise_alarm
from central.changes import Aggregate, Unit
from central.errors import Invalid, NotFound
from central.memberships import products, store_cards as store
from central.memberships.model import ProductType, PunchCard, card_name
from central.people import service as people
from protocol.identity import Epoch, EventId

_log = logging.getLogger(__name__)

_NAME: Final = re.compile(r"PC-([1-9][0-9]{0,17})")
_TAKEN: Final = -1
_GIVEN_BACK: Final = 1


class Punch(NamedTuple):
    """What an entry of a journal says about the punch of a passage."""

    passage: EventId
    epoch: Epoch
    sequence: int
    """Of the entry; later than the passage's own where it takes the punch back."""
    at: datetime


def sell(
    unit: Unit, *, person: str, product: str, site: str, punches: int, valid_through: date, price: int | None = None
) -> PunchCard:
    """Sell a card to a person; the price comes from the product unless given.

    Refuses with `NOT_A_PUNCH_CARD`, `PRODUCT_NOT_AT_FACILITY` (C-01) or `NO_SUCH_MEMBER`.
    """
    sold = products.get(unit.connection, product)
    if sold.type is not ProductType.PUNCH_CARD:
        raise Invalid("NOT_A_PUNCH_CARD", f"product {product} is a {sold.type}; sell it as what it is")
    products.check_sold_at(sold, site)
    if people.missing(unit.connection, [person]):
        raise Invalid("NO_SUCH_MEMBER", f"create member {person} first")
    key = store.add(
        unit.connection,
        {
            "person": person,
            "product": product,
            "site": site,
            "punches_bought": punches,
            "valid_through": valid_through,
            "price": sold.price if price is None else price,
            "sold_at": unit.now,
        },
    )
    unit.changed(Aggregate.PERSON, person)
    return get(unit.connection, key)


def get(connection: sa.Connection, key: int) -> PunchCard:
    """Return a card with what is left on it; raises `NotFound`."""
    found = store.find(connection, key)
    if found is None:
        raise NotFound("punch card", key)
    return found


def list_cards(
    connection: sa.Connection, *, after: int = 0, limit: int | None = None, person: str | None = None
) -> list[PunchCard]:
    """Return cards by id, those of one person if given."""
    return store.cards(connection, after=after, limit=limit, person=person)


def take(unit: Unit, name: str, punch: Punch) -> None:
    """Count the punch that a granted passage took from the card of this name; the same passage counts once.

    Who was let in stays in: a card may end below zero, which raises an alarm (A-53).
    """
    found = _NAME.fullmatch(name)
    key = int(found.group(1)) if found else 0
    if not store.lock(unit.connection, key):
        detail = (
            f"passage {punch.passage} took a punch from {name}, which was not sold here; see where its list came from"
        )
        _log.error("%s", detail)
        raise_alarm(unit.connection, AlarmKind.UNKNOWN_PUNCH_CARD, name, detail, unit.now)
        return
    if store.card_of(unit.connection, punch.passage, _TAKEN) is not None:
        return
    store.add_punch(unit.connection, key, _TAKEN, **punch._asdict())
    card = get(unit.connection, key)
    unit.changed(Aggregate.PERSON, card.person)
    if card.punches_left < 0:
        detail = f"{card_name(key)} stands at {card.punches_left}: doors that were offline let its owner in"
        raise_alarm(unit.connection, AlarmKind.PUNCH_OVERDRAWN, card_name(key), detail, unit.now)


def give_back(unit: Unit, punch: Punch) -> None:
    """Give back the punch that a passage took, if it took one: nobody went through (rulings 11)."""
    key = store.card_of(unit.connection, punch.passage, _TAKEN)
    if key is None:
        return
    store.lock(unit.connection, key)
    if store.card_of(unit.connection, punch.passage, _GIVEN_BACK) is None:
        store.add_punch(unit.connection, key, _GIVEN_BACK, **punch._asdict())
        unit.changed(Aggregate.PERSON, get(unit.connection, key).person)

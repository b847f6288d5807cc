"""Who may pass, and when: one pure function, called by the edge at the door and by central to explain or replay.

The order of checks is ruling 6; the first failure is the primary reason, all failures are kept for whoever asks "why?".
"""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from protocol.entitlement import CredentialStatus, Entitlement, Holder, PunchCard
from protocol.identity import EntitlementId, PersonId, RightId
from protocol.policy import DoorMode, ExitPolicy, ReaderKind, ReaderPolicy, SitePolicy
from protocol.visit import OpenVisit, is_open, second_of_day, visit_day


class Reason(StrEnum):
    """Why a passage was granted or denied (requirements §0.4). Values are stable; new ones are added, none changes."""

    OK = "OK"
    READER_DISABLED = "READER_DISABLED"
    DOOR_LOCKED = "DOOR_LOCKED"
    UNKNOWN_CREDENTIAL = "UNKNOWN_CREDENTIAL"
    AMBIGUOUS_CREDENTIAL = "AMBIGUOUS_CREDENTIAL"
    CREDENTIAL_BLOCKED = "CREDENTIAL_BLOCKED"
    PERSON_BLOCKED = "PERSON_BLOCKED"
    AGE_UNKNOWN = "AGE_UNKNOWN"
    AGE_LIMIT = "AGE_LIMIT"
    TOO_SOON = "TOO_SOON"
    FULL = "FULL"
    NO_ENTITLEMENT = "NO_ENTITLEMENT"
    NO_RIGHT_AT_READER = "NO_RIGHT_AT_READER"
    OUTSIDE_SCHEDULE = "OUTSIDE_SCHEDULE"
    NOT_STARTED = "NOT_STARTED"
    FROZEN = "FROZEN"
    NOT_CHARGED = "NOT_CHARGED"
    OVERDUE_INVOICE = "OVERDUE_INVOICE"
    NO_PUNCHES_LEFT = "NO_PUNCHES_LEFT"
    CARD_EXPIRED = "CARD_EXPIRED"


#: The place of each reason in the order of checks (rulings 6).
CHECK_ORDER: Final = {reason: place for place, reason in enumerate(Reason)}


class PassageKind(StrEnum):
    """Which way the member went, or would have gone."""

    IN = "in"
    OUT = "out"
    INNER = "inner"


class Presence(NamedTuple):
    """What the site remembers about the holder at this moment."""

    open_visit: OpenVisit | None = None
    last_entry: datetime | None = None
    """Last granted entry of this credential at this barrier (A-23)."""
    inside: int = 0
    """People with an open visit at the site, last known (A-30)."""


NOBODY: Final = Presence()

# Asking an enum class for a member takes Python 3.11 five times as long as asking the module: those that every
# decision compares with are asked for once.
_BLOCKS_ALL: Final = DoorMode.LOCKED
_ACTIVE: Final = CredentialStatus.ACTIVE
_ENTRANCE: Final = ReaderKind.IN
_EXIT: Final = ReaderKind.OUT
_IN: Final = PassageKind.IN
_OUT: Final = PassageKind.OUT


class Granted(NamedTuple):
    """The lane may open."""

    passage: PassageKind
    person: PersonId | None
    entitlement: EntitlementId | None
    new_visit: bool = False
    closes_visit: bool = False
    all_reasons: tuple[Reason, ...] = ()
    """What would have refused an entry, where the door opens regardless: exits, unlocked doors."""
    punched: EntitlementId | None = None
    """The punch card that pays for the visit that begins (A-17, A-19)."""
    reason: Literal[Reason.OK] = Reason.OK


class Denied(NamedTuple):
    """The lane stays shut."""

    reason: Reason
    passage: PassageKind
    person: PersonId | None
    entitlement: EntitlementId | None
    """The entitlement that came closest to granting, when that was what failed."""
    all_reasons: tuple[Reason, ...]


Verdict = Granted | Denied
_Best = tuple[EntitlementId | None, Iterable[Reason], EntitlementId | None]
"""An entitlement, why it does not grant (nothing: it does), and the punch card that pays if one does."""
Lookup = Holder | None | Literal["ambiguous"]


def decide(
    holder: Lookup,
    *,
    reader: ReaderPolicy,
    site: SitePolicy,
    now: datetime,
    presence: Presence = NOBODY,
    manual: bool = False,
) -> Verdict:
    """Decide one passage (A-07, rulings 6).

    `holder` is what the access list says of the credential: a holder, `None` for a credential nobody owns, or
    `AMBIGUOUS`. `now` is aware; dates and schedules are judged on the site's wall clock at that instant. An entry that
    staff make by hand (`manual`) is never too soon (A-23, A-42).
    """
    local = now.astimezone(site.zone)
    day = local.date()
    open_visit = presence.open_visit
    inside = open_visit is not None and is_open(open_visit, visit_day(local, site.rollover))
    passage = _direction(reader.kind, inside=inside)
    leaving = passage is _OUT

    failures: list[Reason] = []
    if not reader.enabled:
        failures.append(Reason.READER_DISABLED)
    if reader.mode is _BLOCKS_ALL:
        failures.append(Reason.DOOR_LOCKED)

    person: PersonId | None = None
    entitlement: EntitlementId | None = None
    card: EntitlementId | None = None
    if isinstance(holder, Holder):
        person = holder.person
        if holder.status is not _ACTIVE:
            failures.append(Reason.CREDENTIAL_BLOCKED)
        if holder.blocked and (holder.blocked_until is None or day <= holder.blocked_until):
            failures.append(Reason.PERSON_BLOCKED)
        if not leaving and reader.age_limit:
            failures.extend(_age_failures(holder.birth_date, reader.age_limit, day))
        if presence.last_entry is not None and not manual and _too_soon(holder, reader, now, presence.last_entry):
            failures.append(Reason.TOO_SOON)
        if site.occupancy_limit and not leaving and not inside and presence.inside >= site.occupancy_limit:
            failures.append(Reason.FULL)
        entitlement, entitlement_failures, card = _best_entitlement(
            holder, reader, day, second_of_day(local), site.charge_grace_days, inside=inside
        )
        failures.extend(entitlement_failures)
    else:
        failures.append(Reason.UNKNOWN_CREDENTIAL if holder is None else Reason.AMBIGUOUS_CREDENTIAL)

    if failures and not _opens_regardless(reader, failures, leaving=leaving):
        primary = failures[0]
        return Denied(primary, passage, person, entitlement, _in_order(failures))
    sound = not failures
    new_visit = passage is _IN and sound and reader.counts_visits and not inside
    closes_visit = leaving and inside and Reason.TOO_SOON not in failures
    reasons = () if sound else _in_order(failures)
    punched = card if new_visit else None
    return Granted(passage, person, entitlement if sound else None, new_visit, closes_visit, reasons, punched)


def grants_entry(entitlement: Entitlement, reader: ReaderPolicy, site: SitePolicy, now: datetime) -> bool:
    """Tell whether this one subscription grants entry: the predicate of requirements §0.3, person aside (A-08)."""
    local = now.astimezone(site.zone)
    return not _entitlement_failures(entitlement, reader, local.date(), second_of_day(local), site.charge_grace_days)


def _direction(kind: ReaderKind, *, inside: bool) -> PassageKind:
    """An inner reader acts as an entrance for who is not inside (A-37); a two-way reader alternates (A-38)."""
    if kind is _ENTRANCE:
        return _IN
    if kind is _EXIT:
        return _OUT
    if not inside:
        return _IN
    return PassageKind.INNER if kind is ReaderKind.INNER else _OUT


def _too_soon(holder: Holder, reader: ReaderPolicy, now: datetime, last_entry: datetime) -> bool:
    """The minimum interval counts from the last granted entry; it keeps a double tap from toggling (A-23, A-38)."""
    return (
        reader.min_interval > 0
        and reader.kind is not _EXIT
        and not holder.overrides_anti_passback
        and (now - last_entry).total_seconds() < reader.min_interval
    )


def _opens_regardless(reader: ReaderPolicy, failures: list[Reason], *, leaving: bool) -> bool:
    """Nobody is locked in (A-20, rulings 8), and an unlocked door asks nobody (A-56)."""
    if reader.kind is ReaderKind.OUT:
        return reader.exit_policy is ExitPolicy.ALWAYS_OPEN or reader.mode is DoorMode.UNLOCKED
    if leaving and reader.exit_policy is ExitPolicy.ALWAYS_OPEN and Reason.TOO_SOON not in failures:
        return True
    return reader.mode is DoorMode.UNLOCKED and reader.enabled


def _age_failures(birth_date: date | None, limit: int, day: date) -> Iterable[Reason]:
    """At least `limit` full years on the local date (A-22); born on 29 February, the birthday is 1 March."""
    if birth_date is None:
        return (Reason.AGE_UNKNOWN,)
    had_birthday = (day.month, day.day) >= (birth_date.month, birth_date.day)
    years = day.year - birth_date.year - (0 if had_birthday else 1)
    return (Reason.AGE_LIMIT,) if years < limit else ()


def _best_entitlement(
    holder: Holder, reader: ReaderPolicy, day: date, second: int, grace: int, *, inside: bool
) -> _Best:
    """The first subscription that grants; where none does, the first punch card (A-17).

    If none of them grants, the subscription that failed latest in the order of checks speaks for all, and a card only
    where there is no subscription (rulings 6).
    """
    best: EntitlementId | None = None
    best_failures: list[Reason] = []
    others: list[Reason] = []
    for entitlement in holder.entitlements:
        failures = _entitlement_failures(entitlement, reader, day, second, grace)
        if not failures:
            return entitlement.entitlement, (), None
        others.extend(failures)
        if best is None or CHECK_ORDER[failures[0]] > CHECK_ORDER[best_failures[0]]:
            best, best_failures = entitlement.entitlement, failures
    if holder.punch_cards:
        card, failures = _best_card(holder.punch_cards, reader, day, second, inside=inside)
        if not failures:
            return card, (), card
        if best is None:
            return card, failures, None
        others.extend(failures)
    if best is None:
        return None, (Reason.NO_ENTITLEMENT,), None
    return best, [*best_failures, *others], None


def _best_card(
    cards: tuple[PunchCard, ...], reader: ReaderPolicy, day: date, second: int, *, inside: bool
) -> tuple[EntitlementId | None, list[Reason]]:
    """The first card that grants, or the one that failed latest. A visit is paid for once: inside, no punch is needed.

    See A-16, and A-19 for who comes in again.
    """
    best: EntitlementId | None = None
    best_failures: list[Reason] = []
    others: list[Reason] = []
    for card in cards:
        failures = _card_failures(card, reader, day, second, needs_punch=not inside)
        if not failures:
            return card.entitlement, []
        others.extend(failures)
        if best is None or CHECK_ORDER[failures[0]] > CHECK_ORDER[best_failures[0]]:
            best, best_failures = card.entitlement, failures
    return best, [*best_failures, *others]


def _entitlement_failures(
    entitlement: Entitlement, reader: ReaderPolicy, day: date, second: int, grace: int
) -> list[Reason]:
    _id, right, start, charged, freezes, overdue_from = entitlement
    failures = _right_failures(right, reader, day, second)
    if day < start:
        failures.append(Reason.NOT_STARTED)
    for first, last in freezes:
        if first <= day and (last is None or day <= last):
            failures.append(Reason.FROZEN)
            break
    if charged is None or day.toordinal() - charged.toordinal() > grace:
        failures.append(Reason.NOT_CHARGED)
    if overdue_from is not None and day >= overdue_from:
        failures.append(Reason.OVERDUE_INVOICE)
    return failures


def _card_failures(card: PunchCard, reader: ReaderPolicy, day: date, second: int, *, needs_punch: bool) -> list[Reason]:
    failures = _right_failures(card.right, reader, day, second)
    if needs_punch and card.left < 1:
        failures.append(Reason.NO_PUNCHES_LEFT)
    if day > card.valid_through:
        failures.append(Reason.CARD_EXPIRED)
    return failures


def _right_failures(right: RightId, reader: ReaderPolicy, day: date, second: int) -> list[Reason]:
    if right not in reader.rights:
        return [Reason.NO_RIGHT_AT_READER]
    schedule = reader.rights[right]
    return [] if schedule is None or schedule.allows(day, second) else [Reason.OUTSIDE_SCHEDULE]


def _in_order(failures: list[Reason]) -> tuple[Reason, ...]:
    return tuple(sorted(dict.fromkeys(failures), key=CHECK_ORDER.__getitem__))

"""Who is sent to Mywellness and which visits are (requirements D-04…D-11, D-31, D-45, D-47; ruling 3).

Selection asks what a person holds, eligibility adds consent, complete data and the state of the link, and a visit adds
its own conditions. Whoever is held back gets a reason that staff can read, never a bare "no".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from zoneinfo import ZoneInfo

from central.memberships.rules import Subscription, is_sync_candidate
from central.mywellness.states import LinkState

CLOCKS_DIFFER = timedelta(minutes=10)
"""How far an edge's clock may be ahead of central's before its visits are not believed."""


class Gender(StrEnum):
    """What we know of a person's gender; not knowing is None, which is not the same as `OTHER` (B-11)."""

    FEMALE = "F"
    MALE = "M"
    OTHER = "other"


GENDERS: Mapping[Gender, str] = MappingProxyType({Gender.FEMALE: "F", Gender.MALE: "M"})
"""How genders are spelled for Mywellness. `OTHER` has no known spelling: such a person is held, not guessed (B-11)."""


class Mode(StrEnum):
    """How persons are selected for Mywellness (D-04)."""

    ALL_MEMBERS = "all_members"
    PERSON_GROUP = "person_group"
    PERSON_CATEGORY = "person_category"
    ALL_PERSONS = "all_persons"


class Attribute(StrEnum):
    """The attributes without which nobody is sent (D-08, D-09), in the order staff see them."""

    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    BIRTH_DATE = "birth_date"
    GENDER = "gender"
    EMAIL = "email"


class Held(StrEnum):
    """Why a person, or a visit, is not sent."""

    NOT_SELECTED = "not_selected"
    OPTED_OUT = "opted_out"
    INCOMPLETE = "incomplete"
    GENDER_UNMAPPED = "GENDER_UNMAPPED"
    SUSPENDED = "suspended"
    TO_DELETE = "to_delete"
    TOMBSTONED = "tombstoned"
    ACTIVITY_OPTED_OUT = "activity_opted_out"
    NOT_NEW = "not_new"
    UNDONE = "undone"
    TOO_OLD = "too_old"
    IN_FUTURE = "in_future"
    """Its time has not come yet: the clock that stamped it was wrong."""


@dataclass(frozen=True, slots=True)
class Person:
    """What Mywellness may learn of a person; texts are empty when unknown. `id` is sent as the external id."""

    id: str
    first_name: str
    last_name: str
    birth_date: date | None
    gender: Gender | None
    email: str = ""
    address: str = ""
    postcode: str = ""
    city: str = ""
    phone: str = ""
    mobile: str = ""
    allow_sync: bool = True
    allow_activity_sync: bool = True
    groups: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SyncPolicy:
    """A facility's choices about whom and what to send; `carrying` names the group or category a mode asks for."""

    mode: Mode = Mode.ALL_MEMBERS
    carrying: str | None = None
    email_required: bool = True
    genders: Mapping[Gender, str] = field(default_factory=lambda: GENDERS)
    late_visit_limit: timedelta = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the person's link stands with one facility; state None is no link, a tombstone is left by a deletion."""

    state: LinkState | None = None
    tombstoned: bool = False


@dataclass(frozen=True, slots=True)
class VisitFacts:
    """What the rules ask of a visit: when it began, whether it still counts as a new visit, whether it was undone."""

    began: datetime
    new_visit: bool = True
    undone: bool = False


def missing(person: Person, *, email_required: bool) -> tuple[Attribute, ...]:
    """Return the mandatory attributes that are absent or blank (D-08, D-09)."""
    present = {
        Attribute.FIRST_NAME: bool(person.first_name.strip()),
        Attribute.LAST_NAME: bool(person.last_name.strip()),
        Attribute.BIRTH_DATE: person.birth_date is not None,
        Attribute.GENDER: person.gender is not None,
        Attribute.EMAIL: bool(person.email.strip()) or not email_required,
    }
    return tuple(attribute for attribute in Attribute if not present[attribute])


def selected(policy: SyncPolicy, person: Person, subscriptions: Iterable[Subscription], day: date) -> bool:
    """Say whether the facility's mode picks the person on that day; `subscriptions` are those they use (D-04)."""
    match policy.mode:
        case Mode.ALL_MEMBERS:
            return any(is_sync_candidate(subscription, day) for subscription in subscriptions)
        case Mode.PERSON_GROUP:
            return policy.carrying in person.groups
        case Mode.PERSON_CATEGORY:
            return policy.carrying in person.categories
        case Mode.ALL_PERSONS:
            return True


def withheld(policy: SyncPolicy, person: Person, *, is_selected: bool, standing: Standing) -> Held | None:
    """Return why nothing of the person may be sent, or None for an eligible person (§0.3, D-08…D-10, D-31, D-32).

    `is_selected` is an argument because a manual synchronisation ignores the mode, and nothing else (D-35).
    """
    by_link: dict[LinkState | None, Held] = {LinkState.SUSPENDED: Held.SUSPENDED, LinkState.TO_DELETE: Held.TO_DELETE}
    reason: Held | None = None
    if not is_selected:
        reason = Held.NOT_SELECTED
    elif not person.allow_sync:
        reason = Held.OPTED_OUT
    elif missing(person, email_required=policy.email_required):
        reason = Held.INCOMPLETE
    elif person.gender not in policy.genders:
        reason = Held.GENDER_UNMAPPED
    elif standing.tombstoned:
        reason = Held.TOMBSTONED
    elif standing.state in by_link:
        reason = by_link[standing.state]
    return reason


def eligible(
    policy: SyncPolicy, person: Person, subscriptions: Iterable[Subscription], *, day: date, standing: Standing
) -> bool:
    """Say whether the person may be sent on that day (§0.3)."""
    is_selected = selected(policy, person, subscriptions, day)
    return withheld(policy, person, is_selected=is_selected, standing=standing) is None


def visit_withheld(
    policy: SyncPolicy,
    visit: VisitFacts,
    person: Person,
    subscriptions: Iterable[Subscription],
    *,
    standing: Standing,
    zone: ZoneInfo,
    now: datetime,
) -> Held | None:
    """Return why a visit is not sent, or None if it is; asked once, when central records the visit.

    Subscriptions count as they stood on the visit's own local date, everything undated as it is stored now (ruling 3);
    so a late visit fares no better or worse for being late, until it is older than the limit (ruling 4, D-47).
    """
    day = visit.began.astimezone(zone).date()
    reason: Held | None
    if not visit.new_visit:
        reason = Held.NOT_NEW
    elif visit.undone:
        reason = Held.UNDONE
    else:
        is_selected = selected(policy, person, subscriptions, day)
        reason = withheld(policy, person, is_selected=is_selected, standing=standing)
    if reason is None and not person.allow_activity_sync:
        reason = Held.ACTIVITY_OPTED_OUT
    if reason is None and now - visit.began > policy.late_visit_limit:
        reason = Held.TOO_OLD
    if reason is None and visit.began - now > CLOCKS_DIFFER:
        reason = Held.IN_FUTURE
    return reason


def sends_visit(
    policy: SyncPolicy,
    visit: VisitFacts,
    person: Person,
    subscriptions: Iterable[Subscription],
    *,
    standing: Standing,
    zone: ZoneInfo,
    now: datetime,
) -> bool:
    """Say whether a visit is sent (§0.3 `send_visit`, D-45); that it was not sent before is the queue's business."""
    return visit_withheld(policy, visit, person, subscriptions, standing=standing, zone=zone, now=now) is None

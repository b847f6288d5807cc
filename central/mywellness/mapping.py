"""Our people, memberships and visits in the words of Mywellness (contract §1.4-§1.8; requirements D-14, D-20…D-24).

Two traps of that interface live here and nowhere else: the birth date is `dateOfBirth` in a create and `birthDate` in
an update, and a date-time carries its offset after a blank.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from central.memberships.rules import (
    Subscription,
    effective_end,
    is_frozen,
    last_known_day,
    member_since,
    represented,
)
from central.mywellness.rules import Gender, Person

Json: TypeAlias = str | int | float | bool | list["Json"] | dict[str, "Json"] | None
Body: TypeAlias = dict[str, Json]


class NotSendable(ValueError):  # noqa: N818 - it is the person that is not sendable, not an error of the program
    """The person lacks what Mywellness demands; `rules.withheld` says so beforehand. Carries a code, no names."""

    def __init__(self, person: str, code: str) -> None:
        """Name the person by id and the code staff see."""
        self.code = code
        super().__init__(f"person {person} cannot be sent to Mywellness: {code}; complete the person's data")


def create_body(person: Person, genders: Mapping[Gender, str]) -> Body:
    """Return the body that creates or matches the person: the mandatory attributes and our id (D-14).

    Raise `NotSendable` for a person that is not complete or whose gender has no spelling at Mywellness (B-11).
    """
    body: Body = {
        "firstName": person.first_name.strip(),
        "lastName": person.last_name.strip(),
        "dateOfBirth": _birth_date(person),
        "gender": _gender(person, genders),
        "externalId": person.id,
    }
    if person.email.strip():
        body["email"] = person.email.strip()
    return body


def update_body(
    person: Person,
    genders: Mapping[Gender, str],
    *,
    first: bool = False,
    with_email: bool = False,
    groups: Sequence[int] | None = None,
) -> Body:
    """Return the body that updates the person (D-14, D-18, D-19).

    On the `first` update only what is present is sent; later blanks go too, so that a removed phone number disappears.
    `groups` is the complete set of Mywellness' group ids, or None to leave groups alone (contract §1.6).
    """
    optional = _optional(person)
    body: Body = {
        "firstName": person.first_name.strip(),
        "lastName": person.last_name.strip(),
        "birthDate": _birth_date(person),
        "gender": _gender(person, genders),
        **{name: text for name, text in optional.items() if text or not first},
    }
    if with_email and person.email.strip():
        body["email"] = person.email.strip()
    if groups is not None:
        body["groups"] = list(groups)
    return body


def has_optional_data(person: Person) -> bool:
    """Say whether a freshly created person needs an update as well, because address or phones are known (D-14)."""
    return any(_optional(person).values())


def _optional(person: Person) -> dict[str, str]:
    return {
        "address1": person.address.strip(),
        "zipCode": person.postcode.strip(),
        "city": person.city.strip(),
        "phoneNumber": person.phone.strip(),
        "mobilePhoneNumber": person.mobile.strip(),
    }


def _birth_date(person: Person) -> str:
    if person.birth_date is None:
        raise NotSendable(person.id, "birth_date missing")
    return person.birth_date.isoformat()


def _gender(person: Person, genders: Mapping[Gender, str]) -> str:
    if person.gender is None:
        raise NotSendable(person.id, "gender missing")
    if person.gender not in genders:
        raise NotSendable(person.id, "GENDER_UNMAPPED")
    return genders[person.gender]


class Operation(StrEnum):
    """The operations of `SaveMembership`, spelled as Mywellness does (contract §1.7)."""

    SUBSCRIBE = "Subscribe"
    RENEW = "Renew"
    UPDATE = "Update"
    FROZE = "Froze"
    UNFROZE = "UnFroze"
    UNSUBSCRIBE = "UnSubscribe"


@dataclass(frozen=True, slots=True)
class Representation:
    """The one membership Mywellness knows of a person (D-20, D-22); `end` None is open-ended, dates are inclusive."""

    start: date
    end: date | None
    member_since: date
    frozen: bool
    ended: bool
    description: str


class MembershipSend(NamedTuple):
    """One `SaveMembership` call, and what Mywellness knows once it succeeded (the next `sent`)."""

    operation: Operation
    membership: Representation


def representation(
    subscriptions: Iterable[Subscription],
    day: date,
    *,
    sent: Representation | None = None,
    since_override: date | None = None,
    open_end_accepted: bool = True,
) -> Representation | None:
    """Return what Mywellness should know on that day, or None for a person that never was represented (D-20…D-24).

    `sent` is what it knows already: with no candidate left, that membership comes back as ended. Where an open end is
    not accepted, a renewing subscription ends on the later of bound-through and charged-through (D-22).
    """
    held = tuple(subscriptions)
    chosen = represented(held, day)
    if chosen is None:
        return None if sent is None else _ended(sent, held, day)
    end = effective_end(chosen)
    if end is None and not open_end_accepted:
        end = last_known_day(chosen)
    return Representation(
        start=chosen.start,
        end=end,
        member_since=member_since(held, since_override) or chosen.start,
        frozen=is_frozen(chosen, day),
        ended=False,
        description=chosen.product_name,
    )


def _ended(sent: Representation, held: Sequence[Subscription], day: date) -> Representation:
    """Mark what was sent as ended, on the last day a membership still ran, or yesterday if it was annulled."""
    if sent.ended:
        return sent
    yesterday = day - timedelta(days=1)
    last_days = [
        end
        for each in held
        if each.gives_membership and not each.annulled and (end := effective_end(each)) and sent.start <= end < day
    ]
    return replace(sent, end=max(last_days, default=max(sent.start, yesterday)), ended=True)


def operations(
    sent: Representation | None, now: Representation | None, *, full: bool = False
) -> tuple[MembershipSend, ...]:
    """Return the calls that take Mywellness from what was `sent` to what holds `now`, in order (D-23, D-24).

    Nothing changed gives no call (D-21), unless a `full` synchronisation asks for one (D-30). Ended is sent once.
    After each success keep its `membership` as the new `sent`: a break between two calls then resumes with the second.
    """
    if sent is None or sent.ended:
        return _begin(now)
    if now is None or now.ended:
        return (MembershipSend(Operation.UNSUBSCRIBE, now or replace(sent, ended=True)),)
    if sent == now:
        return (MembershipSend(Operation.UPDATE, now),) if full else ()
    return _change(sent, now)


def _begin(now: Representation | None) -> tuple[MembershipSend, ...]:
    if now is None or now.ended:
        return ()
    begun = MembershipSend(Operation.SUBSCRIBE, replace(now, frozen=False))
    return (begun, MembershipSend(Operation.FROZE, now)) if now.frozen else (begun,)


def _change(sent: Representation, now: Representation) -> tuple[MembershipSend, ...]:
    if now.frozen and not sent.frozen:
        return (MembershipSend(Operation.FROZE, now),)
    if sent.frozen and not now.frozen:
        thawed = MembershipSend(Operation.UNFROZE, replace(sent, frozen=False))
        return (thawed,) if thawed.membership == now else (thawed, MembershipSend(Operation.UPDATE, now))
    # A subscription that follows the sent one ends later too; a frozen one is prolonged without being set going.
    renews = not now.frozen and (now.end or date.max) > (sent.end or date.max)
    return (MembershipSend(Operation.RENEW if renews else Operation.UPDATE, now),)


def save_membership_body(send: MembershipSend) -> Body:
    """Return the body of `SaveMembership`; an open end is left out (contract §1.7, D-22)."""
    operation, membership = send
    body: Body = {
        "operation": operation.value,
        "memberSince": membership.member_since.isoformat(),
        "startOn": membership.start.isoformat(),
        "description": membership.description,
    }
    if membership.end is not None:
        body["expiresOn"] = membership.end.isoformat()
    return body


def wire_time(moment: datetime, zone: ZoneInfo) -> str:
    """Return the moment as the site's clock showed it, with that moment's own offset: `2026-03-10 09:00:00 +01:00`."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone; a visit's time must be aware")
    local = moment.astimezone(zone).isoformat(sep=" ", timespec="seconds")
    return f"{local[:19]} {local[19:]}"


def visit_body(began: datetime, zone: ZoneInfo) -> Body:
    """Return the body of a visit that began at that moment (contract §1.8, D-45)."""
    return {"visitDate": wire_time(began, zone)}

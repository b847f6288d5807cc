"""What has to happen at Mywellness for one person, from what we hold and what was sent (D-08…D-13, D-21…D-25, D-31).

Pure: facts in, an evaluation out. Asked after every change of a person and once a night, when dates have moved on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from central.memberships.rules import Subscription
from central.mywellness import mapping
from central.mywellness.mapping import Body, MembershipSend, Representation
from central.mywellness.rules import Attribute, Person, Standing, SyncPolicy, missing, selected
from central.mywellness.states import LinkContext, LinkEvent, LinkState, SuspendReason, opting_in, step


@dataclass(frozen=True, slots=True)
class Link:
    """A person's link as it is stored."""

    state: LinkState | None = None
    tombstoned: bool = False
    pending: bool = False
    reason: SuspendReason | None = None
    missing: tuple[str, ...] = ()
    user_id: str | None = None
    facility_user_id: str | None = None
    permanent_token: str | None = field(default=None, repr=False)
    person_sent: Body | None = None
    membership_sent: Representation | None = None

    @property
    def standing(self) -> Standing:
        """What the eligibility rules ask of a link."""
        return Standing(self.state, self.tombstoned)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known about one person when deciding what to send."""

    person: Person
    subscriptions: tuple[Subscription, ...]
    link: Link | None
    member_since_override: date | None = None
    open_person: bool = False
    """A row that will create or update the person stands in the queue."""
    open_membership: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How the link should stand, and which rows the queue needs."""

    state: LinkState | None
    reason: SuspendReason | None
    pending: bool
    missing: tuple[Attribute, ...]
    send_person: bool = False
    send_membership: bool = False


def fingerprint(person: Person, policy: SyncPolicy) -> Body | None:
    """Return what an update would say of the person now; None while mandatory data are missing.

    E-mail is not in it: it is not sent after creation (D-19's default).
    """
    try:
        return mapping.update_body(person, policy.genders)
    except mapping.NotSendable:
        return None


def memberships_due(
    facts: Facts, day: date, *, open_end_accepted: bool, full: bool = False
) -> tuple[MembershipSend, ...]:
    """Return the membership calls that bring Mywellness up to date on that day."""
    sent = facts.link.membership_sent if facts.link else None
    now = mapping.representation(
        facts.subscriptions,
        day,
        sent=sent,
        since_override=facts.member_since_override,
        open_end_accepted=open_end_accepted,
    )
    return mapping.operations(sent, now, full=full)


def pending(facts: Facts, day: date, policy: SyncPolicy, *, open_end_accepted: bool = True) -> bool:
    """Say whether Mywellness knows the person otherwise than we do now."""
    stale = _person_due(facts, day, policy) and facts.link is not None and facts.link.facility_user_id is not None
    return stale or bool(memberships_due(facts, day, open_end_accepted=open_end_accepted))


def _person_due(facts: Facts, day: date, policy: SyncPolicy) -> bool:
    """Say whether a selected, complete person is to be created, or told of anew."""
    now = fingerprint(facts.person, policy)
    lacking = missing(facts.person, email_required=policy.email_required)
    sent = facts.link.person_sent if facts.link and facts.link.facility_user_id else None
    return now is not None and not lacking and now != sent and selected(policy, facts.person, facts.subscriptions, day)


def evaluate(
    facts: Facts, day: date, policy: SyncPolicy, *, open_end_accepted: bool = True, after_change: bool = True
) -> Evaluation:
    """Decide how the link stands on `day` and what to queue.

    `after_change` is false at night: a link in error is then left alone until something changes or staff retry.
    """
    person, link = facts.person, facts.link or Link()
    lacking = missing(person, email_required=policy.email_required)
    has_remote = link.facility_user_id is not None
    person_due = _person_due(facts, day, policy)
    membership_due = bool(memberships_due(facts, day, open_end_accepted=open_end_accepted))
    waiting = has_remote and (person_due or membership_due)
    context = LinkContext(
        selected=selected(policy, person, facts.subscriptions, day),
        tombstoned=link.tombstoned,
        opted_out=not person.allow_sync,
        has_remote=has_remote,
        pending=waiting,
    )
    state, reason = _consent(link, context)
    if state in (LinkState.SUSPENDED, LinkState.TO_DELETE):
        return Evaluation(state, reason, waiting, lacking)
    if state is None:
        state = step(None, LinkEvent.CHANGED, context=context)
        if state is None:
            return Evaluation(None, None, pending=False, missing=())
    broken = state in (LinkState.CREATION_ERROR, LinkState.ERROR)
    if broken and not after_change:
        return Evaluation(state, reason, pending=False, missing=lacking)

    send_membership = membership_due and (has_remote or facts.open_person or person_due)
    if (person_due and (has_remote or broken)) or send_membership:
        state = step(state, LinkEvent.CHANGED, context=context)
    elif state is LinkState.TO_UPDATE and not (lacking or facts.open_person or facts.open_membership):
        # What differed does so no more, and nothing is on its way: Mywellness knows the person as we do.
        state = step(state, LinkEvent.SYNC_OK, context=context)
    return Evaluation(
        state,
        reason,
        pending=False,
        missing=lacking,
        send_person=person_due and not facts.open_person,
        send_membership=send_membership and not facts.open_membership,
    )


def _consent(link: Link, context: LinkContext) -> tuple[LinkState | None, SuspendReason | None]:
    """Follow the member's own choice first: opting out suspends at once, opting in again undoes just that (D-10)."""
    if context.opted_out:
        if link.state is None:
            return None, None
        already = link.state in (LinkState.SUSPENDED, LinkState.TO_DELETE)
        reason = link.reason if already else SuspendReason.MEMBER_OPT_OUT
        return step(link.state, LinkEvent.OPT_OUT, context=context), reason
    if link.state is LinkState.SUSPENDED and opting_in(link.reason) is LinkEvent.ENABLE:
        return step(link.state, LinkEvent.ENABLE, context=context), None
    return link.state, link.reason

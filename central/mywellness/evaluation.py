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


def evaluate(
    facts: Facts, day: date, policy: SyncPolicy, *, open_end_accepted: bool = True, after_change: bool = True
) -> Evaluation:
    """Decide how the link stands on `day` and what to queue.

    `after_change` is false at night: a link in error is then left alone until something changes or staff retry.
    """
    person, link = facts.person, facts.link or Link()
    lacking = missing(person, email_required=policy.email_required)
    now = fingerprint(person, policy)
    complete = not lacking and now is not None
    is_selected = selected(policy, person, facts.subscriptions, day)
    has_remote = link.facility_user_id is not None
    data_changed = has_remote and now is not None and now != link.person_sent
    membership_changed = bool(memberships_due(facts, day, open_end_accepted=open_end_accepted))
    context = LinkContext(
        selected=is_selected,
        tombstoned=link.tombstoned,
        opted_out=not person.allow_sync,
        has_remote=has_remote,
        pending=link.pending or data_changed or membership_changed,
    )
    state, reason, pending = _consent(link, context)
    if state in (LinkState.SUSPENDED, LinkState.TO_DELETE):
        return Evaluation(state, reason, pending or (context.pending and has_remote), lacking)
    if state is None:
        state = step(None, LinkEvent.CHANGED, context=context)
        if state is None:
            return Evaluation(None, None, pending=False, missing=())
    broken = state in (LinkState.CREATION_ERROR, LinkState.ERROR)
    if broken and not after_change:
        return Evaluation(state, reason, pending=False, missing=lacking)

    wants_person = complete and is_selected and (not has_remote or data_changed)
    on_its_way = has_remote or facts.open_person or wants_person
    wants_membership = membership_changed and on_its_way
    if (wants_person and has_remote) or wants_membership or (broken and wants_person):
        state = step(state, LinkEvent.CHANGED, context=context)
    return Evaluation(
        state,
        reason,
        pending=False,
        missing=lacking,
        send_person=wants_person and not facts.open_person,
        send_membership=wants_membership and not facts.open_membership,
    )


def _consent(link: Link, context: LinkContext) -> tuple[LinkState | None, SuspendReason | None, bool]:
    """Follow the member's own choice first: opting out suspends at once, opting in again undoes just that (D-10)."""
    if context.opted_out:
        if link.state is None:
            return None, None, False
        already = link.state in (LinkState.SUSPENDED, LinkState.TO_DELETE)
        reason = link.reason if already else SuspendReason.MEMBER_OPT_OUT
        return step(link.state, LinkEvent.OPT_OUT, context=context), reason, link.pending
    if link.state is LinkState.SUSPENDED and opting_in(link.reason) is LinkEvent.ENABLE:
        return step(link.state, LinkEvent.ENABLE, context=context), None, False
    return link.state, link.reason, link.pending

"""What has to be sent for one person, as a table: no database, no clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from central.memberships.rules import Freeze
from central.mywellness.evaluation import Evaluation, Facts, Link, evaluate, fingerprint, memberships_due, pending
from central.mywellness.mapping import Representation
from central.mywellness.rules import Attribute, Gender, SyncPolicy
from central.mywellness.states import LinkState, SuspendReason
from tests.central.memberships.builders import SUB_1, TODAY
from tests.central.mywellness.builders import EVELINA, person

POLICY = SyncPolicy()
GYM = Representation(date(2025, 6, 1), None, date(2025, 6, 1), frozen=False, ended=False, description="Gym")
KNOWN = Link(
    LinkState.ENABLED,
    user_id="U",
    facility_user_id="FU",
    permanent_token="PT",
    person_sent=fingerprint(EVELINA, POLICY),
    membership_sent=GYM,
)
MEMBER = Facts(EVELINA, (SUB_1,), KNOWN)
STRANGER = Facts(EVELINA, (SUB_1,), None)
MOVED = person(city="Solna")
LEFT = replace(SUB_1, auto_renew=False, bound_through=None, charged_through=TODAY - timedelta(days=1))
NEW, TO_UPDATE, SUSPENDED = LinkState.NEW, LinkState.TO_UPDATE, LinkState.SUSPENDED


def known(**differs: object) -> Facts:
    """Return the member with a link that differs."""
    return replace(MEMBER, link=replace(KNOWN, **differs))  # type: ignore[arg-type]


def what(plan: Evaluation) -> tuple[LinkState | None, str]:
    """Return the state, and what is queued in short: p(erson), m(embership)."""
    return plan.state, "p" * plan.send_person + "m" * plan.send_membership


@pytest.mark.parametrize(
    ("facts", "state", "queued"),
    [
        pytest.param(STRANGER, NEW, "pm", id="a selected, complete stranger is created and subscribed"),
        pytest.param(replace(STRANGER, subscriptions=()), None, "", id="a stranger who is no member gets no link"),
        pytest.param(replace(STRANGER, person=person(allow_sync=False)), None, "", id="nor one who does not allow it"),
        pytest.param(replace(STRANGER, person=person(birth_date=None)), NEW, "", id="an incomplete one waits"),
        pytest.param(replace(STRANGER, person=person(gender=Gender.OTHER)), NEW, "", id="one without a word waits too"),
        pytest.param(replace(STRANGER, open_person=True, open_membership=True), NEW, "", id="rows coalesce"),
        pytest.param(replace(STRANGER, link=Link(None, tombstoned=True)), None, "", id="a tombstone blocks creation"),
        pytest.param(MEMBER, LinkState.ENABLED, "", id="nothing changed, nothing sent"),
        pytest.param(replace(MEMBER, person=MOVED), TO_UPDATE, "p", id="a new address is sent"),
        pytest.param(
            replace(MEMBER, person=person(email="new@example.com")), LinkState.ENABLED, "", id="an e-mail not"
        ),
        pytest.param(replace(MEMBER, person=MOVED, open_person=True), TO_UPDATE, "", id="an open row will tell it"),
        pytest.param(replace(MEMBER, subscriptions=(LEFT,)), TO_UPDATE, "m", id="an end is sent"),
        pytest.param(
            replace(MEMBER, person=MOVED, subscriptions=(LEFT,)), TO_UPDATE, "m", id="who left is not told anew"
        ),
        pytest.param(
            replace(MEMBER, subscriptions=(replace(SUB_1, freezes=(Freeze(TODAY, None),)),)),
            TO_UPDATE,
            "m",
            id="a freeze is sent",
        ),
        pytest.param(
            replace(MEMBER, subscriptions=(replace(SUB_1, freezes=(Freeze(TODAY + timedelta(days=1), None),)),)),
            LinkState.ENABLED,
            "",
            id="but not before it begins",
        ),
        pytest.param(known(state=TO_UPDATE), LinkState.ENABLED, "", id="what differs no more is up to date"),
        pytest.param(replace(known(state=TO_UPDATE), open_person=True), TO_UPDATE, "", id="unless a row is on its way"),
        pytest.param(known(state=SUSPENDED, reason=SuspendReason.STAFF), SUSPENDED, "", id="suspended stays"),
        pytest.param(
            known(state=SUSPENDED, reason=SuspendReason.MEMBER_OPT_OUT), LinkState.ENABLED, "", id="opting in enables"
        ),
        pytest.param(
            replace(known(state=SUSPENDED, reason=SuspendReason.MEMBER_OPT_OUT), person=MOVED),
            TO_UPDATE,
            "p",
            id="and sends what changed meanwhile",
        ),
        pytest.param(
            replace(STRANGER, link=Link(SUSPENDED, reason=SuspendReason.MEMBER_OPT_OUT)),
            NEW,
            "pm",
            id="or creates who never was",
        ),
        pytest.param(known(state=LinkState.TO_DELETE), LinkState.TO_DELETE, "", id="nothing is sent before a deletion"),
        pytest.param(
            replace(STRANGER, link=Link(LinkState.CREATION_ERROR)),
            NEW,
            "pm",
            id="a change tries a failed creation again",
        ),
        pytest.param(replace(known(state=LinkState.ERROR), person=MOVED), TO_UPDATE, "p", id="and a failed update"),
        pytest.param(known(state=LinkState.ERROR), LinkState.ERROR, "", id="an error with nothing new stays"),
    ],
)
def test_what_a_change_asks_for(facts: Facts, state: LinkState | None, queued: str) -> None:
    assert what(evaluate(facts, TODAY, POLICY)) == (state, queued)


@pytest.mark.parametrize("state", [LinkState.ERROR, LinkState.CREATION_ERROR])
def test_the_night_leaves_errors_to_staff(state: LinkState) -> None:
    facts = replace(known(state=state), person=MOVED)
    assert what(evaluate(facts, TODAY, POLICY, after_change=False)) == (state, "")
    assert what(evaluate(facts, TODAY, POLICY))[1] == "p"


def test_what_is_missing_is_named_in_the_order_staff_see() -> None:
    facts = replace(STRANGER, person=person(email="", gender=None, first_name=" "))
    assert evaluate(facts, TODAY, POLICY).missing == (Attribute.FIRST_NAME, Attribute.GENDER, Attribute.EMAIL)


def test_opting_out_suspends_for_the_member_and_keeps_another_reason() -> None:
    out = person(allow_sync=False)
    mine = evaluate(replace(MEMBER, person=out), TODAY, POLICY)
    assert (mine.state, mine.reason) == (SUSPENDED, SuspendReason.MEMBER_OPT_OUT)
    theirs = evaluate(replace(known(state=SUSPENDED, reason=SuspendReason.STAFF), person=out), TODAY, POLICY)
    assert (theirs.state, theirs.reason) == (SUSPENDED, SuspendReason.STAFF)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (known(state=SUSPENDED), False),
        (replace(known(state=SUSPENDED), person=MOVED), True),
        (replace(known(state=SUSPENDED), subscriptions=(LEFT,)), True),
        (replace(known(state=SUSPENDED, pending=True)), False),
    ],
)
def test_pending_is_what_mywellness_does_not_know_yet(facts: Facts, expected: bool) -> None:  # noqa: FBT001 - a column
    facts = replace(facts, link=replace(facts.link or KNOWN, reason=SuspendReason.STAFF))
    assert pending(facts, TODAY, POLICY) is expected
    assert evaluate(facts, TODAY, POLICY).pending is expected


def test_a_break_between_two_membership_calls_leaves_the_second() -> None:
    frozen = replace(SUB_1, freezes=(Freeze(TODAY, None),))
    first, second = memberships_due(Facts(EVELINA, (frozen,), None), TODAY, open_end_accepted=True)
    half = Facts(EVELINA, (frozen,), replace(KNOWN, membership_sent=first.membership))
    assert memberships_due(half, TODAY, open_end_accepted=True) == (second,)

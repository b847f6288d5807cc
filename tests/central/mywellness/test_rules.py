"""Who is sent to Mywellness, and which visits, row by row of requirements D."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from central.memberships.rules import Freeze, Subscription
from central.mywellness.rules import (
    Attribute,
    Gender,
    Held,
    Mode,
    Person,
    Standing,
    SyncPolicy,
    VisitFacts,
    eligible,
    missing,
    selected,
    sends_visit,
    visit_withheld,
    withheld,
)
from central.mywellness.states import LinkContext, LinkEvent, LinkState, step
from tests.central.memberships.builders import SUB_1, TODAY, subscription
from tests.central.mywellness.builders import EVELINA, STOCKHOLM, person

M1002 = person(id="M1002", first_name="Bo", groups=frozenset({"TG"}), categories=frozenset({"VIP"}))
M1003 = person(id="M1003", first_name="Cleo")
HELD = {EVELINA.id: [SUB_1], M1002.id: [], M1003.id: []}
LINKED = Standing(LinkState.ENABLED)
MORNING = datetime(2026, 3, 10, 9, 0, tzinfo=STOCKHOLM)


@pytest.mark.req("D-04")
@pytest.mark.parametrize(
    ("policy", "chosen"),
    [
        pytest.param(SyncPolicy(Mode.ALL_MEMBERS), {"M1001-uuid"}, id="all members"),
        pytest.param(SyncPolicy(Mode.PERSON_GROUP, carrying="TG"), {"M1002"}, id="group TG"),
        pytest.param(SyncPolicy(Mode.PERSON_CATEGORY, carrying="VIP"), {"M1002"}, id="category VIP"),
        pytest.param(SyncPolicy(Mode.PERSON_GROUP, carrying="tg"), set(), id="another group"),
        pytest.param(SyncPolicy(Mode.ALL_PERSONS), {"M1001-uuid", "M1002", "M1003"}, id="all persons"),
    ],
)
def test_each_mode_selects_its_persons(policy: SyncPolicy, chosen: set[str]) -> None:
    people = (EVELINA, M1002, M1003)
    assert {each.id for each in people if selected(policy, each, HELD[each.id], TODAY)} == chosen


@pytest.mark.req("D-08", "D-09")
@pytest.mark.parametrize(
    ("lacking", "email_required", "absent"),
    [
        pytest.param(person(birth_date=None), True, (Attribute.BIRTH_DATE,), id="birth date"),
        pytest.param(person(email=""), True, (Attribute.EMAIL,), id="e-mail, required"),
        pytest.param(person(email=""), False, (), id="e-mail, not required"),
        pytest.param(person(first_name=" "), True, (Attribute.FIRST_NAME,), id="blank first name"),
        pytest.param(person(last_name=""), True, (Attribute.LAST_NAME,), id="last name"),
        pytest.param(person(gender=None), True, (Attribute.GENDER,), id="gender"),
        pytest.param(
            person(gender=None, email="\t", last_name=""),
            True,
            (Attribute.LAST_NAME, Attribute.GENDER, Attribute.EMAIL),
            id="several, in order",
        ),
        pytest.param(EVELINA, True, (), id="complete"),
    ],
)
def test_mandatory_attributes_that_are_blank_are_listed(
    lacking: Person, *, email_required: bool, absent: tuple[Attribute, ...]
) -> None:
    assert missing(lacking, email_required=email_required) == absent
    reason = withheld(SyncPolicy(email_required=email_required), lacking, is_selected=True, standing=Standing())
    assert reason == (Held.INCOMPLETE if absent else None)


@pytest.mark.parametrize(
    ("whom", "standing", "reason"),
    [
        pytest.param(EVELINA, Standing(), None, id="no link yet"),
        pytest.param(EVELINA, Standing(LinkState.ERROR), None, id="link in error"),
        pytest.param(EVELINA, Standing(LinkState.CREATION_ERROR), None, id="creation failed"),
        pytest.param(person(allow_sync=False), LINKED, Held.OPTED_OUT, id="opted out"),
        pytest.param(person(allow_activity_sync=False), LINKED, None, id="activities only: person still sent"),
        pytest.param(person(gender=Gender.OTHER), LINKED, Held.GENDER_UNMAPPED, id="gender other"),
        pytest.param(EVELINA, Standing(LinkState.SUSPENDED), Held.SUSPENDED, id="suspended"),
        pytest.param(EVELINA, Standing(LinkState.TO_DELETE), Held.TO_DELETE, id="to be deleted"),
        pytest.param(EVELINA, Standing(tombstoned=True), Held.TOMBSTONED, id="removed by staff"),
    ],
)
def test_an_ineligible_person_is_held_with_the_reason(whom: Person, standing: Standing, reason: Held | None) -> None:
    assert withheld(SyncPolicy(), whom, is_selected=True, standing=standing) == reason
    assert eligible(SyncPolicy(), whom, [SUB_1], day=TODAY, standing=standing) is (reason is None)


def test_nobody_is_eligible_without_being_selected() -> None:
    assert not eligible(SyncPolicy(), M1003, [], day=TODAY, standing=Standing())
    assert withheld(SyncPolicy(), M1003, is_selected=False, standing=Standing()) is Held.NOT_SELECTED


def test_gender_other_is_sent_once_the_facility_says_how_to_spell_it() -> None:
    spelled = SyncPolicy(genders={Gender.FEMALE: "F", Gender.MALE: "M", Gender.OTHER: "X"})
    assert eligible(spelled, person(gender=Gender.OTHER), [SUB_1], day=TODAY, standing=Standing())


def visit_of(
    whom: Person = EVELINA,
    *,
    began: datetime = MORNING,
    held: tuple[Subscription, ...] = (SUB_1,),
    standing: Standing = LINKED,
    later: timedelta = timedelta(),
    new_visit: bool = True,
    undone: bool = False,
) -> Held | None:
    facts = VisitFacts(began, new_visit=new_visit, undone=undone)
    now = began + later
    reason = visit_withheld(SyncPolicy(), facts, whom, held, standing=standing, zone=STOCKHOLM, now=now)
    sends = sends_visit(SyncPolicy(), facts, whom, held, standing=standing, zone=STOCKHOLM, now=now)
    assert sends is (reason is None)
    return reason


def test_a_new_visit_of_an_eligible_person_is_sent_and_no_other() -> None:
    assert visit_of() is None
    assert visit_of(new_visit=False) is Held.NOT_NEW
    assert visit_of(undone=True) is Held.UNDONE


@pytest.mark.req("D-10", "D-11")
def test_opting_out_of_everything_or_of_activities_stops_visits() -> None:
    assert visit_of(person(allow_sync=False)) is Held.OPTED_OUT
    assert not eligible(SyncPolicy(), person(allow_sync=False), [SUB_1], day=TODAY, standing=LINKED)
    assert step(LinkState.ENABLED, LinkEvent.OPT_OUT, context=LinkContext(has_remote=True)) is LinkState.SUSPENDED
    assert visit_of(person(allow_activity_sync=False)) is Held.ACTIVITY_OPTED_OUT
    assert eligible(SyncPolicy(), person(allow_activity_sync=False), [SUB_1], day=TODAY, standing=LINKED)


@pytest.mark.req("D-47")
@pytest.mark.parametrize(
    ("whom", "held", "state", "reason"),
    [
        pytest.param(person(gender=None), SUB_1, LinkState.NEW, Held.INCOMPLETE, id="gender missing at 09:05"),
        pytest.param(EVELINA, subscription(annulled=True), LinkState.ENABLED, Held.NOT_SELECTED, id="not selected"),
        pytest.param(person(allow_sync=False), SUB_1, LinkState.ENABLED, Held.OPTED_OUT, id="opted out"),
        pytest.param(EVELINA, SUB_1, LinkState.SUSPENDED, Held.SUSPENDED, id="suspended"),
        pytest.param(EVELINA, SUB_1, LinkState.NEW, None, id="creation pending: queued"),
        pytest.param(EVELINA, SUB_1, None, None, id="no link yet: queued"),
    ],
)
def test_a_visit_made_while_not_eligible_is_never_sent(
    whom: Person, held: Subscription, state: LinkState | None, reason: Held | None
) -> None:
    at_five_past_nine = datetime(2026, 3, 10, 9, 5, tzinfo=STOCKHOLM)
    assert visit_of(whom, began=at_five_past_nine, held=(held,), standing=Standing(state)) == reason


ENDED_ON_THE_TENTH = subscription(auto_renew=False, bound_through=TODAY, charged_through=TODAY)
STARTS_ON_THE_ELEVENTH = subscription(start=date(2026, 3, 11))


@pytest.mark.parametrize(
    ("began", "held", "reason"),
    [
        pytest.param(datetime(2026, 3, 10, 23, 59, tzinfo=STOCKHOLM), ENDED_ON_THE_TENTH, None, id="last minute"),
        pytest.param(
            datetime(2026, 3, 11, 0, 0, tzinfo=STOCKHOLM), ENDED_ON_THE_TENTH, Held.NOT_SELECTED, id="midnight"
        ),
        pytest.param(
            datetime(2026, 3, 10, 23, 59, tzinfo=STOCKHOLM), STARTS_ON_THE_ELEVENTH, Held.NOT_SELECTED, id="too early"
        ),
        pytest.param(datetime(2026, 3, 11, 0, 0, tzinfo=STOCKHOLM), STARTS_ON_THE_ELEVENTH, None, id="first minute"),
    ],
)
def test_subscriptions_count_as_on_the_visits_own_local_date(
    began: datetime, held: Subscription, reason: Held | None
) -> None:
    assert visit_of(began=began, held=(held,), later=timedelta(days=20)) == reason


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        pytest.param(timedelta(days=60), None, id="60 days"),
        pytest.param(timedelta(days=60, seconds=1), Held.TOO_OLD, id="a second more"),
        pytest.param(timedelta(minutes=-10), None, id="ten minutes ahead of us"),
        pytest.param(timedelta(minutes=-10, seconds=-1), Held.IN_FUTURE, id="more than that ahead of us"),
    ],
)
def test_a_late_visit_is_sent_until_it_is_sixty_days_old(later: timedelta, reason: Held | None) -> None:
    assert visit_of(later=later) == reason


def test_a_frozen_member_is_still_selected() -> None:
    frozen = subscription(freezes=(Freeze(date(2026, 3, 5), date(2026, 3, 20)),))
    assert selected(SyncPolicy(), EVELINA, [frozen], TODAY)

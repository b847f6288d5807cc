"""What goes to Mywellness, word for word, and which membership call follows from which change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from central.memberships.rules import Freeze, Subscription
from central.mywellness.mapping import (
    MembershipSend,
    NotSendable,
    Operation,
    Representation,
    create_body,
    has_optional_data,
    operations,
    representation,
    save_membership_body,
    update_body,
    visit_body,
    wire_time,
)
from central.mywellness.rules import GENDERS, Gender
from tests.central.memberships.builders import FROZEN_TODAY, SUB_1, TODAY, subscription
from tests.central.mywellness.builders import EVELINA, STOCKHOLM, person

FULL = person(address="Storgatan 1", postcode="11122", city="Stockholm", phone="+468123", mobile="+467012")


def test_a_create_carries_the_five_mandatory_values_and_our_id() -> None:
    assert create_body(FULL, GENDERS) == {
        "firstName": "Evelina",
        "lastName": "Lind",
        "dateOfBirth": "1990-05-15",
        "gender": "F",
        "email": "evelina@example.com",
        "externalId": "M1001-uuid",
    }


def test_a_person_without_email_is_created_without_the_field() -> None:
    assert "email" not in create_body(person(email=" "), GENDERS)


def test_an_update_says_birth_date_and_leaves_email_and_groups_alone() -> None:
    assert update_body(FULL, GENDERS) == {
        "firstName": "Evelina",
        "lastName": "Lind",
        "birthDate": "1990-05-15",
        "gender": "F",
        "address1": "Storgatan 1",
        "zipCode": "11122",
        "city": "Stockholm",
        "phoneNumber": "+468123",
        "mobilePhoneNumber": "+467012",
    }


def test_blanks_are_left_out_of_the_first_update_and_clear_the_value_in_later_ones() -> None:
    known = person(mobile="+467012")
    first = update_body(known, GENDERS, first=True)
    assert "phoneNumber" not in first
    assert first["mobilePhoneNumber"] == "+467012"
    assert update_body(known, GENDERS)["phoneNumber"] == ""


def test_email_and_groups_are_sent_only_on_request() -> None:
    body = update_body(EVELINA, GENDERS, with_email=True, groups=[100001, 100002])
    assert body["email"] == "evelina@example.com"
    assert body["groups"] == [100001, 100002]
    assert update_body(EVELINA, GENDERS, groups=[])["groups"] == []


def test_a_second_call_is_needed_only_for_optional_data() -> None:
    assert not has_optional_data(EVELINA)
    assert has_optional_data(person(city="Stockholm"))


@pytest.mark.req("B-11")
@pytest.mark.parametrize(
    ("gender", "code"),
    [
        pytest.param(Gender.OTHER, "GENDER_UNMAPPED", id="other has no spelling"),
        pytest.param(None, "gender missing", id="unknown is not other"),
    ],
)
def test_a_gender_mywellness_cannot_spell_is_held_not_guessed(gender: Gender | None, code: str) -> None:
    with pytest.raises(NotSendable) as held:
        create_body(person(gender=gender), GENDERS)
    assert held.value.code == code
    assert "Evelina" not in str(held.value)


ACTIVE = Representation(
    start=date(2025, 6, 1),
    end=date(2026, 5, 31),
    member_since=date(2019, 1, 15),
    frozen=False,
    ended=False,
    description="Gym",
)
FROZEN = replace(ACTIVE, frozen=True)
ENDED = replace(ACTIVE, ended=True)
OPEN = replace(ACTIVE, end=None)
OTHER_SUB = replace(ACTIVE, start=date(2026, 2, 1), end=date(2026, 4, 30), description="Gym & Spa")


@pytest.mark.req("D-22")
def test_the_message_carries_three_dates_two_flags_and_the_product() -> None:
    earlier = subscription(
        id=9, start=date(2019, 1, 15), bound_through=date(2019, 12, 31), charged_through=None, auto_renew=False
    )
    sub_1 = subscription(auto_renew=False, charged_through=date(2026, 3, 31))
    assert representation([earlier, sub_1], date(2026, 3, 10)) == Representation(
        start=date(2025, 6, 1),
        end=date(2026, 5, 31),
        member_since=date(2019, 1, 15),
        frozen=False,
        ended=False,
        description="Gym",
    )


S_A = subscription(id=11, auto_renew=False, bound_through=date(2026, 6, 30))
S_B = subscription(id=12, auto_renew=False, bound_through=date(2027, 6, 30), freezes=FROZEN_TODAY)
S_C = subscription(id=13, auto_renew=False, bound_through=date(2026, 9, 30))
S_D = subscription(id=14, auto_renew=True)


@pytest.mark.req("D-20")
@pytest.mark.parametrize(
    ("held", "end", "frozen"),
    [
        pytest.param((S_A, S_B, S_C), date(2026, 9, 30), False, id="S-c"),
        pytest.param((S_B,), date(2027, 6, 30), True, id="only S-b"),
        pytest.param((S_A, S_B, S_C, S_D), None, False, id="S-d"),
    ],
)
def test_the_furthest_membership_that_is_not_frozen_is_shown(
    held: tuple[Subscription, ...], end: date | None, *, frozen: bool
) -> None:
    shown = representation(held, date(2026, 3, 10))
    assert shown is not None
    assert (shown.end, shown.frozen) == (end, frozen)


@pytest.mark.parametrize(
    ("accepted", "end"),
    [pytest.param(True, None, id="open end"), pytest.param(False, date(2026, 5, 31), id="later of bound and charged")],
)
def test_a_renewing_subscription_has_no_end_where_that_is_accepted(*, accepted: bool, end: date | None) -> None:
    shown = representation([SUB_1], TODAY, open_end_accepted=accepted)
    assert shown is not None
    assert shown.end == end


def test_an_imported_member_since_wins() -> None:
    shown = representation([SUB_1], TODAY, since_override=date(2001, 1, 1))
    assert shown is not None
    assert shown.member_since == date(2001, 1, 1)


def test_a_freeze_shows_from_its_first_day() -> None:
    from_the_fifteenth = subscription(freezes=(Freeze(date(2026, 3, 15), None),))
    before = representation([from_the_fifteenth], date(2026, 3, 14))
    since = representation([from_the_fifteenth], date(2026, 3, 15))
    assert before is not None
    assert since is not None
    assert (before.frozen, since.frozen) == (False, True)
    assert [send.operation for send in operations(before, since)] == ["Froze"]


@pytest.mark.req("D-23")
@pytest.mark.parametrize(
    ("sent", "now", "calls"),
    [
        pytest.param(None, ACTIVE, ["Subscribe"], id="none to active"),
        pytest.param(ACTIVE, replace(ACTIVE, end=date(2027, 5, 31)), ["Renew"], id="end 05-31 to 2027-05-31"),
        pytest.param(ACTIVE, FROZEN, ["Froze"], id="active to frozen"),
        pytest.param(FROZEN, ACTIVE, ["UnFroze"], id="frozen to active"),
        pytest.param(ACTIVE, ENDED, ["UnSubscribe"], id="active to ended"),
        pytest.param(ACTIVE, replace(ACTIVE, description="Gold"), ["Update"], id="other description"),
        pytest.param(ACTIVE, replace(FROZEN, ended=True), ["UnSubscribe"], id="frozen and ended at once"),
        pytest.param(FROZEN, OTHER_SUB, ["UnFroze", "Update"], id="frozen one replaced by another not frozen"),
    ],
)
def test_the_operation_follows_from_the_transition(
    sent: Representation | None, now: Representation, calls: list[str]
) -> None:
    assert [send.operation for send in operations(sent, now)] == calls


@pytest.mark.parametrize(
    ("sent", "now", "calls"),
    [
        pytest.param(None, None, [], id="never a member"),
        pytest.param(None, ENDED, [], id="ended before the first sync is not backfilled"),
        pytest.param(ACTIVE, ACTIVE, [], id="unchanged"),
        pytest.param(ENDED, ENDED, [], id="ended is sent once"),
        pytest.param(ENDED, None, [], id="ended and forgotten"),
        pytest.param(ENDED, ACTIVE, ["Subscribe"], id="subscribes again after the end"),
        pytest.param(ACTIVE, None, ["UnSubscribe"], id="vanished"),
        pytest.param(None, FROZEN, ["Subscribe", "Froze"], id="first seen frozen"),
        pytest.param(FROZEN, replace(FROZEN, ended=True), ["UnSubscribe"], id="frozen to ended"),
        pytest.param(FROZEN, replace(FROZEN, end=None), ["Update"], id="frozen and prolonged stays frozen"),
        pytest.param(ACTIVE, OPEN, ["Renew"], id="now renewing by itself"),
        pytest.param(
            ACTIVE,
            replace(ACTIVE, start=date(2026, 6, 1), end=date(2027, 5, 31)),
            ["Renew"],
            id="new one after the old",
        ),
        pytest.param(OPEN, ACTIVE, ["Update"], id="terminated: a nearer end"),
        pytest.param(ACTIVE, replace(OTHER_SUB, frozen=True), ["Froze"], id="replaced by a frozen one"),
        pytest.param(ACTIVE, replace(ACTIVE, member_since=date(2018, 1, 1)), ["Update"], id="member since corrected"),
    ],
)
def test_every_other_change_has_its_calls_too(
    sent: Representation | None, now: Representation | None, calls: list[str]
) -> None:
    assert [send.operation for send in operations(sent, now)] == calls


@pytest.mark.parametrize(
    ("sent", "now", "calls"),
    [
        pytest.param(ACTIVE, ACTIVE, ["Update"], id="nothing changed"),
        pytest.param(ENDED, ENDED, [], id="ended stays ended"),
        pytest.param(None, ACTIVE, ["Subscribe"], id="first time"),
    ],
)
def test_a_full_synchronisation_sends_the_membership_even_unchanged(
    sent: Representation | None, now: Representation, calls: list[str]
) -> None:
    assert [send.operation for send in operations(sent, now, full=True)] == calls


REPRESENTATIONS = st.builds(
    Representation,
    start=st.sampled_from([date(2025, 6, 1), date(2026, 2, 1)]),
    end=st.sampled_from([None, date(2026, 5, 31), date(2026, 4, 30)]),
    member_since=st.just(date(2019, 1, 15)),
    frozen=st.booleans(),
    ended=st.booleans(),
    description=st.sampled_from(["Gym", "Gold"]),
)


@given(REPRESENTATIONS | st.none(), REPRESENTATIONS)
def test_after_the_last_call_nothing_is_left_to_send(sent: Representation | None, now: Representation) -> None:
    calls = operations(sent, now)
    known = calls[-1].membership if calls else sent
    assert operations(known, now) == ()


@given(REPRESENTATIONS | st.none(), REPRESENTATIONS)
def test_a_break_after_the_first_of_two_calls_leaves_one_that_tells_the_rest(
    sent: Representation | None, now: Representation
) -> None:
    calls = operations(sent, now)
    rest = operations(calls[0].membership, now) if calls else ()
    assert [send.membership for send in rest] == [send.membership for send in calls[1:]]


LAST_DAY_MAY = subscription(auto_renew=False, bound_through=date(2026, 5, 31))


@pytest.mark.req("D-24")
def test_a_membership_that_ran_out_is_sent_as_ended_once() -> None:
    sent = representation([LAST_DAY_MAY], date(2026, 5, 31))
    on_june_1 = representation([LAST_DAY_MAY], date(2026, 6, 1), sent=sent)
    first = operations(sent, on_june_1)
    assert [(send.operation, send.membership.end) for send in first] == [("UnSubscribe", date(2026, 5, 31))]
    on_june_2 = representation([LAST_DAY_MAY], date(2026, 6, 2), sent=first[0].membership)
    assert operations(first[0].membership, on_june_2) == ()


@pytest.mark.parametrize(
    ("held", "end"),
    [
        pytest.param(subscription(annulled=True), date(2026, 3, 9), id="annulled: yesterday"),
        pytest.param(
            subscription(auto_renew=False, bound_through=date(2026, 3, 5), charged_through=date(2026, 3, 4)),
            date(2026, 3, 5),
            id="terminated in arrears: its own last day",
        ),
    ],
)
def test_an_open_membership_that_ended_gets_its_true_last_day(held: Subscription, end: date) -> None:
    sent = representation([SUB_1], TODAY - timedelta(days=1))
    ended = representation([held], TODAY, sent=sent)
    assert ended is not None
    assert (ended.ended, ended.end) == (True, end)


def test_an_older_membership_says_nothing_about_the_end_of_an_annulled_one() -> None:
    ended_in_2019 = subscription(
        id=9, start=date(2019, 1, 15), bound_through=date(2019, 12, 31), charged_through=None, auto_renew=False
    )
    ended = representation([ended_in_2019, subscription(annulled=True)], TODAY, sent=OPEN)
    assert ended == replace(OPEN, end=date(2026, 3, 9), ended=True)


def test_a_membership_annulled_on_its_first_day_does_not_end_before_it_began() -> None:
    begun_today = replace(OPEN, start=TODAY)
    ended = representation([subscription(start=TODAY, annulled=True)], TODAY, sent=begun_today)
    assert ended == replace(begun_today, end=TODAY, ended=True)


def test_the_body_of_a_membership_names_its_dates() -> None:
    assert save_membership_body(MembershipSend(Operation.SUBSCRIBE, ACTIVE)) == {
        "operation": "Subscribe",
        "memberSince": "2019-01-15",
        "startOn": "2025-06-01",
        "expiresOn": "2026-05-31",
        "description": "Gym",
    }


def test_an_open_end_is_left_out_of_the_body() -> None:
    assert "expiresOn" not in save_membership_body(MembershipSend(Operation.RENEW, OPEN))


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        pytest.param(datetime(2026, 3, 10, 8, 0, tzinfo=UTC), "2026-03-10 09:00:00 +01:00", id="winter"),
        pytest.param(datetime(2026, 7, 1, 7, 0, tzinfo=UTC), "2026-07-01 09:00:00 +02:00", id="summer"),
        pytest.param(datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC), "2026-03-29 01:59:59 +01:00", id="before the jump"),
        pytest.param(datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "2026-03-29 03:00:00 +02:00", id="after the jump"),
        pytest.param(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "2026-10-25 02:30:00 +02:00", id="02:30 first"),
        pytest.param(datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "2026-10-25 02:30:00 +01:00", id="02:30 again"),
        pytest.param(datetime(2026, 3, 9, 23, 30, 0, 999_999, tzinfo=UTC), "2026-03-10 00:30:00 +01:00", id="next day"),
    ],
)
def test_a_visit_carries_the_sites_wall_time_with_the_offset_of_that_moment(moment: datetime, text: str) -> None:
    assert visit_body(moment, STOCKHOLM) == {"visitDate": text}


def test_a_visit_without_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        wire_time(datetime(2026, 3, 10, 9, 0), STOCKHOLM)  # noqa: DTZ001 - the naive time is the point

"""Subscription predicates against the rows of requirements §0.3, C and D that define them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import permutations

import pytest
from hypothesis import given, strategies as st

from central.memberships.rules import (
    Freeze,
    Subscription,
    effective_end,
    freeze_overlaps,
    is_active,
    is_frozen,
    is_sync_candidate,
    member_since,
    represented,
)
from tests.central.memberships.builders import FROZEN_TODAY, SUB_1, TODAY, subscription

BOUND_2026 = date(2026, 12, 31)
PAST = date(2026, 2, 28)


def held(bound: date | None, charged: date | None, *, auto: bool, frozen: bool = False) -> Subscription:
    return subscription(
        bound_through=bound,
        charged_through=charged,
        auto_renew=auto,
        freezes=FROZEN_TODAY if frozen else (),
    )


@pytest.mark.parametrize(
    ("sub", "active", "frozen"),
    [
        pytest.param(held(date(2026, 5, 31), date(2026, 3, 31), auto=True), True, False, id="normal"),
        pytest.param(held(BOUND_2026, PAST, auto=False, frozen=True), True, True, id="frozen, committed"),
        pytest.param(held(BOUND_2026, PAST, auto=False), True, False, id="committed but unbilled"),
        pytest.param(held(PAST, PAST, auto=True, frozen=True), True, True, id="frozen, all dates past, auto-renew"),
        pytest.param(held(PAST, PAST, auto=False, frozen=True), False, True, id="frozen, all dates past"),
        pytest.param(held(None, date(2026, 3, 10), auto=False), True, False, id="prepaid, last day today"),
        pytest.param(held(None, date(2026, 3, 9), auto=False), False, False, id="prepaid, ended yesterday"),
    ],
)
def test_every_row_of_the_consequence_table_holds(sub: Subscription, *, active: bool, frozen: bool) -> None:
    assert is_active(sub, TODAY) is active
    assert is_sync_candidate(sub, TODAY) is active
    assert is_frozen(sub, TODAY) is frozen


@pytest.mark.req("C-09")
@pytest.mark.parametrize(
    ("sub", "end"),
    [
        pytest.param(held(BOUND_2026, date(2026, 3, 31), auto=False), BOUND_2026, id="bound is later"),
        pytest.param(held(date(2026, 1, 31), date(2026, 3, 31), auto=False), date(2026, 3, 31), id="charged is later"),
        pytest.param(held(BOUND_2026, date(2026, 3, 31), auto=True), None, id="auto-renew has no end"),
    ],
)
def test_the_effective_end_is_the_later_date_or_none_when_renewing(sub: Subscription, end: date | None) -> None:
    assert effective_end(sub) == end


@pytest.mark.parametrize(
    ("sub", "end"),
    [
        pytest.param(held(None, date(2026, 3, 31), auto=False), date(2026, 3, 31), id="bound missing"),
        pytest.param(held(BOUND_2026, None, auto=False), BOUND_2026, id="charged missing"),
        pytest.param(held(None, None, auto=False), SUB_1.start, id="both missing: the start (ruling 7)"),
        pytest.param(held(None, None, auto=True), None, id="both missing, auto-renew"),
    ],
)
def test_missing_dates_are_ignored_for_the_effective_end(sub: Subscription, end: date | None) -> None:
    assert effective_end(sub) == end


@pytest.mark.req("C-10")
@pytest.mark.parametrize(
    ("sub", "active"),
    [
        pytest.param(held(BOUND_2026, PAST, auto=False, frozen=True), True, id="bound in the future"),
        pytest.param(held(PAST, PAST, auto=False, frozen=True), False, id="bound past as well"),
        pytest.param(held(PAST, PAST, auto=True, frozen=True), True, id="auto-renew"),
    ],
)
def test_freezing_does_not_change_activity(sub: Subscription, *, active: bool) -> None:
    assert is_active(sub, date(2026, 3, 10)) is active


@pytest.mark.parametrize(
    ("day", "active"),
    [
        pytest.param(date(2025, 5, 31), False, id="the day before the start"),
        pytest.param(date(2025, 6, 1), True, id="the first day"),
        pytest.param(date(2026, 5, 31), True, id="the last day"),
        pytest.param(date(2026, 6, 1), False, id="the day after the end"),
    ],
)
def test_first_and_last_day_belong_to_the_subscription(day: date, *, active: bool) -> None:
    assert is_active(subscription(auto_renew=False), day) is active


def test_an_annulled_subscription_is_never_active() -> None:
    assert not is_active(subscription(annulled=True), TODAY)


@pytest.mark.parametrize(
    ("last", "day", "frozen"),
    [
        pytest.param(date(2026, 3, 20), date(2026, 3, 4), False, id="the day before"),
        pytest.param(date(2026, 3, 20), date(2026, 3, 5), True, id="first day"),
        pytest.param(date(2026, 3, 20), date(2026, 3, 20), True, id="last day"),
        pytest.param(date(2026, 3, 20), date(2026, 3, 21), False, id="the day after"),
        pytest.param(None, date(2031, 1, 1), True, id="no end known"),
    ],
)
def test_a_freeze_covers_its_first_and_last_day(last: date | None, day: date, *, frozen: bool) -> None:
    assert is_frozen(subscription(freezes=(Freeze(date(2026, 3, 5), last),)), day) is frozen


@pytest.mark.req("D-05", "C-02")
@pytest.mark.parametrize(
    ("sub", "candidate"),
    [
        pytest.param(held(BOUND_2026, PAST, auto=False, frozen=True), True, id="frozen, bound 2026-12-31"),
        pytest.param(held(PAST, PAST, auto=False, frozen=True), False, id="frozen, both past"),
        pytest.param(held(PAST, PAST, auto=True, frozen=True), True, id="frozen, both past, auto-renew"),
        pytest.param(subscription(product="P-LOCKER", gives_membership=False), False, id="P-LOCKER only"),
    ],
)
def test_a_membership_that_runs_makes_its_user_a_sync_candidate(sub: Subscription, *, candidate: bool) -> None:
    assert is_sync_candidate(sub, date(2026, 3, 10)) is candidate


S_A = subscription(id=11, auto_renew=False, bound_through=date(2026, 6, 30))
S_B = subscription(id=12, auto_renew=False, bound_through=date(2027, 6, 30), freezes=FROZEN_TODAY)
S_C = subscription(id=13, auto_renew=False, bound_through=date(2026, 9, 30))
S_D = subscription(id=14, auto_renew=True, bound_through=None)


@pytest.mark.req("D-20")
@pytest.mark.parametrize(
    ("subs", "chosen"),
    [
        pytest.param((S_A, S_B, S_C), S_C, id="the furthest of those not frozen"),
        pytest.param((S_B,), S_B, id="only a frozen one"),
        pytest.param((S_A, S_B, S_C, S_D), S_D, id="auto-renew reaches furthest"),
    ],
)
def test_not_frozen_goes_before_frozen_then_the_furthest_end(
    subs: tuple[Subscription, ...], chosen: Subscription
) -> None:
    assert {represented(order, date(2026, 3, 10)) for order in permutations(subs)} == {chosen}


BASE = subscription(id=20)


@pytest.mark.parametrize(
    "loser",
    [
        pytest.param(subscription(id=10, bound_through=date(2026, 5, 30)), id="earlier bound-through"),
        pytest.param(subscription(id=10, bound_through=None), id="no bound-through"),
        pytest.param(subscription(id=10, charged_through=date(2026, 3, 30)), id="earlier charged-through"),
        pytest.param(subscription(id=10, start=date(2025, 5, 31)), id="earlier start"),
        pytest.param(subscription(id=21), id="higher id"),
    ],
)
def test_equal_reach_is_told_apart_by_bound_charged_start_and_id(loser: Subscription) -> None:
    assert represented([loser, BASE], TODAY) == BASE
    assert represented([BASE, loser], TODAY) == BASE


def test_nothing_is_represented_when_no_subscription_makes_a_member() -> None:
    locker = subscription(gives_membership=False)
    ended = subscription(auto_renew=False, bound_through=PAST, charged_through=PAST)
    future = subscription(start=TODAY + timedelta(days=1))
    assert represented([locker, ended, future, subscription(annulled=True)], TODAY) is None


OLD = subscription(
    id=2,
    start=date(2019, 1, 15),
    bound_through=date(2019, 12, 31),
    charged_through=date(2019, 12, 31),
    auto_renew=False,
)


@pytest.mark.req("C-12")
def test_member_since_is_the_first_start_whatever_gap_follows() -> None:
    assert member_since([SUB_1, OLD]) == date(2019, 1, 15)


@pytest.mark.parametrize(
    ("subs", "override", "since"),
    [
        pytest.param([SUB_1, replace(OLD, annulled=True)], None, date(2025, 6, 1), id="annulled never counts"),
        pytest.param([SUB_1, replace(OLD, gives_membership=False)], None, date(2025, 6, 1), id="no membership"),
        pytest.param([SUB_1], date(2012, 2, 29), date(2012, 2, 29), id="an imported date wins"),
        pytest.param([], None, None, id="never a member"),
    ],
)
def test_member_since_counts_memberships_only(
    subs: list[Subscription], override: date | None, since: date | None
) -> None:
    assert member_since(subs, override) == since


EXISTING = Freeze(date(2026, 3, 5), date(2026, 3, 20))


@pytest.mark.req("C-16")
def test_a_freeze_that_shares_days_with_another_is_found() -> None:
    assert freeze_overlaps([EXISTING], Freeze(date(2026, 3, 18), date(2026, 3, 25))) == EXISTING


@pytest.mark.parametrize(
    ("first", "last", "overlaps"),
    [
        pytest.param(date(2026, 3, 20), date(2026, 3, 20), True, id="on the last day"),
        pytest.param(date(2026, 3, 21), date(2026, 3, 25), False, id="the day after"),
        pytest.param(date(2026, 3, 1), date(2026, 3, 4), False, id="up to the day before"),
        pytest.param(date(2026, 3, 1), None, True, id="open end running into it"),
        pytest.param(date(2026, 3, 21), None, False, id="open end after it"),
    ],
)
def test_freezes_overlap_when_they_share_a_day(first: date, last: date | None, *, overlaps: bool) -> None:
    assert (freeze_overlaps([EXISTING], Freeze(first, last)) is not None) is overlaps


def test_nothing_may_follow_a_freeze_without_an_end() -> None:
    endless = Freeze(date(2026, 3, 5), None)
    assert freeze_overlaps([endless], Freeze(date(2030, 1, 1), date(2030, 1, 2))) == endless


def test_a_freeze_cannot_end_before_it_begins() -> None:
    with pytest.raises(ValueError, match="before it begins"):
        Freeze(date(2026, 3, 20), date(2026, 3, 5))


DAYS = st.dates(date(2026, 3, 1), date(2026, 3, 31))


@given(DAYS, DAYS, DAYS, DAYS)
def test_two_freezes_overlap_exactly_when_some_day_lies_in_both(a: date, b: date, c: date, d: date) -> None:
    one, other = Freeze(min(a, b), max(a, b)), Freeze(min(c, d), max(c, d))
    month = [date(2026, 3, 1) + timedelta(days=n) for n in range(31)]
    shared = any(one.covers(day) and other.covers(day) for day in month)
    assert (freeze_overlaps([one], other) is not None) is shared

"""What holds for the decision whatever an access list says and whenever somebody taps."""

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st

from protocol.decision import CHECK_ORDER, Denied, Granted, Lookup, PassageKind, Presence, Reason, decide
from protocol.entitlement import CredentialStatus, Entitlement, Freeze, Holder, entitlement_order
from protocol.policy import DAY_SECONDS, DoorMode, ExitPolicy, ReaderKind, ReaderPolicy, SitePolicy
from protocol.visit import is_open, visit_day
from tests.protocol.strategies import (
    ZONES,
    entitlements,
    holders,
    instants,
    lookups,
    presences,
    readers,
    sites,
)

anything = given(holder=lookups, reader=readers, site=sites, now=instants, presence=presences)


@anything
def test_every_question_has_an_answer_with_reasons_in_order(
    holder: Lookup, reader: ReaderPolicy, site: SitePolicy, now: datetime, presence: Presence
) -> None:
    verdict = decide(holder, reader=reader, site=site, now=now, presence=presence)
    places = [CHECK_ORDER[reason] for reason in verdict.all_reasons]
    assert places == sorted(set(places))
    assert Reason.OK not in verdict.all_reasons
    match verdict:
        case Granted():
            assert verdict.reason is Reason.OK
        case Denied():
            assert verdict.reason in verdict.all_reasons
    assert verdict.person == (holder.person if isinstance(holder, Holder) else None)


@anything
def test_visit_begins_only_with_a_sound_entry_of_somebody_who_is_not_inside(
    holder: Lookup, reader: ReaderPolicy, site: SitePolicy, now: datetime, presence: Presence
) -> None:
    verdict = decide(holder, reader=reader, site=site, now=now, presence=presence)
    begins = isinstance(verdict, Granted) and verdict.new_visit
    inside = is_open(presence.open_visit, visit_day(now.astimezone(site.zone), site.rollover))
    sound = isinstance(verdict, Granted) and not verdict.all_reasons
    assert begins == (sound and verdict.passage is PassageKind.IN and reader.counts_visits and not inside)


@anything
def test_visit_ends_only_with_a_granted_passage_out(
    holder: Lookup, reader: ReaderPolicy, site: SitePolicy, now: datetime, presence: Presence
) -> None:
    verdict = decide(holder, reader=reader, site=site, now=now, presence=presence)
    if isinstance(verdict, Granted) and verdict.closes_visit:
        assert verdict.passage is PassageKind.OUT
        assert presence.open_visit is not None
        assert not verdict.new_visit


@anything
def test_nobody_is_locked_in(
    holder: Lookup, reader: ReaderPolicy, site: SitePolicy, now: datetime, presence: Presence
) -> None:
    way_out = reader._replace(kind=ReaderKind.OUT, exit_policy=ExitPolicy.ALWAYS_OPEN)
    verdict = decide(holder, reader=way_out, site=site, now=now, presence=presence)
    assert isinstance(verdict, Granted)
    assert verdict.passage is PassageKind.OUT
    day = visit_day(now.astimezone(site.zone), site.rollover)
    assert verdict.closes_visit == is_open(presence.open_visit, day)


@anything
def test_answer_depends_on_the_instant_not_on_the_offset_it_is_written_in(
    holder: Lookup, reader: ReaderPolicy, site: SitePolicy, now: datetime, presence: Presence
) -> None:
    elsewhere = now.astimezone(ZoneInfo("Pacific/Chatham"))
    assert decide(holder, reader=reader, site=site, now=elsewhere, presence=presence) == decide(
        holder, reader=reader, site=site, now=now, presence=presence
    )


@given(holder=holders, reader=readers, site=sites, now=instants, presence=presences)
def test_no_entrance_opens_for_a_blocked_person_or_card(
    holder: Holder, reader: ReaderPolicy, site: SitePolicy, now: datetime, presence: Presence
) -> None:
    entrance = reader._replace(kind=ReaderKind.IN, mode=DoorMode.ACTIVE)
    blocked = holder._replace(blocked=True, blocked_until=None)
    returned = holder._replace(status=CredentialStatus.RETURNED)
    for somebody in (blocked, returned):
        assert isinstance(decide(somebody, reader=entrance, site=site, now=now, presence=presence), Denied)


@given(holder=holders, reader=readers, site=sites, now=instants, presence=presences)
def test_freezing_everything_opens_no_entrance(
    holder: Holder, reader: ReaderPolicy, site: SitePolicy, now: datetime, presence: Presence
) -> None:
    entrance = reader._replace(kind=ReaderKind.IN, mode=DoorMode.ACTIVE)
    ice = (Freeze(now.astimezone(site.zone).date(), None),)
    frozen = holder._replace(
        entitlements=tuple(one._replace(freezes=ice) for one in holder.entitlements), punch_cards=()
    )
    assert isinstance(decide(frozen, reader=entrance, site=site, now=now, presence=presence), Denied)


@anything
def test_a_punch_is_taken_only_for_a_visit_that_begins_on_a_card_that_has_one(
    holder: Lookup, reader: ReaderPolicy, site: SitePolicy, now: datetime, presence: Presence
) -> None:
    verdict = decide(holder, reader=reader, site=site, now=now, presence=presence)
    if isinstance(verdict, Granted) and verdict.punched is not None:
        assert isinstance(holder, Holder)
        assert verdict.new_visit
        assert verdict.punched == verdict.entitlement
        assert max(card.left for card in holder.punch_cards if card.entitlement == verdict.punched) >= 1


@given(holder=holders, reader=readers, site=sites, now=instants, presence=presences)
def test_a_punch_card_never_shuts_a_door_and_is_not_punched_where_the_door_opens_without_it(
    holder: Holder, reader: ReaderPolicy, site: SitePolicy, now: datetime, presence: Presence
) -> None:
    without = decide(holder._replace(punch_cards=()), reader=reader, site=site, now=now, presence=presence)
    verdict = decide(holder, reader=reader, site=site, now=now, presence=presence)
    if isinstance(without, Granted) and not without.all_reasons:
        assert verdict == without
    elif isinstance(without, Granted):
        assert isinstance(verdict, Granted)


@given(st.lists(st.tuples(entitlements, st.integers(1, 99)), max_size=6))
def test_subscriptions_are_tried_by_charged_through_then_by_number(rows: list[tuple[Entitlement, int]]) -> None:
    ordered = sorted(rows, key=lambda row: entitlement_order(*row))
    keys = [(one.charged_through, number) for one, number in ordered]
    assert sorted(keys, key=lambda key: key[0] is None) == keys, "never charged comes last"
    for (one_day, one), (next_day, next_) in pairwise(keys):
        assert next_day is None or (one_day is not None and one_day >= next_day)
        assert one_day != next_day or one <= next_


NEAR_A_CHANGE_OF_CLOCKS = st.sampled_from(["2026-03-29", "2026-10-25", "2026-11-01", "2026-04-05", "2026-03-08"])


@given(
    st.sampled_from(ZONES),
    NEAR_A_CHANGE_OF_CLOCKS,
    st.integers(-DAY_SECONDS, 2 * DAY_SECONDS),
    st.integers(0, 3 * 3600),
    st.integers(0, 4 * 3600) | st.integers(0, DAY_SECONDS - 1),
)
def test_visit_day_never_steps_back(zone: str, change: str, second: int, later: int, rollover: int) -> None:
    first = datetime.fromisoformat(f"{change}T00:00:00+00:00") + timedelta(seconds=second)
    then = first + timedelta(seconds=later)
    site = ZoneInfo(zone)
    assert visit_day(first.astimezone(site), rollover) <= visit_day(then.astimezone(site), rollover)

"""The rows of requirements A.2 and A.3, one test each, with the row's own given, when and then."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pytest

from protocol.decision import Denied, Granted, Presence, Reason, Verdict, decide
from protocol.identity import BarrierId, EventId, PersonId, ReaderId
from protocol.policy import DoorMode
from protocol.visit import OpenVisit, visit_day
from tests.vectors.decision_rows import Vector, vector

GRANTED = (True, Reason.OK)


@dataclass
class Day:
    """One member's day at a site: what the edge remembers between two taps, kept in plain dictionaries."""

    given: dict[str, Any] = field(default_factory=dict[str, Any])
    open_visit: OpenVisit | None = None
    entries: dict[str, datetime] = field(default_factory=dict[str, datetime])
    visits: list[str] = field(default_factory=list[str])
    granted_entries: int = 0

    def tap(self, at: str, reader: str = "RD-IN", **given: Any) -> Verdict:
        """Present the card at local time `at` and remember what the verdict says."""
        row = ready(f"{at}", reader=reader, **{**self.given, **given})
        policy = row.readers[ReaderId(reader)]
        presence = Presence(self.open_visit, self.entries.get(policy.barrier_group))
        verdict = decide(row.holder, reader=policy, site=row.site, now=row.now, presence=presence)
        if isinstance(verdict, Granted):
            self._remember(verdict, row, policy.barrier_group)
        return verdict

    def _remember(self, verdict: Granted, row: Vector, barrier: str) -> None:
        if verdict.passage == "in":
            self.granted_entries += 1
            self.entries[barrier] = row.now
        if verdict.new_visit:
            visit = EventId(f"V-{len(self.visits) + 1}")
            self.visits.append(visit)
            self.open_visit = OpenVisit(visit, visit_day(row.now.astimezone(row.site.zone), row.site.rollover))
        if verdict.closes_visit:
            self.open_visit = None


def ready(now: str, **given: Any) -> Vector:
    """The fixtures of §0.2 with what differs; the expectation is the test's business."""
    return vector({"id": "", "req": "", "given": {"now": now, **given}, "then": {"granted": True}})


def ask(now: str, **given: Any) -> tuple[bool, Reason]:
    """Return whether the door opens, and why (not)."""
    verdict = ready(now, **given).verdict()
    return isinstance(verdict, Granted), verdict.reason


def began(verdict: Verdict) -> bool:
    """Tell whether a granted verdict began a visit; a refusal is no answer to this question."""
    assert isinstance(verdict, Granted)
    return verdict.new_visit


@pytest.mark.req("A-07")
def test_blocked_person_with_a_frozen_subscription_hears_of_the_block_and_the_record_tells_both() -> None:
    verdict = ready(
        "2026-03-10T09:00:00+01:00",
        holder={"blocked": True},
        subscription={"freezes": [["2026-03-05", "2026-03-20"]]},
    ).verdict()
    assert isinstance(verdict, Denied)
    assert verdict.reason is Reason.PERSON_BLOCKED
    assert {Reason.PERSON_BLOCKED, Reason.FROZEN} <= set(verdict.all_reasons)


@pytest.mark.req("A-08")
def test_subscription_started_charged_and_within_its_hours_grants_and_is_named() -> None:
    verdict = ready(
        "2026-03-10T09:00:00+01:00",
        subscription={"id": "SUB-1", "start": "2025-06-01", "charged_through": "2026-03-31", "right": "ER-GYM"},
        rights={"ER-GYM": {"readers": ["RD-IN", "RD-OUT", "RD-INNER"], "daily": "06:00-22:00"}},
    ).verdict()
    assert isinstance(verdict, Granted)
    assert verdict.entitlement == "SUB-1"


@pytest.mark.req("A-09")
def test_charged_through_day_counts_to_its_last_second() -> None:
    charged = {"subscription": {"charged_through": "2026-03-31"}, "site": {"zone": "Europe/Stockholm"}}
    assert ask("2026-03-31T23:59:59+02:00", hours="always", **charged) == GRANTED
    assert ask("2026-04-01T00:00:00+02:00", hours="always", **charged) == (False, Reason.NOT_CHARGED)


@pytest.mark.req("A-10")
def test_frozen_subscription_opens_again_at_midnight_after_the_last_frozen_day() -> None:
    frozen = {"subscription": {"freezes": [["2026-03-05", "2026-03-20"]]}}
    assert ask("2026-03-10T09:00:00+01:00", hours="always", **frozen) == (False, Reason.FROZEN)
    assert ask("2026-03-21T00:00:00+01:00", hours="always", **frozen) == GRANTED


@pytest.mark.req("A-11")
def test_block_holds_on_its_last_day_and_ends_at_midnight() -> None:
    block = {"holder": {"blocked": True, "blocked_until": "2026-03-15"}}
    assert ask("2026-03-15T12:00:00+01:00", hours="always", **block) == (False, Reason.PERSON_BLOCKED)
    assert ask("2026-03-16T00:00:00+01:00", hours="always", **block) == GRANTED


@pytest.mark.req("A-13")
def test_right_that_does_not_list_the_spa_does_not_open_it() -> None:
    gym = {"rights": {"ER-GYM": {"readers": ["RD-IN", "RD-INNER"], "daily": "06:00-22:00"}}}
    assert ask("2026-03-10T09:00:00+01:00", reader="RD-SPA", **gym) == (False, Reason.NO_RIGHT_AT_READER)
    assert ask("2026-03-10T09:00:00+01:00", reader="RD-INNER", **gym) == GRANTED


@pytest.mark.req("A-14")
def test_schedule_decides_by_the_wall_clock_of_the_site() -> None:
    morning = {"subscription": {"right": "MORNING"}, "rights": {"MORNING": {"weekdays": {"Mon-Fri": "06:00-12:00"}}}}
    assert ask("2026-03-10T11:59:59+01:00", **morning) == GRANTED
    assert ask("2026-03-10T12:00:00+01:00", **morning) == (False, Reason.OUTSIDE_SCHEDULE)
    closed = {"weekdays": {"Mon-Fri": "06:00-12:00"}, "exceptions": {"2026-03-10": ""}}
    all_day = [
        ask(f"2026-03-10T{hour:02}:00:00+01:00", subscription={"right": "MORNING"}, rights={"MORNING": closed})
        for hour in range(24)
    ]
    assert all_day == [(False, Reason.OUTSIDE_SCHEDULE)] * 24
    daily = {"rights": {"ER-GYM": {"daily": "06:00-22:00"}}}
    assert ask("2026-03-29T05:59:00+02:00", **daily) == (False, Reason.OUTSIDE_SCHEDULE)
    assert ask("2026-03-29T04:00:00+00:00", **daily) == GRANTED


def test_frozen_subscription_gives_way_to_one_that_grants() -> None:
    verdict = ready(
        "2026-03-10T09:00:00+01:00",
        subscriptions=[
            {"id": "SUB-1", "number": 1, "freezes": [["2026-03-05", "2026-03-20"]], "charged_through": "2026-06-30"},
            {"id": "SUB-2", "number": 2},
        ],
    ).verdict()
    assert isinstance(verdict, Granted)
    assert verdict.entitlement == "SUB-2"


def test_exit_is_always_open_unless_strict_and_then_follows_right_and_schedule() -> None:
    late = "2026-03-10T22:30:00+01:00"
    strict = {"reader_with": {"exit_policy": "strict"}}
    assert ask(late, reader="RD-OUT") == GRANTED
    assert ask(late, reader="RD-OUT", holder="unknown") == GRANTED
    assert ask(late, reader="RD-OUT", **strict) == (False, Reason.OUTSIDE_SCHEDULE)
    assert ask("2026-03-10T21:30:00+01:00", reader="RD-OUT", **strict) == GRANTED
    assert ask("2026-03-10T21:30:00+01:00", reader="RD-OUT", holder="unknown", **strict) == (
        False,
        Reason.UNKNOWN_CREDENTIAL,
    )


def test_minimum_interval_counts_from_the_last_granted_entry_not_from_the_last_tap() -> None:
    day = Day({"reader_with": {"min_interval": 300}})
    assert isinstance(day.tap("2026-03-10T09:00:00+01:00"), Granted)
    refused = [day.tap(f"2026-03-10T09:0{minute}:59+01:00") for minute in range(5)]
    assert [verdict.reason for verdict in refused] == [Reason.TOO_SOON] * 5
    assert began(day.tap("2026-03-10T09:05:00+01:00")) is False
    assert day.tap("2026-03-10T09:09:59+01:00").reason is Reason.TOO_SOON


def test_two_turnstiles_of_one_barrier_share_the_interval_and_the_next_barrier_does_not() -> None:
    day = Day({"reader_with": {"min_interval": 300}, "rights": {"ER-GYM": {"readers": ["RD-IN", "RD-IN-2", "RD-SPA"]}}})
    day.tap("2026-03-10T09:00:00+01:00", "RD-IN")
    assert day.tap("2026-03-10T09:01:00+01:00", "RD-IN-2").reason is Reason.TOO_SOON
    assert isinstance(day.tap("2026-03-10T09:01:00+01:00", "RD-SPA"), Granted)


def test_who_overrides_anti_passback_enters_a_second_later() -> None:
    day = Day({"reader_with": {"min_interval": 300}, "holder": {"overrides_anti_passback": True}})
    day.tap("2026-03-10T09:00:00+01:00")
    assert began(day.tap("2026-03-10T09:00:01+01:00")) is False


@pytest.mark.req("A-34")
def test_entry_without_an_open_visit_begins_one() -> None:
    day = Day()
    assert began(day.tap("2026-03-10T09:00:00+01:00", "RD-IN")) is True
    assert day.visits == ["V-1"]


@pytest.mark.req("A-35")
def test_second_entry_while_the_visit_is_open_is_an_entry_and_no_visit() -> None:
    day = Day()
    day.tap("2026-03-10T09:00:00+01:00", "RD-IN")
    again = day.tap("2026-03-10T17:00:00+01:00", "RD-IN")
    assert began(again) is False
    assert (len(day.visits), day.granted_entries) == (1, 2)


@pytest.mark.req("A-36")
def test_exit_closes_the_visit_and_the_next_entry_begins_another() -> None:
    day = Day()
    day.tap("2026-03-10T09:00:00+01:00", "RD-IN")
    day.tap("2026-03-10T10:00:00+01:00", "RD-OUT")
    assert began(day.tap("2026-03-10T17:00:00+01:00", "RD-IN")) is True
    assert day.visits == ["V-1", "V-2"]


@pytest.mark.req("A-37")
def test_inner_reader_is_the_entrance_for_who_is_not_inside_and_passed_by_who_is() -> None:
    day = Day()
    first = day.tap("2026-03-10T09:00:00+01:00", "RD-INNER")
    then = day.tap("2026-03-10T09:05:00+01:00", "RD-INNER")
    assert (began(first), first.passage) == (True, "in")
    assert (began(then), then.passage) == (False, "inner")


@pytest.mark.req("A-38")
def test_two_way_reader_alternates_for_each_member() -> None:
    day = Day({"rights": {"ER-GYM": {"readers": ["RD-IO"]}}})
    taps = [day.tap(f"2026-03-10T{hour}:00:00+01:00", "RD-IO") for hour in ("09", "10", "17")]
    assert [tap.passage for tap in taps] == ["in", "out", "in"]
    assert [began(tap) for tap in taps] == [True, False, True]
    assert day.visits == ["V-1", "V-2"]


@pytest.mark.req("A-39")
@pytest.mark.parametrize(("rollover", "visits"), [("00:00", ["V-1", "V-2"]), ("04:00", ["V-1"])])
def test_visit_ends_by_itself_at_the_rollover_time(rollover: str, visits: list[str]) -> None:
    day = Day({"hours": "always", "site": {"rollover": rollover}})
    day.tap("2026-03-10T23:30:00+01:00", "RD-IN")
    day.tap("2026-03-11T00:30:00+01:00", "RD-IN")
    assert day.visits == visits


def test_refusals_neither_begin_nor_prolong_a_visit() -> None:
    day = Day({"subscription": {"charged_through": "2026-02-28"}})
    assert isinstance(day.tap("2026-02-01T09:00:00+01:00"), Granted)
    opened = day.open_visit
    assert isinstance(day.tap("2026-03-10T09:00:00+01:00"), Denied)
    assert (day.visits, day.open_visit) == (["V-1"], opened)
    assert opened == OpenVisit(EventId("V-1"), date(2026, 2, 1))


def test_locked_door_refuses_members_and_an_unlocked_one_asks_nobody() -> None:
    locked = {"reader_with": {"mode": DoorMode.LOCKED}}
    unlocked = {"reader_with": {"mode": DoorMode.UNLOCKED}}
    assert ask("2026-03-10T09:00:00+01:00", **locked) == (False, Reason.DOOR_LOCKED)
    assert ask("2026-03-10T09:00:00+01:00", holder="unknown", **unlocked) == GRANTED


def test_reader_without_a_barrier_is_its_own() -> None:
    row = ready("2026-03-10T09:00:00+01:00")
    assert row.readers[ReaderId("RD-IN")].barrier_group == BarrierId("B1")
    assert row.readers[ReaderId("RD-OUT")].barrier_group == "L-OUT"


def test_card_of_somebody_without_subscription_names_the_person() -> None:
    verdict = ready("2026-03-10T09:00:00+01:00", holder={"person": "M1002"}, subscriptions=[]).verdict()
    assert (verdict.person, verdict.reason) == (PersonId("M1002"), Reason.NO_ENTITLEMENT)

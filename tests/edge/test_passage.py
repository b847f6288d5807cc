"""A card at the door, with the real journal, the real access list and the lane's own table on mock pins."""

import asyncio
import time
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from edge.clock import SystemClock
from protocol.decision import Reason, decide
from protocol.entitlement import Freeze
from protocol.journal import OpenedFirst, Outcome, Passage, ReaderChange, RemoteOpen
from protocol.policy import DoorMode, ExitPolicy, ReaderKind
from tests.edge.builders import access_list, card, holder, reader
from tests.edge.door import EXIT_GREEN, EXIT_RELAY, GREEN, RED, RELAY, SENSOR, door

ANNA = ("10000342", holder("M1001"))
FROZEN = ("10000343", holder("M1002", freezes=(Freeze(date(2026, 3, 1), None),)))
EXEMPT = ("10000344", holder("M1003", overrides=True))


@pytest.mark.req("A-01")
async def test_three_reads_are_three_passages_with_their_reasons_and_ids_of_their_own(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[ANNA, FROZEN]) as at:
        answers = [await at.tap(number) for number in ("10000342", "99999999", "10000343")]
        entries = await at.committed()
    assert all(isinstance(entry, Passage) for entry in entries)
    assert [entry.reason for entry in entries if isinstance(entry, Passage)] == ["OK", "UNKNOWN_CREDENTIAL", "FROZEN"]
    assert len({answer.event_id for answer in answers if answer}) == 3


async def test_a_passage_says_who_where_when_why_and_by_which_list(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[ANNA]) as at:
        answer = await at.tap("10000342")
        (entry,) = await at.committed()
    assert isinstance(entry, Passage)
    assert answer is not None
    assert (entry.site, entry.reader, entry.lane, entry.direction) == ("F1", "RD-IN", "entrance", ReaderKind.IN)
    assert (entry.credential, entry.raw, entry.person) == (card("10000342"), "10000342", "M1001")
    assert entry.entitlement == "sub-M1001"
    assert entry.stamp.at.isoformat() == "2026-03-10T08:00:00+00:00"
    assert entry.stamp.local.isoformat() == "2026-03-10T09:00:00+01:00"
    assert (entry.revision, entry.offline, entry.new_visit, entry.visit) == (1, False, True, None)


@pytest.mark.req("A-03")
async def test_an_unassigned_card_is_denied_and_kept_and_granted_once_it_is_assigned(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        assert await at.tap_at("09:00:00", "99999999") == "UNKNOWN_CREDENTIAL"
        assert at.levels(RELAY) == [0]
        assert at.levels(RED) == [0, 1]
        at.access.install(access_list(at.access.draft(), revision=2, holders=[("99999999", holder("M1001"))]))
        assert await at.tap_at("09:01:00", "99999999") == "OK"
        unknown, known = await at.committed()
    assert isinstance(unknown, Passage)
    assert isinstance(known, Passage)
    assert (unknown.granted, unknown.person, unknown.new_visit, unknown.raw) == (False, None, False, "99999999")
    assert (known.granted, known.person, known.revision) == (True, "M1001", 2)


async def test_without_a_line_to_the_broker_a_passage_says_offline(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[ANNA]) as at:
        at.online = False
        await at.tap("10000342")
        (entry,) = await at.committed()
    assert isinstance(entry, Passage)
    assert entry.granted
    assert entry.offline


@pytest.mark.req("A-23")
async def test_a_further_entry_within_300_seconds_is_too_soon_counted_from_the_granted_one(tmp_path: Path) -> None:
    entrance = reader()._replace(min_interval=300)
    async with door(tmp_path, holders=[ANNA, EXEMPT], readers=[entrance], presence_window_s=0.5) as at:
        assert await at.tap_at("09:00:00", "10000342") == "OK"
        assert await at.tap_at("09:04:59", "10000342") == "TOO_SOON"
        assert await at.tap_at("09:05:00", "10000342") == "OK"
        assert await at.tap_at("09:30:00", "10000344") == "OK"
        assert await at.tap_at("09:30:01", "10000344") == "OK"


@pytest.mark.req("A-23")
async def test_an_entry_made_by_hand_at_09_01_is_accepted_where_the_reader_would_refuse_it(tmp_path: Path) -> None:
    entrance = reader()._replace(min_interval=300)
    async with door(tmp_path, holders=[ANNA], readers=[entrance]) as at:
        assert await at.tap_at("09:00:00", "10000342") == "OK"
        assert await at.tap_at("09:01:00", "10000342") == "TOO_SOON"
        rules = at.access.policies
        assert rules is not None
        who, there, now = at.access.lookup(card("10000342")), rules.readers[entrance.reader], at.clock.wall
        presence = at.journal.presence.around(who, card("10000342"), there, rules.site, now)
        by_hand = decide(who, reader=there, site=rules.site, now=now, presence=presence, manual=True)
    assert (by_hand.reason, by_hand.all_reasons) == (Reason.OK, ())


async def test_readers_of_one_barrier_share_the_minimum_interval_across_a_restart(tmp_path: Path) -> None:
    two = [reader()._replace(min_interval=300), reader("RD-IN2")._replace(min_interval=300)]
    async with door(tmp_path, holders=[ANNA], readers=two) as at:
        assert await at.tap_at("09:00:00", "10000342") == "OK"
    async with door(tmp_path, presence_window_s=0.5) as at:
        assert await at.tap_at("09:04:59", "10000342", "RD-IN2") == "TOO_SOON"
        assert await at.tap_at("09:05:00", "10000342", "RD-IN2") == "OK"


@pytest.mark.parametrize(
    ("after_s", "entries"),
    [pytest.param(1.499, 1, id="within the window"), pytest.param(1.5, 2, id="when the window is over")],
)
async def test_the_same_card_within_the_presence_window_is_one_presentation(
    tmp_path: Path, after_s: float, entries: int
) -> None:
    async with door(tmp_path, holders=[ANNA]) as at:
        await at.tap("10000342")
        at.clock.advance(timedelta(seconds=after_s))
        await at.tap("10000342")
        assert len(await at.committed()) == entries


async def test_a_card_left_on_the_reader_stays_one_presentation(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[ANNA]) as at:
        for _ in range(20):
            await at.tap("10000342")
            at.clock.advance(timedelta(seconds=1))
        assert len(await at.committed()) == 1
        assert at.levels(RELAY) == [0, 1, 0]


@pytest.mark.req("A-56")
async def test_a_grant_is_one_pulse_of_500_ms(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[ANNA], pulse_ms=500, make_clock=SystemClock) as at:
        await at.tap("10000342")
        await asyncio.sleep(0.7)
        levels, high_s = at.levels(RELAY), at.pin(RELAY).states[-1].timestamp
    assert levels == [0, 1, 0]
    assert 0.450 <= high_s <= 0.550


@pytest.mark.req("A-56")
async def test_an_unlocked_door_asks_nobody_and_still_writes_down_the_read(tmp_path: Path) -> None:
    async with door(tmp_path, readers=[reader()._replace(mode=DoorMode.UNLOCKED)]) as at:
        assert await at.tap_at("09:00:00", "99999999") == "OK"
        (entry,) = await at.committed()
    assert isinstance(entry, Passage)
    assert (entry.granted, entry.new_visit, entry.all_reasons) == (True, False, ("UNKNOWN_CREDENTIAL", ))  # fmt: skip


@pytest.mark.req("A-56")
async def test_a_locked_door_refuses_members(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[ANNA], readers=[reader()._replace(mode=DoorMode.LOCKED)]) as at:
        assert await at.tap_at("09:00:00", "10000342") == "DOOR_LOCKED"
        assert at.levels(RELAY) == [0]


async def test_a_mode_set_by_command_holds_until_the_next_access_list(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[ANNA]) as at:
        at.passages.set_mode(next(iter(at.passages.barriers)), DoorMode.LOCKED)
        assert await at.tap_at("09:00:00", "10000342") == "DOOR_LOCKED"
        at.access.install(access_list(at.access.draft(), revision=2, holders=[ANNA]))
        assert await at.tap_at("09:01:00", "10000342") == "OK"


async def test_an_exit_lets_an_unknown_card_out_and_answers_with_its_lamp(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        assert await at.tap_at("09:00:00", "99999999", "RD-OUT") == "OK"
        assert at.levels(EXIT_RELAY) == [0, 1]
        assert at.levels(EXIT_GREEN) == [0, 1]


async def test_an_exit_closes_the_visit_so_that_the_next_entry_is_a_new_one(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[ANNA]) as at:
        for local, where in (
            ("09:00:00", "RD-IN"),
            ("09:30:00", "RD-IN"),
            ("10:00:00", "RD-OUT"),
            ("17:00:00", "RD-IN"),
        ):
            await at.tap_at(local, "10000342", where)
        first, again, out, second = [entry for entry in await at.committed() if isinstance(entry, Passage)]
    assert (first.new_visit, first.visit) == (True, None)
    assert not again.new_visit
    assert again.visit == out.visit
    assert again.visit is not None
    assert second.new_visit


async def test_before_the_first_access_list_only_exits_open(tmp_path: Path) -> None:
    async with door(tmp_path, with_list=False) as at:
        assert await at.tap_at("09:00:00", "10000342") == "UNKNOWN_CREDENTIAL"
        assert await at.tap_at("09:00:10", "10000342", "RD-OUT") == "OK"
        assert at.levels(RELAY) == [0]
        inward, outward = await at.committed()
    assert isinstance(inward, Passage)
    assert isinstance(outward, Passage)
    assert (inward.revision, outward.revision) == (0, 0)
    assert outward.granted


async def test_a_strict_exit_refuses_an_unknown_card(tmp_path: Path) -> None:
    strict = reader("RD-OUT", ReaderKind.OUT, "exit")._replace(exit_policy=ExitPolicy.STRICT)
    async with door(tmp_path, readers=[strict]) as at:
        assert await at.tap_at("09:00:00", "99999999", "RD-OUT") == "UNKNOWN_CREDENTIAL"


async def test_a_reader_the_list_does_not_name_gives_nobody_a_right(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[ANNA], readers=[reader("RD-ELSEWHERE")]) as at:
        assert await at.tap_at("09:00:00", "10000342") == "NO_RIGHT_AT_READER"


# --- the passage sensor -----------------------------------------------------------------------------------------------


@pytest.mark.req("A-57")
async def test_a_rotation_within_8_seconds_says_passed(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[ANNA], sensor=True) as at:
        await at.tap_at("09:00:00", "10000342")
        await at.wait(3)
        at.pin(SENSOR).drive_high()
        await asyncio.sleep(0.02)
        passage, outcome = await at.committed()
    assert isinstance(passage, Passage)
    assert isinstance(outcome, Outcome)
    assert (outcome.of, outcome.passed, outcome.lane) == (1, True, "entrance")
    assert outcome.stamp.local.isoformat() == "2026-03-10T09:00:03+01:00"


async def test_nobody_went_through_so_the_member_may_tap_again_at_once_and_has_no_visit(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[ANNA], readers=[reader()._replace(min_interval=300)], sensor=True) as at:
        assert await at.tap_at("09:00:00", "10000342") == "OK"
        await at.wait(8)
        assert await at.tap_at("09:00:08", "10000342") == "OK"
        first, outcome, second = await at.committed()
    assert isinstance(outcome, Outcome)
    assert (outcome.of, outcome.passed) == (1, False)
    assert isinstance(first, Passage)
    assert isinstance(second, Passage)
    assert second.new_visit


async def test_a_badge_repeated_while_its_grant_is_open_is_answered_from_it(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[ANNA], readers=[reader()._replace(min_interval=300)], sensor=True) as at:
        await at.tap_at("09:00:00", "10000342")
        await at.wait(5)
        assert await at.tap("10000342") is None
        assert len(await at.committed()) == 1
        assert at.levels(RELAY) == [0, 1, 0]
        assert at.levels(GREEN) == [0, 1, 0, 1]


# --- the disk ---------------------------------------------------------------------------------------------------------


async def test_the_lane_stays_shut_until_the_passage_is_on_the_disk(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[ANNA]) as at:
        at.disk.stall()
        tapping = asyncio.create_task(at.tap("10000342"))
        await asyncio.sleep(0.05)
        assert at.levels(RELAY) == [0]
        at.disk.go_on()
        answered = await tapping
        assert answered is not None
        assert not answered.opened_first
        assert at.levels(RELAY) == [0, 1]


async def test_a_disk_stalled_for_a_second_keeps_nobody_longer_than_160_ms_and_the_entry_is_marked(
    tmp_path: Path,
) -> None:
    waits: list[float] = []
    async with door(tmp_path, holders=[ANNA]) as at:
        for local in ("08:59:00", "09:00:00", "09:01:00", "09:02:00"):  # several: the machine may be busy with others
            at.clock.set(datetime.fromisoformat(f"2026-03-10T{local}+01:00"))
            at.disk.stall()
            before = time.monotonic()  # noqa: TID251 – the 150 ms are real time
            answered = await at.tap("10000342")
            waits.append(time.monotonic() - before)  # noqa: TID251
            assert answered is not None
            assert answered.opened_first
            assert at.levels(RELAY)[-1] == 1
            assert at.journal.committed == answered.sequence - 1
            await asyncio.sleep(1.0 - waits[-1])
            at.disk.go_on()
            *_, passage, mark = await at.committed()
            assert isinstance(passage, Passage)
            assert passage.granted
            assert isinstance(mark, OpenedFirst)
            assert mark.of == answered.sequence
    assert min(waits) >= 0.145
    assert sorted(waits)[1] <= 0.160


async def test_a_lane_set_to_open_first_does_and_says_so_in_the_passage(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[ANNA], opens_first=True) as at:
        at.disk.stall()
        await at.tap("10000342")
        assert at.levels(RELAY) == [0, 1]
        at.disk.go_on()
        (entry,) = await at.committed()
    assert isinstance(entry, Passage)
    assert entry.opened_first


# --- what else is written down ----------------------------------------------------------------------------------------


async def test_a_lane_opened_by_command_is_an_entry_without_person_or_visit(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        await at.passages.remote_open(next(iter(at.passages.barriers)), "command-1")
        assert at.levels(RELAY) == [0, 1]
        (entry,) = await at.committed()
    assert isinstance(entry, RemoteOpen)
    assert (entry.lane, entry.command) == ("entrance", "command-1")


async def test_a_reader_that_falls_silent_is_an_entry(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        at.passages.reader_changed(next(iter(at.passages._readers)), "lost", "was pulled out")
        (entry,) = await at.committed()
    assert isinstance(entry, ReaderChange)
    assert (entry.reader, entry.state) == ("RD-IN", "lost")


async def test_a_notice_tells_the_site_of_a_passage(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[ANNA]) as at:
        await at.tap("10000342")
        (notice,) = at.notices
    assert (notice.edge, notice.sequence, notice.person, notice.granted) == ("edge-1", 1, "M1001", True)

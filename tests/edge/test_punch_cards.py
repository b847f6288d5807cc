"""Punch cards at the door: who pays with one, what the edge takes off by itself, and what central's count replaces."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from edge.store.presence import (
    EntryChange,
    PresenceBook,
    PresenceChange,
    Punch,
    PunchChange,
    VisitChange,
    from_json,
    to_json,
)
from protocol.entitlement import Freeze, Holder, PunchCard
from protocol.identity import EntitlementId, Epoch, EventId, PersonId
from protocol.journal import Outcome, Passage
from protocol.visit import OpenVisit
from tests.edge.builders import GYM, access_list, card, holder, reader
from tests.edge.door import Door, door

M1001 = "10000342"
PC_1 = EntitlementId("PC-1")
FROZEN = (Freeze(date(2026, 3, 5), date(2026, 3, 20)),)
JUNE = date(2026, 6, 30)


def member(*cards: PunchCard, freezes: tuple[Freeze, ...] = ()) -> tuple[str, Holder]:
    """M1001 with SUB-1 and these cards."""
    one = holder("M1001", freezes=freezes)
    sub_1 = one.entitlements[0]._replace(entitlement=EntitlementId("SUB-1"))
    return M1001, one._replace(entitlements=(sub_1,), punch_cards=cards)


def without_subscription(*cards: PunchCard) -> tuple[str, Holder]:
    """M1001 with these cards and nothing else."""
    return M1001, holder("M1001")._replace(entitlements=(), punch_cards=cards)


def punches(left: int, valid_through: date = JUNE, counted: Mapping[Epoch, int] | None = None) -> PunchCard:
    """PC-1 as the access list has it."""
    return PunchCard(PC_1, GYM, valid_through, left, counted or {})


def balance(at: Door) -> int:
    """Punches left on the first card of M1001 by the next decision's reckoning."""
    found = at.journal.presence.with_punches(at.access.lookup(card(M1001)), at.journal.epoch)
    assert isinstance(found, Holder)
    return found.punch_cards[0].left


async def passages(at: Door) -> list[tuple[str, str | None, str | None]]:
    """Reason, entitlement and punched card of every passage."""
    return [
        (entry.reason.value, entry.entitlement, entry.punched)
        for entry in await at.committed()
        if isinstance(entry, Passage)
    ]


@pytest.mark.req("A-17")
async def test_a_valid_subscription_spares_the_punch_card_and_a_frozen_one_makes_it_pay(tmp_path: Path) -> None:
    for folder in ("valid", "frozen"):
        (tmp_path / folder).mkdir()
    async with door(tmp_path / "valid", holders=[member(punches(10))]) as at:
        assert await at.tap_at("09:00:00", M1001) == "OK"
        assert await passages(at) == [("OK", "SUB-1", None)]
        assert balance(at) == 10
    async with door(tmp_path / "frozen", holders=[member(punches(10), freezes=FROZEN)]) as at:
        assert await at.tap_at("09:00:00", M1001) == "OK"
        assert await passages(at) == [("OK", "PC-1", "PC-1")]
        assert balance(at) == 9


@pytest.mark.req("A-16")
async def test_the_last_punch_lets_in_and_the_next_visit_is_refused_without_any_word_from_central(
    tmp_path: Path,
) -> None:
    async with door(tmp_path, holders=[without_subscription(punches(1))]) as at:
        at.online = False
        assert await at.tap_at("09:00:00", M1001) == "OK"
        assert balance(at) == 0
        assert await at.tap_at("10:00:00", M1001, "RD-OUT") == "OK"
    async with door(tmp_path) as at:  # a restart forgets no punch
        at.online = False
        assert balance(at) == 0
        assert await at.tap_at("17:00:00", M1001) == "NO_PUNCHES_LEFT"


@pytest.mark.req("A-16")
async def test_a_card_valid_to_the_day_before_has_expired(tmp_path: Path) -> None:
    pc_2 = PunchCard(EntitlementId("PC-2"), GYM, date(2026, 3, 9), 5)
    async with door(tmp_path, holders=[without_subscription(pc_2)]) as at:
        assert await at.tap_at("09:00:00", M1001) == "CARD_EXPIRED"
        assert await passages(at) == [("CARD_EXPIRED", "PC-2", None)]


async def test_a_visit_is_paid_for_once_and_the_next_visit_again(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[without_subscription(punches(10))]) as at:
        left = []
        for local, where in (
            ("09:00:00", "RD-IN"),
            ("09:30:00", "RD-IN"),
            ("10:00:00", "RD-OUT"),
            ("17:00:00", "RD-IN"),
        ):
            assert await at.tap_at(local, M1001, where) == "OK"
            left.append(balance(at))
        assert [punched for _, _, punched in await passages(at)] == ["PC-1", None, None, "PC-1"]
    assert left == [9, 9, 9, 8]


async def test_a_punch_counts_here_until_the_list_has_counted_it_and_then_no_longer(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[without_subscription(punches(10))]) as at:
        own, other = at.journal.epoch, Epoch("00000000000000ff")
        await at.tap_at("09:00:00", M1001)
        expected: list[tuple[PunchCard, int]] = [
            (punches(10), 9),  # changed for another reason: central has not heard of the punch
            (punches(7, counted={other: 99}), 6),  # it has heard of another door's
            (punches(6, counted={other: 99, own: 1}), 6),  # and now of ours
        ]
        for revision, (card_, left) in enumerate(expected, 2):
            at.access.install(access_list(at.access.draft(), revision=revision, holders=[without_subscription(card_)]))
            assert balance(at) == left
        await at.tap_at("10:00:00", M1001, "RD-OUT")
        await at.tap_at("17:00:00", M1001)
        assert balance(at) == 5


async def test_who_did_not_go_through_gets_the_punch_back_whether_central_has_counted_it_or_not(
    tmp_path: Path,
) -> None:
    async with door(tmp_path, holders=[without_subscription(punches(1))], readers=[reader()], sensor=True) as at:
        assert await at.tap_at("09:00:00", M1001) == "OK"
        assert balance(at) == 0
        await at.wait(8)
        _, outcome = await at.committed()
        assert isinstance(outcome, Outcome)
        assert not outcome.passed
        assert balance(at) == 1
        counted = {at.journal.epoch: 1}
        at.access.install(
            access_list(at.access.draft(), revision=2, holders=[without_subscription(punches(0, counted=counted))])
        )
        assert balance(at) == 1
        assert await at.tap_at("09:00:10", M1001) == "OK"
        assert balance(at) == 0


def test_punches_are_forgotten_after_thirty_days_if_central_has_had_them() -> None:
    nine, book = datetime(2026, 3, 10, 8, tzinfo=UTC), PresenceBook()
    punched = tuple(PunchChange(PC_1, sequence, Punch(-1, nine)) for sequence in (1, 2))
    book.apply(PresenceChange(punches=punched))
    days_30 = nine + timedelta(days=30)
    assert book.stale(days_30, acknowledged=1) == PresenceChange()
    stale = book.stale(days_30 + timedelta(seconds=1), acknowledged=1)
    assert stale == PresenceChange(punches=(PunchChange(PC_1, 1, None),))
    book.apply(stale)
    assert (
        book.with_punches(without_subscription(punches(10))[1], Epoch("0" * 16)) == without_subscription(punches(9))[1]
    )


def test_a_change_survives_the_second_journal() -> None:
    nine = datetime(2026, 3, 10, 8, tzinfo=UTC)
    change = PresenceChange(
        (VisitChange(PersonId("p-1"), OpenVisit(EventId("v-1"), nine.date())), VisitChange(PersonId("p-2"), None)),
        (EntryChange("em40:1", "B1", nine), EntryChange("em40:2", "B1", None)),
        (PunchChange(PC_1, 7, Punch(-1, nine)), PunchChange(PC_1, 3, None)),
    )
    assert from_json(to_json(change)) == change

"""EM4100 frames: every good one is read, no bad one is, and nothing stops the next (hardware.md §2)."""

from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from edge.frames import Framer
from edge.frames.encode import id12la_frame, rdm6300_frame
from edge.frames.outcome import MAX_WAITING_CARDS, MAX_WAITING_PROBLEMS
from edge.frames.rdm6300 import Em4100Framer
from tests.edge.frames.taking import cards, chunked, reads
from tests.vectors import readers

GOOD = rdm6300_frame(6547886, version=1)
GOOD_CARD = "em40:010063E9AE"
NUMBERS = st.integers(0, 2**32 - 1)
VERSIONS = st.integers(0, 255)


def read_all(wire: bytes) -> list[str]:
    framer = Em4100Framer()
    framer.receive(wire)
    return cards(framer)


@pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in readers.own("em4100")])
def test_frame_of_a_real_reader(row: readers.Row) -> None:
    assert read_all(bytes.fromhex(row["wire"])) == ([row["credential"]] if row["credential"] else [])


@pytest.mark.skipif(not readers.shared("em_ascii"), reason=readers.WHY_SKIPPED)
def test_frames_of_the_reference_documents_are_read_or_rejected_as_they_say() -> None:
    rows = readers.shared("em_ascii")
    read = {row["id"]: read_all(bytes.fromhex(row["frame_hex"])) for row in rows}
    assert read == {row["id"]: [f"em40:{row['expect']['id40']}"] if row["valid"] else [] for row in rows}


def test_framer_is_what_the_serial_adapter_asks_for() -> None:
    framer: Framer = Em4100Framer()
    framer.receive(GOOD[:7])
    assert framer.next_card() is None
    framer.receive(GOOD[7:])
    assert [read.raw for read in reads(framer)] == ["010063E9AE25"]
    assert (framer.frames_ok, framer.frames_bad, framer.dropped, framer.problems()) == (1, 0, 0, [])


@given(
    data=st.data(),
    tags=st.lists(st.tuples(NUMBERS, VERSIONS, st.sampled_from([rdm6300_frame, id12la_frame])), min_size=1, max_size=5),
)
def test_frames_cut_anywhere_are_read_in_order(
    data: st.DataObject, tags: list[tuple[int, int, Callable[[int, int], bytes]]]
) -> None:
    wire = b"".join(frame(number, version) for number, version, frame in tags)
    framer = Em4100Framer()
    for chunk in data.draw(chunked(wire)):
        framer.receive(chunk)
    assert cards(framer) == [f"em40:{version:02X}{number:08X}" for number, version, _ in tags]
    assert (framer.frames_ok, framer.frames_bad, framer.dropped) == (len(tags), 0, 0)


@given(garbage=st.binary(max_size=200))
def test_garbage_before_a_frame_costs_only_itself(garbage: bytes) -> None:
    assert read_all(garbage + GOOD)[-1:] == [GOOD_CARD]


@given(garbage=st.binary(max_size=60).filter(lambda noise: 2 not in noise))
def test_noise_between_frames_is_counted_and_no_frame(garbage: bytes) -> None:
    framer = Em4100Framer()
    framer.receive(GOOD + garbage + GOOD)
    assert cards(framer) == [GOOD_CARD, GOOD_CARD]
    assert framer.frames_bad == 0
    assert framer.dropped == len(garbage) - garbage.count(b"\r") - garbage.count(b"\n")


@pytest.mark.parametrize("kept", range(1, 14))
def test_frame_cut_short_is_one_bad_frame_and_the_next_is_read(kept: int) -> None:
    framer = Em4100Framer()
    framer.receive(GOOD[:kept] + GOOD)
    assert cards(framer) == [GOOD_CARD]
    assert (framer.frames_bad, framer.dropped) == (1, kept)
    assert framer.problems() == [f"frame restarted after {kept - 1} of 12 digits; present the card again"]


def test_four_kibibytes_of_garbage_then_a_card() -> None:
    garbage = bytes(at * 7 % 256 for at in range(4096))
    framer = Em4100Framer()
    framer.receive(garbage)
    assert cards(framer) == []
    framer.receive(GOOD)
    assert cards(framer) == [GOOD_CARD]
    assert framer.frames_bad > 0


@given(number=NUMBERS, version=VERSIONS, place=st.integers(1, 12), digit=st.sampled_from("0123456789ABCDEF"))
def test_one_wrong_digit_is_rejected(number: int, version: int, place: int, digit: str) -> None:
    good = rdm6300_frame(number, version)
    wrong = good[:place] + digit.encode() + good[place + 1 :]
    assert read_all(wrong) == ([f"em40:{version:02X}{number:08X}"] if wrong == good else [])


@pytest.mark.parametrize(
    ("wire", "problem"),
    [
        pytest.param(b"\x02010063E9AE24\x03", "checksum 24 does not match 25 computed", id="checksum"),
        pytest.param(b"\x02010063E9AE\x03", "ended after 10 of 12 digits", id="no checksum"),
        pytest.param(b"\x02010063E9AE255\x03", "more than 12 digits", id="a 13th digit"),
        pytest.param(b"\x020100x", "byte 0x78 after 4 of 12 digits", id="no hex"),
        pytest.param(b"\x020100{", "byte 0x7B after 4 of 12 digits", id="a brace, which means something to format()"),
        pytest.param(b"\x02\x03", "ended after 0 of 12 digits", id="empty frame"),
    ],
)
def test_bad_frame_is_one_clear_line_and_the_next_card_is_read(wire: bytes, problem: str) -> None:
    framer = Em4100Framer()
    framer.receive(wire + GOOD)
    lines = framer.problems()
    assert len(lines) == 1
    assert problem in lines[0]
    assert framer.problems() == []
    assert cards(framer) == [GOOD_CARD]


def test_half_a_frame_is_dropped_after_half_a_second_of_silence() -> None:
    framer = Em4100Framer()
    framer.receive(GOOD[:6])
    framer.tick(100.0)
    framer.tick(100.49)
    assert framer.frames_bad == 0
    framer.tick(100.5)
    framer.tick(101.0)
    assert framer.frames_bad == 1
    assert "stopped after 5 of 12 digits" in framer.problems()[0]


def test_halves_from_before_and_after_an_unplug_never_join() -> None:
    framer = Em4100Framer()
    framer.receive(GOOD[:6])
    framer.reset()
    framer.receive(GOOD[6:] + GOOD)
    assert cards(framer) == [GOOD_CARD]
    assert framer.frames_bad == 1


def test_nobody_taking_cards_costs_cards_but_no_memory() -> None:
    framer = Em4100Framer()
    framer.receive(GOOD * (MAX_WAITING_CARDS + 40))
    lines = framer.problems()
    assert len(cards(framer)) == MAX_WAITING_CARDS
    assert len(lines) == MAX_WAITING_PROBLEMS + 1
    assert lines[-1].startswith("8 more bad frames")
    framer.receive(GOOD)
    assert cards(framer) == [GOOD_CARD]

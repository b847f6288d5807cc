"""Wiegand pulses: a frame with any fault is no card, and the frame after it is (hardware.md §3)."""

import pytest
from hypothesis import given, strategies as st

from edge.frames.encode import wiegand_bits, wiegand_pulses
from edge.frames.wiegand import Pulse, WiegandFramer, WiegandProfile
from protocol.wiegand import LAYOUTS, WiegandFormat
from tests.edge.frames.taking import cards, reads
from tests.vectors import readers

MS = 1_000_000
US = 1_000
W26 = WiegandProfile((WiegandFormat.H10301,))
MIXED = WiegandProfile((WiegandFormat.H10301, WiegandFormat.UID34, WiegandFormat.H10304))
CARD = wiegand_bits(WiegandFormat.H10301, 59822, facility=99)
CARD_READ = "w26:99-59822"
FRAME_NS = 26 * 2 * MS
LATER = 1_000 * MS


def feed(framer: WiegandFramer, pulses: list[Pulse]) -> None:
    for pulse in pulses:
        framer.pulse(*pulse)


def read_then_good(pulses: list[Pulse], *, profile: WiegandProfile = W26) -> tuple[list[str], WiegandFramer]:
    """Feed pulses, let the line rest, feed a good card that follows in the numbering; return all that was read."""
    framer = WiegandFramer(profile)
    feed(framer, pulses)
    last = max(pulse.at_ns for pulse in pulses)
    framer.tick(last + LATER)
    feed(framer, wiegand_pulses(CARD, last + 2 * LATER, first_seqno=max(pulse.seqno for pulse in pulses) + 1))
    framer.tick(last + 3 * LATER)
    return cards(framer), framer


@pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in readers.own("wiegand")])
def test_bits_of_a_real_reader(row: readers.Row) -> None:
    framer = WiegandFramer(WiegandProfile((WiegandFormat(row["format"]),)))
    feed(framer, wiegand_pulses(row["bits"], LATER))
    assert cards(framer) == ([row["credential"]] if row["credential"] else [])
    assert framer.frames_bad == (0 if row["credential"] else 1)


@pytest.mark.parametrize("fmt", WiegandFormat)
@given(data=st.data())
def test_every_number_of_every_format_is_read_back(fmt: WiegandFormat, data: st.DataObject) -> None:
    layout = LAYOUTS[fmt]
    card = data.draw(st.integers(0, (1 << layout.card.width) - 1))
    facility = data.draw(st.integers(0, (1 << layout.facility.width) - 1)) if layout.facility else 0
    framer = WiegandFramer(WiegandProfile((fmt,)))
    feed(framer, wiegand_pulses(wiegand_bits(fmt, card, facility=facility), LATER))
    number = f"{card:08X}" if fmt is WiegandFormat.UID34 else f"{facility}-{card}" if layout.facility else f"{card}"
    assert cards(framer) == [f"w{layout.length}:{number}"]


def test_card_of_a_reader_with_one_length_is_out_at_its_last_bit() -> None:
    framer = WiegandFramer(W26)
    pulses = wiegand_pulses(CARD, LATER)
    feed(framer, pulses[:25])
    assert framer.next_card() is None
    feed(framer, pulses[25:])
    assert [(read.credential.canonical, read.raw) for read in reads(framer)] == [(CARD_READ, CARD)]
    assert (framer.frames_ok, framer.frames_bad, framer.dropped, framer.problems()) == (1, 0, 0, [])


@pytest.mark.parametrize(
    ("interval_ns", "gap_ns"),
    [
        pytest.param(1 * MS, 25 * MS, id="fast reader: 25 ms"),
        pytest.param(2 * MS, 25 * MS, id="usual reader: 25 ms"),
        pytest.param(5 * MS, 40 * MS, id="slow reader: 8 times its pace"),
    ],
)
def test_card_of_a_reader_with_several_lengths_is_out_after_the_gap(interval_ns: int, gap_ns: int) -> None:
    framer = WiegandFramer(MIXED)
    pulses = wiegand_pulses(CARD, LATER, interval_ns=interval_ns)
    feed(framer, pulses)
    framer.tick(pulses[-1].at_ns + gap_ns)
    assert framer.next_card() is None
    framer.tick(pulses[-1].at_ns + gap_ns + 1)
    assert cards(framer) == [CARD_READ]


def test_next_card_ends_the_one_before_without_a_tick() -> None:
    framer = WiegandFramer(MIXED)
    uid = wiegand_bits(WiegandFormat.UID34, 0x1EA68671)
    feed(framer, wiegand_pulses(CARD, LATER))
    feed(framer, wiegand_pulses(uid, 2 * LATER, first_seqno=27))
    framer.tick(3 * LATER)
    assert cards(framer) == [CARD_READ, "w34:1EA68671"]


def uneven(steps: list[int], seqno: int) -> list[Pulse]:
    times = [LATER + sum(steps[:at]) for at in range(26)]
    return [Pulse(int(bit), at_ns, seqno + at) for at, (bit, at_ns) in enumerate(zip(CARD, times, strict=True))]


@given(steps=st.lists(st.integers(150 * US, 20 * MS), min_size=25, max_size=25), seqno=st.integers(0, 2**32))
def test_uneven_pace_does_not_matter(steps: list[int], seqno: int) -> None:
    assert read_then_good(uneven(steps, seqno))[0] == [CARD_READ, CARD_READ]


@given(
    pace_ns=st.integers(250 * US, 8 * MS),
    jitter=st.lists(st.floats(0.6, 1.4), min_size=25, max_size=25),
    swapped=st.sets(st.integers(0, 12)),
)
def test_pulses_that_overtake_their_neighbour_are_put_in_place(
    pace_ns: int, jitter: list[float], swapped: set[int]
) -> None:
    pulses = uneven([int(pace_ns * factor) for factor in jitter], 1)
    for pair in swapped:
        first, second = 2 * pair, 2 * pair + 1
        pulses[first], pulses[second] = pulses[second], pulses[first]
    assert read_then_good(pulses)[0] == [CARD_READ, CARD_READ]


@given(missing=st.sets(st.integers(1, 24), min_size=1, max_size=5))
def test_frame_with_a_lost_pulse_is_dropped_and_the_next_is_read(missing: set[int]) -> None:
    pulses = [pulse for at, pulse in enumerate(wiegand_pulses(CARD, LATER)) if at not in missing]
    read, framer = read_then_good(pulses)
    assert read == [CARD_READ]
    assert framer.frames_bad == 1
    assert framer.problems() == [
        f"{len(missing)} pulses lost around {len(pulses)} received; present the card again",
    ]


def test_lost_pulse_is_seen_although_noise_makes_up_the_length() -> None:
    pulses = wiegand_pulses(CARD + "0", LATER)
    read, framer = read_then_good(pulses[:10] + pulses[11:])
    assert read == [CARD_READ]
    assert framer.frames_bad == 1


@pytest.mark.parametrize("at", [0, 25], ids=["first", "last"])
def test_frame_without_its_first_or_last_pulse_is_dropped(at: int) -> None:
    pulses = wiegand_pulses(CARD, LATER)
    read, framer = read_then_good(pulses[:at] + pulses[at + 1 :])
    assert read == [CARD_READ]
    assert framer.frames_bad == 1


def test_pulse_lost_between_two_frames_drops_the_second() -> None:
    framer = WiegandFramer(W26)
    feed(framer, wiegand_pulses(CARD, LATER))
    feed(framer, wiegand_pulses(CARD, 2 * LATER, first_seqno=28))
    feed(framer, wiegand_pulses(CARD, 3 * LATER, first_seqno=54))
    assert cards(framer) == [CARD_READ, CARD_READ]
    assert framer.frames_bad == 1


@given(flipped=st.integers(0, 25))
def test_one_wrong_bit_is_rejected_by_parity(flipped: int) -> None:
    wrong = CARD[:flipped] + str(1 - int(CARD[flipped])) + CARD[flipped + 1 :]
    read, framer = read_then_good(wiegand_pulses(wrong, LATER))
    assert read == [CARD_READ]
    assert "parity wrong for H10301" in framer.problems()[0]


@pytest.mark.parametrize(
    ("apart_ns", "read"),
    [pytest.param(150 * US, 2, id="150 µs are a pulse"), pytest.param(150 * US - 1, 1, id="less is crosstalk")],
)
def test_two_pulses_too_close_are_crosstalk(apart_ns: int, read: int) -> None:
    pulses = wiegand_pulses(CARD, LATER)
    pulses[11] = pulses[11]._replace(at_ns=pulses[10].at_ns + apart_ns)
    assert read_then_good(pulses)[0] == [CARD_READ] * read


@pytest.mark.parametrize("profile", [W26, MIXED], ids=["one length", "several lengths"])
@pytest.mark.parametrize("length", [4, 8])
def test_burst_of_a_keypad_is_a_key_and_no_card(length: int, profile: WiegandProfile) -> None:
    read, framer = read_then_good(wiegand_pulses("1" * length, LATER), profile=profile)
    assert read == [CARD_READ]
    assert (framer.keys, framer.frames_bad) == (1, 0)


@pytest.mark.parametrize("length", [1, 3, 5, 24, 25, 27, 33, 35, 36])
def test_length_that_is_not_set_is_no_card(length: int) -> None:
    read, framer = read_then_good(wiegand_pulses("1" * length, LATER), profile=MIXED)
    assert read == [CARD_READ]
    assert framer.frames_bad == 1
    assert framer.problems()[0].startswith(f"{length} bits where 26 or 34 or 37 are set")


def test_head_of_a_longer_card_is_taken_back_while_nobody_has_it() -> None:
    read, framer = read_then_good(wiegand_pulses(CARD + "01" * 5, LATER))
    assert read == [CARD_READ]
    assert (framer.frames_ok, framer.frames_bad) == (1, 1)
    assert framer.problems() == ["further bits after 26 without a pause; check the format set for this reader"]


def test_head_of_a_longer_card_that_was_taken_is_still_an_error() -> None:
    framer = WiegandFramer(W26)
    pulses = wiegand_pulses(CARD + "0", LATER)
    feed(framer, pulses[:26])
    assert cards(framer) == [CARD_READ]
    feed(framer, pulses[26:])
    assert (framer.frames_ok, framer.frames_bad) == (1, 1)


def test_stream_of_pulses_without_a_pause_is_one_bad_frame_and_holds_no_memory() -> None:
    read, framer = read_then_good(wiegand_pulses("01" * 5000, LATER), profile=MIXED)
    assert read == [CARD_READ]
    assert (framer.frames_bad, framer.dropped) == (1, 10_000)


def test_straggler_of_a_frame_already_judged_does_no_harm() -> None:
    framer = WiegandFramer(W26)
    pulses = wiegand_pulses(CARD, LATER)
    feed(framer, pulses[:10] + pulses[11:])
    framer.tick(2 * LATER)
    feed(framer, [pulses[10], *wiegand_pulses(CARD, 3 * LATER, first_seqno=27)])
    assert cards(framer) == [CARD_READ]
    assert framer.frames_bad == 1


def test_numbering_that_starts_anew_is_followed() -> None:
    framer = WiegandFramer(W26)
    feed(framer, wiegand_pulses(CARD, LATER, first_seqno=5000))
    feed(framer, wiegand_pulses(CARD, 2 * LATER, first_seqno=1))
    assert cards(framer) == [CARD_READ, CARD_READ]


def test_lines_closed_in_mid_frame_leave_nothing_behind() -> None:
    framer = WiegandFramer(W26)
    feed(framer, wiegand_pulses(CARD, LATER)[:10])
    framer.reset()
    feed(framer, wiegand_pulses(CARD, LATER + 20 * MS, first_seqno=900))
    assert cards(framer) == [CARD_READ]
    assert framer.problems() == ["lines closed after 10 bits; present the card again"]


@pytest.mark.parametrize(
    "formats",
    [
        pytest.param((), id="none"),
        pytest.param((WiegandFormat.H10302, WiegandFormat.H10304), id="two of 37 bits"),
        pytest.param((WiegandFormat.H10306, WiegandFormat.UID34), id="two of 34 bits"),
    ],
)
def test_formats_that_cannot_be_told_apart_are_refused_as_settings(formats: tuple[WiegandFormat, ...]) -> None:
    with pytest.raises(ValueError, match="one Wiegand format per length"):
        WiegandProfile(formats)


@given(noise=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 10 * MS), st.integers(0, 2)), max_size=150))
def test_after_any_noise_the_next_card_is_read(noise: list[tuple[int, int, int]]) -> None:
    pulses = [Pulse(0, LATER, 1)]
    for line, step_ns, skipped in noise:
        pulses.append(Pulse(line, pulses[-1].at_ns + step_ns, pulses[-1].seqno + skipped))
    assert read_then_good(pulses)[0][-1:] == [CARD_READ]


@pytest.mark.parametrize(
    ("fmt", "card", "facility"),
    [
        pytest.param(WiegandFormat.H10301, 65536, 0, id="card"),
        pytest.param(WiegandFormat.H10301, 1, 256, id="facility"),
        pytest.param(WiegandFormat.H10302, 1, 1, id="facility where there is none"),
    ],
)
def test_simulator_refuses_numbers_the_format_cannot_carry(fmt: WiegandFormat, card: int, facility: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        wiegand_bits(fmt, card, facility=facility)

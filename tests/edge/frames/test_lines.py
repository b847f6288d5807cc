"""Text lines from scanners: what ends a line, what is cut from it, what is refused (hardware.md §5)."""

import re

import pytest
from hypothesis import given, strategies as st

from edge.frames import Framer
from edge.frames.encode import line_frame
from edge.frames.lines import LineFramer, LineProfile
from protocol.credential import CardFormat
from tests.edge.frames.taking import cards, chunked, reads

TEXTS = st.text(st.characters(blacklist_categories=("Cc", "Cs")), min_size=1, max_size=100).filter(str.strip)
NO_TERMINATOR = LineProfile(pattern=re.compile(r"WG-[0-9]{6}"))


def read_all(wire: bytes, profile: LineProfile | None = None) -> list[str]:
    framer = LineFramer(profile or LineProfile())
    framer.receive(wire)
    return cards(framer)


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(b"WG-1\r", id="CR"),
        pytest.param(b"WG-1\n", id="LF"),
        pytest.param(b"WG-1\r\n", id="CR LF"),
        pytest.param(b"WG-1\x03", id="ETX"),
        pytest.param(b"\x02WG-1\x03", id="STX and ETX"),
        pytest.param(b"\x02WG-1\r\n\x03", id="STX, CR LF and ETX"),
        pytest.param(b"\r\n\r\nWG-1\r", id="empty lines before"),
    ],
)
def test_line_ends_at_any_terminator_and_is_one_card(wire: bytes) -> None:
    assert read_all(wire) == ["qr:WG-1"]


def test_framer_is_what_the_serial_adapter_asks_for() -> None:
    framer: Framer = LineFramer(LineProfile(strip_aim=True))
    framer.receive(b"]Q1WG-")
    assert framer.next_card() is None
    framer.receive(b"1\r\n")
    assert [(read.credential.canonical, read.raw) for read in reads(framer)] == [("qr:WG-1", "]Q1WG-1")]
    assert (framer.frames_ok, framer.frames_bad, framer.dropped, framer.problems()) == (1, 0, 0, [])


def test_aim_id_stays_where_stripping_is_not_set() -> None:
    assert read_all(b"]Q1WG-1\r") == ["qr:]Q1WG-1"]


def test_serial_card_reader_uses_its_format_and_the_site_prefix() -> None:
    stripe = LineProfile(fmt=CardFormat.DECIMAL, prefix="6649")
    assert read_all(b"664910000342\r\n", stripe) == ["em40:00009897D6"]
    assert read_all(b"80311a32732b04\r", LineProfile(fmt=CardFormat.HEX_LSB)) == ["uid:042B73321A3180"]


@given(data=st.data(), texts=st.lists(TEXTS, min_size=1, max_size=5), end=st.sampled_from([b"\r", b"\n", b"\r\n"]))
def test_lines_cut_anywhere_are_read_in_order(data: st.DataObject, texts: list[str], end: bytes) -> None:
    framer = LineFramer(LineProfile())
    for chunk in data.draw(chunked(b"".join(line_frame(text, terminator=end) for text in texts))):
        framer.receive(chunk)
    assert cards(framer) == [f"qr:{text}" for text in texts]
    assert (framer.frames_ok, framer.frames_bad, framer.dropped) == (len(texts), 0, 0)


@given(garbage=st.binary(max_size=1500), stx=st.booleans())
def test_garbage_before_a_line_costs_only_itself(garbage: bytes, *, stx: bool) -> None:
    end_of_garbage = b"" if stx else b"\r"
    assert read_all(garbage + end_of_garbage + line_frame("WG-1", stx=stx))[-1:] == ["qr:WG-1"]


def test_four_kibibytes_without_terminator_are_one_bad_line_then_a_card_is_read() -> None:
    framer = LineFramer(LineProfile())
    framer.receive(b"x" * 4096 + b"\r" + b"WG-1\r")
    assert cards(framer) == ["qr:WG-1"]
    assert (framer.frames_bad, framer.dropped) == (1, 4096)
    assert framer.problems() == ["line of 512 bytes is too long; check the scanner's terminator setting"]


@pytest.mark.parametrize(("length", "read"), [(512, 1), (513, 0)])
def test_longest_line_has_512_bytes(length: int, read: int) -> None:
    assert len(read_all(b"x" * length + b"\r")) == read


@pytest.mark.parametrize(
    ("wire", "profile", "problem"),
    [
        pytest.param(b"\xff\xfe\r", LineProfile(), "is not UTF-8", id="wrong baud rate"),
        pytest.param(b"WG\x00\r", LineProfile(), "control characters", id="NUL"),
        pytest.param(b"12a4\r", LineProfile(fmt=CardFormat.DECIMAL), "decimal digits", id="letter in a number"),
        pytest.param(b"WG-9\x02", LineProfile(), "cut by the start of another", id="no end before the next start"),
        pytest.param(b"]Q1\r", LineProfile(strip_aim=True), "0 characters", id="AIM id and no more"),
    ],
)
def test_bad_line_is_one_clear_line_and_the_next_card_is_read(wire: bytes, profile: LineProfile, problem: str) -> None:
    framer = LineFramer(profile)
    framer.receive(wire + b"1234\r")
    lines = framer.problems()
    assert len(lines) == 1
    assert problem in lines[0]
    assert framer.frames_bad == 1
    assert len(cards(framer)) == 1


def test_problem_never_shows_the_number() -> None:
    framer = LineFramer(LineProfile(fmt=CardFormat.DECIMAL))
    framer.receive(b"664910000342x\r")
    assert "66491" not in framer.problems()[0]


def test_scanner_without_terminator_ends_by_50_ms_of_silence() -> None:
    framer = LineFramer(NO_TERMINATOR)
    framer.receive(b"WG-00")
    framer.tick(10.0)
    framer.receive(b"0042")
    framer.tick(10.04)
    framer.tick(10.08)
    assert cards(framer) == []
    framer.tick(10.1)
    assert cards(framer) == ["qr:WG-000042"]
    framer.tick(10.2)
    assert cards(framer) == []


def test_text_without_terminator_that_misses_the_pattern_is_dropped() -> None:
    framer = LineFramer(NO_TERMINATOR)
    framer.receive(b"WG-0000")
    framer.tick(10.0)
    framer.tick(10.06)
    framer.receive(b"WG-000042")
    framer.tick(11.0)
    framer.tick(11.06)
    assert cards(framer) == ["qr:WG-000042"]
    assert "does not match the pattern" in framer.problems()[0]


def test_too_long_a_text_without_terminator_ends_by_silence_too() -> None:
    framer = LineFramer(NO_TERMINATOR)
    framer.receive(b"x" * 600)
    framer.tick(10.0)
    framer.tick(10.06)
    framer.receive(b"WG-000042\r")
    assert cards(framer) == ["qr:WG-000042"]
    assert framer.frames_bad == 1


def test_half_a_line_of_a_scanner_with_terminator_is_never_a_card() -> None:
    framer = LineFramer(LineProfile())
    framer.receive(b"WG-0000")
    framer.tick(10.0)
    framer.tick(10.9)
    assert framer.frames_bad == 0
    framer.tick(11.0)
    assert framer.frames_bad == 1
    framer.receive(b"WG-1\r")
    assert cards(framer) == ["qr:WG-1"]


def test_halves_from_before_and_after_an_unplug_never_join() -> None:
    framer = LineFramer(LineProfile())
    framer.receive(b"WG-00")
    framer.reset()
    framer.receive(b"42\r")
    assert cards(framer) == ["qr:42"]
    assert "cut when the port closed" in framer.problems()[0]

"""The Wiegand formats a reader may be set to: where parity, facility code and card number lie.

Several formats share a length (34 and 37 bits), so the format is a setting of the reader and is never guessed
(hardware.md §3). Layouts after HID Tech Tip 5 and Promag WEC200 p. 17. Bit 0 is the first bit on the wire.
"""

from enum import StrEnum
from typing import NamedTuple


class WiegandFormat(StrEnum):
    """How a site names the format of a reader in its settings."""

    H10301 = "H10301"
    H10306 = "H10306"
    UID34 = "UID34"
    H10302 = "H10302"
    H10304 = "H10304"


class Span(NamedTuple):
    """A run of bits: ``start`` is in it, ``end`` is not."""

    start: int
    end: int

    @property
    def width(self) -> int:
        """Return how many bits the run holds."""
        return self.end - self.start

    def of(self, bits: str) -> str:
        """Return this run of ``bits``."""
        return bits[self.start : self.end]


class Layout(NamedTuple):
    """Where the parts of one format lie. The even parity bit is the first bit, the odd one the last."""

    length: int
    even: Span
    odd: Span
    facility: Span | None
    card: Span


LAYOUTS: dict[WiegandFormat, Layout] = {
    WiegandFormat.H10301: Layout(26, Span(0, 13), Span(13, 26), Span(1, 9), Span(9, 25)),
    WiegandFormat.H10306: Layout(34, Span(0, 17), Span(17, 34), Span(1, 17), Span(17, 33)),
    WiegandFormat.UID34: Layout(34, Span(0, 17), Span(17, 34), None, Span(1, 33)),
    WiegandFormat.H10302: Layout(37, Span(0, 19), Span(18, 37), None, Span(1, 36)),
    WiegandFormat.H10304: Layout(37, Span(0, 19), Span(18, 37), Span(1, 17), Span(17, 36)),
}


class WiegandFields(NamedTuple):
    """The numbers a frame carries; ``facility`` is None where the format has no facility code."""

    facility: int | None
    card: int


def fields(bits: str, fmt: WiegandFormat) -> WiegandFields:
    """Read facility code and card number out of ``bits`` ("0" and "1", parity bits included).

    Raises ValueError when the length is not the format's or a parity bit is wrong.
    """
    layout = LAYOUTS[fmt]
    if len(bits) != layout.length or not set(bits) <= {"0", "1"}:
        raise ValueError(f"{fmt} needs {layout.length} bits, got {len(bits)}; check the format set for this reader")
    wrong = [
        name
        for name, span, remainder in (("even", layout.even, 0), ("odd", layout.odd, 1))
        if span.of(bits).count("1") % 2 != remainder
    ]
    if wrong:
        raise ValueError(
            f"{' and '.join(wrong)} parity wrong for {fmt}; present the card again, then check wiring and format"
        )
    facility = int(layout.facility.of(bits), 2) if layout.facility else None
    return WiegandFields(facility, int(layout.card.of(bits), 2))

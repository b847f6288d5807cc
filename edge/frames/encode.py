"""The sending side of the reader protocols, for simulated readers, the demo and tests.

Written from the same datasheets as the framers, but on its own: a framer is checked against it, not derived from it.
"""

from edge.frames.wiegand import Pulse
from protocol.wiegand import LAYOUTS, WiegandFormat

DEFAULT_INTERVAL_NS = 2_000_000
"""HID readers send a bit every 2 ms; allowed is about 0.2 to 20 ms."""


def rdm6300_frame(number: int, version: int = 0) -> bytes:
    """Return the 14 bytes an RDM6300 sends for a tag (``number`` 32 bits, ``version`` 8 bits)."""
    return b"\x02" + _em4100_body(number, version) + b"\x03"


def id12la_frame(number: int, version: int = 0) -> bytes:
    """Return the 16 bytes an ID-12LA sends for a tag, with CR LF before ETX."""
    return b"\x02" + _em4100_body(number, version) + b"\r\n\x03"


def line_frame(text: str, *, terminator: bytes = b"\r", stx: bool = False) -> bytes:
    """Return what a scanner sends for ``text``; ``terminator`` may be empty."""
    return (b"\x02" if stx else b"") + text.encode() + terminator


def wiegand_bits(fmt: WiegandFormat, card: int, *, facility: int = 0) -> str:
    """Return the bits a reader sends, parity included; raises ValueError when a number is too long for the format."""
    layout = LAYOUTS[fmt]
    if not 0 <= card < 1 << layout.card.width or not 0 <= facility < 1 << (
        layout.facility.width if layout.facility else 0
    ):
        raise ValueError(f"card or facility number does not fit in {fmt}; choose smaller numbers")
    middle = f"{card:0{layout.card.width}b}"
    if layout.facility:
        middle = f"{facility:0{layout.facility.width}b}{middle}"
    even = str(middle[: layout.even.end - 1].count("1") % 2)
    odd = str(1 - middle[layout.odd.start - 1 :].count("1") % 2)
    return even + middle + odd


def wiegand_pulses(
    bits: str, start_ns: int, *, first_seqno: int = 1, interval_ns: int = DEFAULT_INTERVAL_NS
) -> list[Pulse]:
    """Return one pulse per bit of ``bits``, evenly spaced, numbered from ``first_seqno``."""
    return [Pulse(int(bit), start_ns + at * interval_ns, first_seqno + at) for at, bit in enumerate(bits)]


def _em4100_body(number: int, version: int) -> bytes:
    data = version.to_bytes(1, "big") + number.to_bytes(4, "big")
    checksum = data[0] ^ data[1] ^ data[2] ^ data[3] ^ data[4]
    return (data.hex() + f"{checksum:02x}").upper().encode()

"""EM4100 tags from 125 kHz serial readers: RDM630/RDM6300 and ID-2/12/20LA in ASCII mode (hardware.md §2).

A frame is STX, ten hex digits (version byte and number), two hex digits of checksum, ETX: 14 bytes. The ID readers put
CR LF before ETX: 16 bytes. The checksum is the XOR of all five bytes, the version byte included. It is weak, one in
259 random bodies passes, so bad frames are counted and never acted upon. Sources: Seeed 113020002 datasheet p. 3-4,
ID-2/12/20LA datasheet X1 p. 4.
"""

from edge.frames import Read
from edge.frames.outcome import Outcome, Silence
from protocol.credential import EM4100_BYTES, from_em4100

STX = 0x02
ETX = 0x03
BODY_DIGITS = 2 * EM4100_BYTES + 2
STALE_AFTER_S = 0.5
"""A frame takes 17 ms on the wire; a half one this old will not be finished."""

_HEX_DIGITS = frozenset(b"0123456789ABCDEFabcdef")
_IGNORED = frozenset(b"\r\n")


def em4100_checksum(data: bytes) -> int:
    """Return the XOR of all bytes, the version byte included."""
    checksum = 0
    for byte in data:
        checksum ^= byte
    return checksum


class Em4100Framer(Outcome):
    """Reads EM4100 frames out of a byte stream; holds twelve digits at most."""

    def __init__(self) -> None:
        """Wait for the first STX."""
        super().__init__()
        self._digits: bytearray | None = None
        self._silence = Silence()

    def receive(self, data: bytes) -> None:
        """Take in bytes as they came, cut anywhere."""
        if data:
            self._silence.broken()
        for byte in data:
            self._take(byte)

    def tick(self, now_mono: float) -> None:
        """Drop a half frame after half a second of silence (``now_mono`` in monotonic seconds)."""
        if self._digits is not None and self._silence.lasts(now_mono) >= STALE_AFTER_S:
            self._abandon("frame stopped after {} of 12 digits; check the reader's cable and power")

    def reset(self) -> None:
        """Forget a half frame, because the port was closed."""
        if self._digits is not None:
            self._abandon("port closed after {} of 12 digits of a frame; present the card again")

    def _take(self, byte: int) -> None:
        if byte == STX:
            if self._digits is not None:
                self._abandon("frame restarted after {} of 12 digits; present the card again")
            self._digits = bytearray()
        elif byte in _IGNORED:
            return
        elif self._digits is None:
            self.dropped += 1
        elif byte == ETX:
            self._finish(self._digits)
        elif byte not in _HEX_DIGITS:
            self._abandon(f"byte 0x{byte:02X} after {{}} of 12 digits; check baud rate and reader type", extra=1)
        elif len(self._digits) == BODY_DIGITS:
            self._abandon("more than {} digits in a frame; check the reader type", extra=1)
        else:
            self._digits.append(byte)

    def _finish(self, digits: bytearray) -> None:
        if len(digits) != BODY_DIGITS:
            self._abandon("frame ended after {} of 12 digits; present the card again", extra=1)
            return
        body = digits.decode("ascii")
        data = bytes.fromhex(body)
        computed = em4100_checksum(data[:EM4100_BYTES])
        if computed != data[EM4100_BYTES]:
            self._abandon(
                f"checksum {data[EM4100_BYTES]:02X} does not match {computed:02X} computed; present the card again",
                extra=1,
            )
            return
        self._digits = None
        self._deliver(Read(from_em4100(data[:EM4100_BYTES]), body))

    def _abandon(self, problem: str, *, extra: int = 0) -> None:
        """Give up the frame begun; ``extra`` counts the byte in hand beside STX and the digits held."""
        held = len(self._digits or b"")
        self._digits = None
        self._reject(problem.format(held), dropped=1 + held + extra)

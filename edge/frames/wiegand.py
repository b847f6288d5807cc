"""Wiegand 26, 34 and 37 bits from the pulses of D0 and D1, with the kernel's times and sequence numbers.

Rules of hardware.md §3. Both lines come from one kernel request, so a sequence number that is missing is a lost bit
and one that comes late is put in its place. A pulse is the falling edge on line 0 (bit 0) or line 1 (bit 1). One frame
that is wrong in any way is no card: a counter, a line in ``problems()``, and the next frame is read as usual.
"""

from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from edge.frames import Read
from edge.frames.outcome import Outcome
from protocol.credential import CredentialError, from_wiegand
from protocol.wiegand import LAYOUTS, WiegandFormat

MIN_INTERVAL_NS = 150_000
"""Two pulses closer than this are crosstalk between the lines."""
MIN_GAP_NS = 25_000_000
GAP_IN_INTERVALS = 8
KEY_BITS = frozenset({4, 8})
"""Keypads send one key as a burst of this many bits; a key is never a card."""


class Pulse(NamedTuple):
    """One falling edge: line 0 or 1, kernel time in monotonic nanoseconds, the request's sequence number."""

    line: int
    at_ns: int
    seqno: int


@dataclass(frozen=True, slots=True)
class WiegandProfile:
    """Which formats a reader sends, one per length; with one length a card is out at its last bit.

    ``byte_reverse`` is for readers that send a UID34 last byte first.
    """

    formats: tuple[WiegandFormat, ...]
    byte_reverse: bool = False

    def __post_init__(self) -> None:
        """Refuse settings that leave open how a frame is read."""
        lengths = [LAYOUTS[fmt].length for fmt in self.formats]
        if not lengths or len(set(lengths)) != len(lengths):
            raise ValueError(
                f"reader needs one Wiegand format per length, got {', '.join(self.formats) or 'none'}; choose which"
            )


class WiegandFramer(Outcome):
    """Collects pulses into frames; holds one frame of at most the longest configured length."""

    def __init__(self, profile: WiegandProfile) -> None:
        """Wait for the first pulse, whatever its sequence number."""
        super().__init__()
        self._byte_reverse = profile.byte_reverse
        self._formats = {LAYOUTS[fmt].length: fmt for fmt in profile.formats}
        self._longest = max(self._formats)
        self._deliver_at_last_bit = len(self._formats) == 1
        self._pulses: list[Pulse] = []
        self._next_seqno: int | None = None
        self._latest_ns = 0
        self._interval_ns = 0.0
        self._closed: Read | None = None
        self._swallowing = False
        self.keys = 0

    def pulse(self, line: int, at_ns: int, seqno: int) -> None:
        """Take in one pulse; neighbours may come in the wrong order, as the two lines have their own interrupts."""
        self.tick(at_ns)
        if self._next_seqno is not None and seqno < self._next_seqno:
            if at_ns <= self._latest_ns:
                self.dropped += 1  # a straggler of a frame already judged
                return
            self._next_seqno = None  # later in time, lower in number: the kernel request was opened anew
        self._latest_ns = max(at_ns, self._latest_ns)
        if self._swallowing:
            self._swallow(seqno)
            return
        self._pulses.append(Pulse(line, at_ns, seqno))
        if self._deliver_at_last_bit and len(self._pulses) == self._longest:
            self._judge()
            self._swallowing = True
        elif len(self._pulses) > self._longest:
            self._refuse(f"more than {self._longest} bits without a pause; check the format set for this reader")
            self._swallowing = True

    def tick(self, now_ns: int) -> None:
        """End the frame if the line has been still (``now_ns`` monotonic), after all pulses at hand were taken in."""
        if (self._pulses or self._swallowing) and now_ns - self._latest_ns > self._gap_ns():
            self._end_frame()

    def reset(self) -> None:
        """Forget a half frame and the numbering, because the lines were closed."""
        if self._pulses:
            self._refuse(f"lines closed after {len(self._pulses)} bits; present the card again")
        self._end_frame()
        self._next_seqno = None
        self._latest_ns = 0

    def _end_frame(self) -> None:
        if self._pulses:
            self._judge()
        self._swallowing = False
        self._closed = None

    def _gap_ns(self) -> float:
        """Return the pause that ends the frame under way, measured by the pace of its pulses."""
        if len(self._pulses) > 1:
            times = sorted(pulse.at_ns for pulse in self._pulses)
            self._interval_ns = median(later - earlier for earlier, later in pairwise(times))
        elif self._pulses:
            self._interval_ns = 0.0
        return max(MIN_GAP_NS, GAP_IN_INTERVALS * self._interval_ns)

    def _swallow(self, seqno: int) -> None:
        """Take a pulse that follows a frame without a pause: the card just read was the head of something longer."""
        self.dropped += 1
        self._next_seqno = seqno + 1
        if self._closed is None:
            return
        if self._cards and self._cards[-1] is self._closed:
            self._cards.pop()
            self.frames_ok -= 1
        self._closed = None
        self._reject(f"further bits after {self._longest} without a pause; check the format set for this reader")

    def _judge(self) -> None:
        """Make a card of the pulses held, or say why they are none."""
        pulses = sorted(self._pulses, key=lambda pulse: pulse.seqno)
        intervals = [later.at_ns - earlier.at_ns for earlier, later in pairwise(pulses)]
        first = pulses[0].seqno if self._next_seqno is None else self._next_seqno
        if [pulse.seqno for pulse in pulses] != list(range(first, first + len(pulses))):
            lost = pulses[-1].seqno - first + 1 - len(pulses)
            self._refuse(f"{lost} pulses lost around {len(pulses)} received; present the card again")
        elif any(interval < MIN_INTERVAL_NS for interval in intervals):
            self._refuse("two pulses within 150 µs; check for crosstalk between D0 and D1")
        elif len(pulses) in self._formats:
            self._read("".join(str(pulse.line) for pulse in pulses))
        elif len(pulses) in KEY_BITS:
            self.keys += 1
            self._consume()
        else:
            wanted = " or ".join(str(length) for length in sorted(self._formats))
            self._refuse(f"{len(pulses)} bits where {wanted} are set; present the card again, then check the format")

    def _read(self, bits: str) -> None:
        try:
            credential = from_wiegand(bits, self._formats[len(bits)], byte_reverse=self._byte_reverse)
        except CredentialError as fault:
            self._refuse(str(fault))
            return
        self._consume()
        self._closed = Read(credential, bits)
        self._deliver(self._closed)

    def _refuse(self, problem: str) -> None:
        self._reject(problem, dropped=len(self._pulses))
        self._consume()

    def _consume(self) -> None:
        """Forget the pulses held; numbering goes on after the highest of them."""
        self._next_seqno = max(pulse.seqno for pulse in self._pulses) + 1
        self._pulses.clear()

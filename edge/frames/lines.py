"""Scanners and readers that send a line of text: QR and barcode scanners in CDC mode, serial card readers.

A line ends with CR, LF or ETX and may begin with STX; it has 512 bytes at most. Scanners set to no terminator end by
silence, which only counts when the text has the configured pattern (hardware.md §5).
"""

import re
from dataclasses import dataclass

from edge.frames import Read
from edge.frames.outcome import Outcome, Silence
from protocol.credential import TEXT_LIMIT, CardFormat, CredentialError, normalise

STX = 0x02
MAX_LINE_BYTES = TEXT_LIMIT
DEFAULT_IDLE_S = 0.05
STALE_AFTER_S = 1.0
"""A line that is to have a terminator and got none for this long is dropped."""

_TERMINATORS = frozenset(b"\r\n\x03")
_AIM_ID = re.compile(r"\][A-Za-z][0-9A-Za-z]")


@dataclass(frozen=True, slots=True)
class LineProfile:
    """How a line reader is set up.

    ``pattern`` is given for scanners without terminator: the whole text must match it, and ``idle_s`` seconds of
    silence end it. ``strip_aim`` cuts an AIM symbology id such as ``]Q1`` from the front.
    """

    fmt: CardFormat = CardFormat.TEXT
    prefix: str = ""
    strip_aim: bool = False
    pattern: re.Pattern[str] | None = None
    idle_s: float = DEFAULT_IDLE_S


class LineFramer(Outcome):
    """Reads lines out of a byte stream and turns each into a credential."""

    def __init__(self, profile: LineProfile) -> None:
        """Wait for the first byte of a line."""
        super().__init__()
        self._profile = profile
        self._line = bytearray()
        self._overlong = False
        self._silence = Silence()

    def receive(self, data: bytes) -> None:
        """Take in bytes as they came, cut anywhere."""
        if data:
            self._silence.broken()
        for byte in data:
            self._take(byte)

    def tick(self, now_mono: float) -> None:
        """End a line by silence (``now_mono`` in monotonic seconds): by pattern a card, otherwise dropped."""
        if not self._line and not self._overlong:
            return
        pattern = self._profile.pattern
        if self._silence.lasts(now_mono) < (STALE_AFTER_S if pattern is None else self._profile.idle_s):
            return
        if pattern is None or self._overlong:
            self._abandon("got no terminator; check the scanner's terminator setting")
        else:
            self._finish(ended_by=pattern)

    def reset(self) -> None:
        """Forget a half line, because the port was closed."""
        if self._line or self._overlong:
            self._abandon("was cut when the port closed; scan again")

    def _take(self, byte: int) -> None:
        if byte in _TERMINATORS:
            if self._overlong:
                self._overlong = False
            elif self._line:
                self._finish()
        elif byte == STX:
            if self._line:
                self._abandon("was cut by the start of another; scan again")
            self._overlong = False
        elif self._overlong:
            self.dropped += 1
        elif len(self._line) == MAX_LINE_BYTES:
            self._abandon("is too long; check the scanner's terminator setting", extra=1)
            self._overlong = True
        else:
            self._line.append(byte)

    def _finish(self, *, ended_by: re.Pattern[str] | None = None) -> None:
        try:
            text = self._line.decode("utf-8")
        except UnicodeDecodeError:
            self._abandon("is not UTF-8 text; check baud rate and the scanner's code page")
            return
        if self._profile.strip_aim and (aim := _AIM_ID.match(text)):
            text = text[aim.end() :]
        if ended_by and not ended_by.fullmatch(text):
            self._abandon("without terminator does not match the pattern set for this reader; scan again")
            return
        try:
            credential = normalise(text, self._profile.fmt, prefix=self._profile.prefix)
        except CredentialError as fault:
            self._abandon(f"is no credential: {fault}")
            return
        raw = self._line.decode("utf-8")
        self._line.clear()
        self._deliver(Read(credential, raw))

    def _abandon(self, problem: str, *, extra: int = 0) -> None:
        """Give up the line held, of which only the length is told: it may be a whole card number."""
        if self._line:
            self._reject(f"line of {len(self._line)} bytes {problem}", dropped=len(self._line) + extra)
        self._line.clear()
        self._overlong = False

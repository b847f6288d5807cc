"""The one form in which a card, a wristband or a code is known everywhere.

Import, reception and reader go through the functions here, so the same card is the same string on the edge, on the
wire and in central's tables (A-02, ruling 9, hardware.md §6, §11). Canonical is ``kind:value``; decimal is for people.
"""

import re
import unicodedata
from enum import StrEnum
from typing import NamedTuple, Self, assert_never

from protocol.wiegand import LAYOUTS, WiegandFormat, fields as wiegand_fields

__all__ = [
    "CardFormat",
    "Credential",
    "CredentialError",
    "Kind",
    "WiegandFormat",
    "from_em4100",
    "from_import",
    "from_wiegand",
    "normalise",
]

EM4100_BYTES = 5
"""One version byte and four number bytes (EM4100/4102)."""
EM40_LIMIT = 1 << 40
UID7_LIMIT = 1 << 56
UID10_LIMIT = 1 << 80
TEXT_LIMIT = 512
"""Longest payload kept, as for scanner lines (hardware.md §5)."""

_DECIMAL = re.compile(r"[0-9]{1,25}")
_HEX = re.compile(r"[0-9A-Fa-f]{1,40}")
_HEX10 = re.compile(r"[0-9A-F]{10}")
_HEX_UID = re.compile(r"[0-9A-F]{14}|[0-9A-F]{20}")
_HEX8 = re.compile(r"[0-9A-F]{8}")
_FACILITY_CARD = re.compile(r"([0-9]{1,5})-([0-9]{1,6})")
_CARD_ONLY = re.compile(r"[0-9]{1,11}")
_SHOWN_WHEN_MASKED = 4


class CredentialError(ValueError):
    """What was read or typed is no credential; the text says why and what to do."""


class Kind(StrEnum):
    """What sort of carrier the value comes from. Values leave the process and never change meaning."""

    EM40 = "em40"
    UID = "uid"
    W26 = "w26"
    W34 = "w34"
    W37 = "w37"
    CARD = "card"
    QR = "qr"


class CardFormat(StrEnum):
    """How a reader writes the number of a card; a setting of the reader."""

    DECIMAL = "DECIMAL"
    HEX_MSB = "HEX_MSB"
    HEX_LSB = "HEX_LSB"
    TEXT = "TEXT"


class Credential(NamedTuple):
    """A credential in canonical form. Build it with the functions of this module, not by hand.

    ``CARD`` is a card number with letters in it, as printed; it only comes from an import.
    """

    kind: Kind
    value: str

    @property
    def canonical(self) -> str:
        """Return ``kind:value``, the key used for look-up, storage and the wire."""
        return f"{self.kind.value}:{self.value}"

    @property
    def number(self) -> str:
        """Return what staff read on the screen: decimal without leading zeros where the value is one number."""
        match self.kind:
            case Kind.EM40 | Kind.UID:
                return str(int(self.value, 16))
            case Kind.W34 if _HEX8.fullmatch(self.value):
                return str(int(self.value, 16))
            case Kind.W26 | Kind.W34 | Kind.W37 | Kind.CARD | Kind.QR:
                return self.value
            case _:
                assert_never(self.kind)

    @property
    def masked(self) -> str:
        """Return the form for logs: at most the last four characters, and never more than half of the value."""
        shown = min(_SHOWN_WHEN_MASKED, len(self.value) // 2)
        return f"{self.kind.value}:…{self.value[len(self.value) - shown :]}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the canonical form back; hex may be in lower case.

        Raises CredentialError for an unknown kind or a value that is not canonical for its kind.
        """
        head, _, value = text.partition(":")
        try:
            kind = Kind(head)
        except ValueError as fault:
            raise CredentialError(
                f"credential lacks a known kind; write it as kind:value with one of {', '.join(Kind)}"
            ) from fault
        return cls(kind, _canonical_value(kind, value))


def normalise(raw: str, fmt: CardFormat, *, prefix: str = "") -> Credential:
    """Turn what a reader or a person wrote into the canonical credential (A-02).

    ``prefix`` is the site's; it is cut once from the front of a numeric ``raw`` before the digits are read.
    TEXT is kept verbatim. Raises CredentialError when nothing is left or a character does not belong.
    """
    if fmt is CardFormat.TEXT:
        return Credential(Kind.QR, _plain_text(raw))
    digits = raw.strip().removeprefix(prefix)
    match fmt:
        case CardFormat.DECIMAL:
            return _from_number(int(_matching(_DECIMAL, digits, "decimal digits")))
        case CardFormat.HEX_MSB:
            return _from_number(int(_matching(_HEX, digits, "hex digits"), 16))
        case CardFormat.HEX_LSB:
            return _from_number(_least_byte_first(_matching(_HEX, digits, "hex digits")))
        case _:
            assert_never(fmt)


def from_import(text: str, *, prefix: str = "") -> Credential:
    """Read a card column or an API value: canonical form, or plain decimal as printed on the card.

    A decimal of up to ten digits has version byte 00 (ruling 9). Raises CredentialError for anything else.
    """
    value = text.strip()
    if ":" in value:
        return Credential.parse(value)
    return normalise(value, CardFormat.DECIMAL, prefix=prefix)


def from_em4100(data: bytes) -> Credential:
    """Return the credential of an EM4100 tag from its five bytes, version byte first."""
    if len(data) != EM4100_BYTES:
        raise CredentialError(
            f"an EM4100 tag has {EM4100_BYTES} bytes, got {len(data)}; check the reader type in the settings"
        )
    return Credential(Kind.EM40, data.hex().upper())


def from_wiegand(bits: str, fmt: WiegandFormat, *, byte_reverse: bool = False) -> Credential:
    """Return the credential of a Wiegand frame given as "0" and "1" with its parity bits.

    ``byte_reverse`` is for UID34 readers that send the UID last byte first (hardware.md §6).
    Raises CredentialError on a wrong length or parity.
    """
    try:
        facility, card = wiegand_fields(bits, fmt)
    except ValueError as fault:
        raise CredentialError(str(fault)) from fault
    kind = _WIEGAND_KIND[fmt]
    if fmt is WiegandFormat.UID34:
        return Credential(kind, card.to_bytes(4, "little" if byte_reverse else "big").hex().upper())
    return Credential(kind, str(card) if facility is None else f"{facility}-{card}")


_WIEGAND_KIND = {
    WiegandFormat.H10301: Kind.W26,
    WiegandFormat.H10306: Kind.W34,
    WiegandFormat.UID34: Kind.W34,
    WiegandFormat.H10302: Kind.W37,
    WiegandFormat.H10304: Kind.W37,
}


def _from_number(number: int) -> Credential:
    """Give a card number its kind by size: five bytes are an EM4100 tag, up to seven or ten a UID."""
    if number < EM40_LIMIT:
        return Credential(Kind.EM40, f"{number:010X}")
    if number < UID7_LIMIT:
        return Credential(Kind.UID, f"{number:014X}")
    if number < UID10_LIMIT:
        return Credential(Kind.UID, f"{number:020X}")
    raise CredentialError("card number is longer than ten bytes; check the card format set for this reader")


def _least_byte_first(digits: str) -> int:
    """Read hex whose first byte is the least; a dropped leading zero of that byte is put back."""
    return int.from_bytes(bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2)), "little")


def _matching(pattern: re.Pattern[str], text: str, wanted: str) -> str:
    if pattern.fullmatch(text):
        return text
    found = "nothing" if not text else f"{len(text)} characters that are not"
    raise CredentialError(
        f"card number needs {wanted}, got {found}; check the card format and prefix of the reader or import"
    )


def _plain_text(text: str) -> str:
    """Return ``text`` unchanged if it can be stored and shown: no control characters, no lone surrogates."""
    if not text.strip() or len(text) > TEXT_LIMIT:
        raise CredentialError(
            f"code has {len(text)} characters, needs 1 to {TEXT_LIMIT} that are not all blank; scan it again"
        )
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in text):
        raise CredentialError("code holds control characters; check the scanner's terminator and prefix settings")
    return text


def _canonical_value(kind: Kind, value: str) -> str:
    match kind:
        case Kind.QR | Kind.CARD:
            return _plain_text(value)
        case Kind.EM40:
            return _matching(_HEX10, value.upper(), "ten hex digits")
        case Kind.UID:
            digits = _matching(_HEX_UID, value.upper(), "14 or 20 hex digits")
            return _same(_from_number(int(digits, 16)), Credential(kind, digits))
        case Kind.W26 | Kind.W34 | Kind.W37:
            return _wiegand_value(kind, value)
        case _:
            assert_never(kind)


def _wiegand_value(kind: Kind, value: str) -> str:
    if kind is Kind.W26:
        return _facility_card(value, WiegandFormat.H10301)
    if kind is Kind.W34:
        digits = value.upper()
        return digits if _HEX8.fullmatch(digits) else _facility_card(value, WiegandFormat.H10306)
    if "-" in value:
        return _facility_card(value, WiegandFormat.H10304)
    card = int(_matching(_CARD_ONLY, value, "decimal digits"))
    return str(_within(card, LAYOUTS[WiegandFormat.H10302].card.width))


def _same(proper: Credential, given: Credential) -> str:
    """Refuse a second spelling of a card: one card has one canonical form."""
    if proper != given:
        raise CredentialError(
            f"this number is written as {proper.kind.value} with {len(proper.value)} digits; drop the leading zeros"
        )
    return given.value


def _facility_card(value: str, fmt: WiegandFormat) -> str:
    parts = _FACILITY_CARD.fullmatch(value)
    layout = LAYOUTS[fmt]
    if not parts or layout.facility is None:
        raise CredentialError(f"{fmt} needs facility-card in decimal, such as 99-59822")
    facility = _within(int(parts[1]), layout.facility.width)
    return f"{facility}-{_within(int(parts[2]), layout.card.width)}"


def _within(number: int, width: int) -> int:
    if number >= 1 << width:
        raise CredentialError(f"number does not fit in {width} bits; check the Wiegand format of the card")
    return number

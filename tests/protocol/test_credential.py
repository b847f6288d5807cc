"""One card is one string, whoever read it and however it was written (A-02, ruling 9)."""

import pytest
from hypothesis import given, strategies as st

from protocol.credential import (
    CardFormat,
    Credential,
    CredentialError,
    Kind,
    WiegandFormat,
    from_em4100,
    from_import,
    from_wiegand,
    normalise,
)
from tests.vectors import readers


@pytest.mark.req("A-02")
def test_three_spellings_of_one_card_are_one_credential_and_the_site_prefix_is_cut() -> None:
    decimal = normalise("1173673668653440", CardFormat.DECIMAL)
    most_first = normalise("042b73321a3180", CardFormat.HEX_MSB)
    least_first = normalise("80311a32732b04", CardFormat.HEX_LSB)
    assert decimal == most_first == least_first
    assert decimal.canonical == "uid:042B73321A3180"
    assert normalise("664910000342", CardFormat.DECIMAL, prefix="6649").number == "10000342"


@pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in readers.own("numbers")])
def test_number_as_written_becomes_the_canonical_credential(row: readers.Row) -> None:
    credential = normalise(row["raw"], CardFormat(row["format"]), prefix=row["prefix"])
    assert credential.canonical == row["credential"]


@pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in readers.own("wiegand")])
def test_wiegand_bits_become_a_credential_or_are_refused(row: readers.Row) -> None:
    assert wiegand_or_none(row["bits"], row["format"]) == row["credential"]


@pytest.mark.skipif(not readers.shared("wiegand"), reason=readers.WHY_SKIPPED)
def test_wiegand_vectors_of_the_reference_documents_hold() -> None:
    rows = readers.shared("wiegand")
    read = {row["id"]: wiegand_or_none(row["bits"], row["format"]) for row in rows}
    assert read == {row["id"]: expected_wiegand(row) for row in rows}


def wiegand_or_none(bits: str, fmt: str) -> str | None:
    try:
        return from_wiegand(bits, WiegandFormat(fmt)).canonical
    except CredentialError:
        return None


def expected_wiegand(row: readers.Row) -> str | None:
    if not row["valid"]:
        return None
    expect = row["expect"]
    number = "-".join(str(expect[part]) for part in ("fc", "cn") if part in expect)
    return f"w{row['bit_length']}:{number}"


@pytest.mark.parametrize(
    ("number", "canonical"),
    [
        pytest.param("0", "em40:0000000000", id="zero"),
        pytest.param("4208192051", "em40:00FAD3EA33", id="ten digits are version byte 00"),
        pytest.param("4294967295", "em40:00FFFFFFFF", id="the last number of 32 bits"),
        pytest.param("4294967296", "em40:0100000000", id="one more sets the version byte"),
        pytest.param(str(2**40 - 1), "em40:FFFFFFFFFF", id="the last EM number"),
        pytest.param(str(2**40), "uid:00010000000000", id="one more is a UID"),
        pytest.param(str(2**56 - 1), "uid:FFFFFFFFFFFFFF", id="the last seven-byte UID"),
        pytest.param(str(2**56), "uid:00000100000000000000", id="one more has ten bytes"),
        pytest.param(str(2**80 - 1), "uid:FFFFFFFFFFFFFFFFFFFF", id="the last ten-byte UID"),
    ],
)
def test_size_of_the_number_decides_its_kind(number: str, canonical: str) -> None:
    assert from_import(number).canonical == canonical


def test_leading_zeros_make_no_other_card() -> None:
    assert from_import("0006547886") == from_import("6547886") == from_import("00000000000006547886")
    assert normalise("0063E9AE", CardFormat.HEX_MSB) == from_import("6547886")
    assert from_import("0006547886").number == "6547886"


def test_prefix_is_cut_once_from_the_front_only() -> None:
    assert normalise("66496649", CardFormat.DECIMAL, prefix="6649").number == "6649"
    assert normalise("1006649", CardFormat.DECIMAL, prefix="6649").number == "1006649"


def test_import_and_reader_agree_on_an_em_tag() -> None:
    assert from_em4100(bytes.fromhex("00FAD3EA33")) == from_import("4208192051") == from_import("em40:00fad3ea33")


def test_code_is_kept_verbatim() -> None:
    assert normalise("006649-Åäß ", CardFormat.TEXT, prefix="6649") == Credential(Kind.QR, "006649-Åäß ")


def test_uid_reader_that_sends_the_last_byte_first_is_turned_round() -> None:
    bits = "1" + f"{0x7186A61E:032b}" + "1"
    assert from_wiegand(bits, WiegandFormat.UID34, byte_reverse=True).canonical == "w34:1EA68671"


@pytest.mark.parametrize(
    ("raw", "fmt", "told"),
    [
        pytest.param("", CardFormat.DECIMAL, "got nothing", id="empty"),
        pytest.param("   ", CardFormat.DECIMAL, "got nothing", id="blank"),
        pytest.param("6649", CardFormat.DECIMAL, "got nothing", id="prefix and no more"),
        pytest.param("12a4", CardFormat.DECIMAL, "decimal digits", id="letter in a decimal"),
        pytest.param("-5", CardFormat.DECIMAL, "decimal digits", id="negative"),
        pytest.param("1_000", CardFormat.DECIMAL, "decimal digits", id="underscore that int() would take"),
        pytest.param("١٢٣", CardFormat.DECIMAL, "decimal digits", id="digits that are not ASCII"),
        pytest.param(str(2**80), CardFormat.DECIMAL, "ten bytes", id="one more than ten bytes hold"),
        pytest.param("0x1F", CardFormat.HEX_MSB, "hex digits", id="hex with 0x"),
        pytest.param("xyz", CardFormat.HEX_LSB, "hex digits", id="no hex"),
        pytest.param("", CardFormat.TEXT, "0 characters", id="empty code"),
        pytest.param("a" * 513, CardFormat.TEXT, "513 characters", id="code longer than 512"),
        pytest.param("a\x00b", CardFormat.TEXT, "control", id="NUL, which no database takes"),
    ],
)
def test_what_is_no_credential_is_refused_with_the_reason(raw: str, fmt: CardFormat, told: str) -> None:
    with pytest.raises(CredentialError, match=told):
        normalise(raw, fmt, prefix="6649")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("em40:00fad3ea33", "em40:00FAD3EA33"),
        ("uid:042B73321A3180", "uid:042B73321A3180"),
        ("w26:99-59822", "w26:99-59822"),
        ("w26:099-00822", "w26:99-822"),
        ("w34:1ea68671", "w34:1EA68671"),
        ("w34:65535-65535", "w34:65535-65535"),
        ("w37:34359738367", "w37:34359738367"),
        ("w37:4660-123456", "w37:4660-123456"),
        ("card:AB-77", "card:AB-77"),
        ("qr:a:b", "qr:a:b"),
    ],
)
def test_canonical_form_is_read_back(text: str, canonical: str) -> None:
    assert Credential.parse(text).canonical == canonical
    assert from_import(f" {text} ").canonical == canonical


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("00FAD3EA33", id="no kind"),
        pytest.param("fob:12", id="a kind nobody knows"),
        pytest.param("EM40:00FAD3EA33", id="kind in capitals"),
        pytest.param("em40:FAD3F233", id="EM number too short"),
        pytest.param("uid:1EA68671", id="four-byte UID, which is em40"),
        pytest.param("uid:00001EA6867100", id="seven-byte UID that is an EM number"),
        pytest.param("uid:000000042B73321A3180", id="ten-byte spelling of a seven-byte UID"),
        pytest.param("w26:256-1", id="facility over eight bits"),
        pytest.param("w26:1-65536", id="card over 16 bits"),
        pytest.param("w26:77", id="no facility"),
        pytest.param("w34:65536-1", id="facility over 16 bits"),
        pytest.param("w37:34359738368", id="card over 35 bits"),
        pytest.param("w37:1-524288", id="card over 19 bits"),
        pytest.param("qr:", id="empty code"),
    ],
)
def test_second_spellings_and_strangers_are_refused(text: str) -> None:
    with pytest.raises(CredentialError):
        Credential.parse(text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("em40:00FAD3EA33", "em40:…EA33"),
        ("w26:1-39", "w26:…39"),
        ("w37:7", "w37:…"),
        ("qr:verylongcode", "qr:…code"),
    ],
)
def test_mask_shows_four_characters_and_never_more_than_half(text: str, masked: str) -> None:
    assert Credential.parse(text).masked == masked


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("em40:010063E9AE", "4301515182"),
        ("uid:042B73321A3180", "1173673668653440"),
        ("w26:99-59822", "99-59822"),
        ("w34:499602D2", "1234567890"),
        ("w37:1234567890", "1234567890"),
        ("qr:0042", "0042"),
    ],
)
def test_number_for_staff(text: str, number: str) -> None:
    assert Credential.parse(text).number == number


@given(number=st.integers(0, 2**80 - 1))
def test_every_number_is_the_same_card_in_every_format_and_back(number: int) -> None:
    credential = from_import(str(number))
    length = (number.bit_length() + 7) // 8 or 1
    assert normalise(f"{number:x}", CardFormat.HEX_MSB) == credential
    assert normalise(number.to_bytes(length, "little").hex(), CardFormat.HEX_LSB) == credential
    assert Credential.parse(credential.canonical) == credential
    assert from_import(credential.number) == credential


@given(first=st.integers(0, 2**80 - 1), second=st.integers(0, 2**80 - 1))
def test_two_numbers_never_share_a_canonical_form(first: int, second: int) -> None:
    same = from_import(str(first)).canonical == from_import(str(second)).canonical
    assert same == (first == second)

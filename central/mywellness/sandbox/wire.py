"""The shapes on the wire: envelope, errors, dates, and bodies made fit to be shown (contract §1.1, §1.2)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

VERSION = "10.0.276.0"
HTML_404 = (
    "<!DOCTYPE html><html><head><title>The resource cannot be found.</title></head>"
    "<body><h1>Server Error in '/' Application.</h1><h2><i>The resource cannot be found.</i></h2></body></html>"
)
HTML_200 = "<!DOCTYPE html><html><head><title>Mywellness</title></head><body><h1>We'll be right back</h1></body></html>"

MANDATORY = {"en": "Mandatory data", "sv": "Obligatorisk uppgift", "it": "Dato obbligatorio"}
SECRET = frozenset({"token", "password", "apikey", "permanenttoken"})
_DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d")


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of `errors[]`. The code stands in `field` or in `details`; the text is for display only."""

    field: str
    type: str
    details: str = ""
    text: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the five keys."""
        return {
            "field": self.field,
            "type": self.type,
            "details": self.details,
            "errorMessage": self.text,
            "message": self.text,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a JSON body, an HTML page, or nothing but a status."""

    status: int = 200
    body: dict[str, Any] | None = None
    html: str | None = None
    headers: dict[str, str] | None = None

    @property
    def succeeded(self) -> bool:
        """Tell whether this is an answer without errors."""
        return self.body is not None and "errors" not in self.body


def pascal(name: str) -> str:
    """Return a field's name as errors spell it: `externalId` -> `ExternalId`."""
    return name[:1].upper() + name[1:]


def required(names: Iterable[str], culture: str = "en") -> tuple[Problem, ...]:
    """Return one "Mandatory data" per missing field; the text follows `?_c=` (§1.1)."""
    text = MANDATORY.get(culture[:2].lower(), MANDATORY["en"])
    return tuple(Problem(pascal(name), "Required", text=text) for name in names)


def invalid(name: str, text: str) -> Problem:
    """Return the refusal of a value. No source shows this `type`; the word is ours."""
    return Problem(pascal(name), "Invalid", text=text)


def security(field: str, details: str, text: str) -> Problem:
    """Return a refusal of the caller (§1.2)."""
    return Problem(field, "Security", details, text)


TOKEN_NOT_VALID = security("Token", "TokenNotValid", "The token is not valid")


def failure(*problems: Problem, status: int = 200) -> Answer:
    """Return `errors[]`; most failures come with status 200 (§1.1)."""
    return Answer(status, {"errors": [problem.as_json() for problem in problems]})


def success(data: dict[str, Any], token: str, expire_in: int, now: datetime) -> Answer:
    """Return the envelope with the session's newest token (§1.2)."""
    body = {"data": data, "token": token, "version": VERSION, "expireIn": expire_in}
    return Answer(200, body | {"currentUtcTimestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ")})


def read_day(text: object) -> str | None:
    """Return a `yyyy-MM-dd` day, or None if it is none. Unpadded figures are tolerated (§1.1)."""
    found = _DAY.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    try:
        return date(*map(int, found.groups())).isoformat()
    except ValueError:
        return None


def read_moment(text: object) -> datetime | None:
    """Return the moment of `yyyy-MM-dd HH:mm:ss +02:00`, or None: ISO 8601's `T` is not understood (§1.1)."""
    if not isinstance(text, str) or not _MOMENT.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S %z")
    except ValueError:
        return None


def write_moment(moment: datetime) -> str:
    """Return a moment in Mywellness' format."""
    offset = moment.strftime("%z")
    return f"{moment:%Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:5]}"


def masked(value: Any, name: str = "") -> Any:
    """Return JSON with tokens, keys and passwords cut to their last four characters."""
    match value:
        case dict():
            return {key: masked(inner, key) for key, inner in value.items()}
        case list():
            return [masked(inner) for inner in value]
        case str() if name.lower() in SECRET:
            return "…" + (value[-4:] if len(value) > 8 else "")  # noqa: PLR2004 - short ones vanish whole
        case _:
            return value


def masked_mail(mail: str) -> str:
    """Return `j***@example.com` (§1.4)."""
    name, _, host = mail.partition("@")
    return f"{name[:1]}***@{host}"

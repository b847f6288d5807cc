"""Types that stand in wishes and answers of several features."""

import re
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from protocol.identity import ID_PATTERN
from protocol.policy import DAY_SECONDS

_TIME: Final = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")

Id = Annotated[str, Field(pattern=ID_PATTERN, description="letters, digits, «_», «.» and «-», 64 at most")]
Name = Annotated[str, Field(min_length=1, max_length=200)]


def seconds(text: Any) -> Any:
    """Return "HH:MM" as seconds since local midnight; "24:00" is the end of the day. Raises `ValueError`."""
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None or (total := int(match[1]) * 3600 + int(match[2]) * 60) > DAY_SECONDS:
        raise ValueError("write the time of day as HH:MM, from 00:00 to 24:00")
    return total


def clock_text(total: int) -> str:
    """Return seconds since local midnight as "HH:MM"."""
    return f"{total // 3600:02}:{total % 3600 // 60:02}"


TimeOfDay = Annotated[
    int,
    BeforeValidator(seconds),
    PlainSerializer(clock_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$", "examples": ["06:00"]}),
]
"""A time of day: seconds since local midnight inside, "HH:MM" outside."""


def _zone(key: str) -> str:
    try:
        ZoneInfo(key)
    except (ZoneInfoNotFoundError, ValueError, OSError) as problem:
        raise ValueError("give a time zone by its IANA name, such as Europe/Stockholm") from problem
    return key


Zone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_zone)]
"""The IANA name of a time zone."""

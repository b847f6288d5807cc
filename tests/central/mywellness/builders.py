"""Evelina of requirements §0.2, complete and consenting; a test names only what differs."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

from central.mywellness.rules import Gender, Person

STOCKHOLM = ZoneInfo("Europe/Stockholm")

EVELINA = Person(
    id="M1001-uuid",
    first_name="Evelina",
    last_name="Lind",
    birth_date=date(1990, 5, 15),
    gender=Gender.FEMALE,
    email="evelina@example.com",
)


def person(**differs: object) -> Person:
    """Return Evelina with some fields replaced."""
    return replace(EVELINA, **differs)  # type: ignore[arg-type]

"""Reads a member file: CSV in, checked rows and named problems out. Knows nothing of what is stored."""

import csv
import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple, TextIO

from central.people.model import Gender
from protocol.credential import Credential, CredentialError, from_import

GENDERS: Final = {"": None, "F": Gender.FEMALE, "M": Gender.MALE, "O": Gender.OTHER}
_YES_NO: Final = {"1": True, "0": False}


class Trouble(NamedTuple):
    """What is wrong with a row: where, what, and what to do. `line` counts from 1, the heading's."""

    line: int
    field: str
    problem: str
    do: str


class FileProblem(ValueError):  # noqa: N818 - it is the file's, not ours
    """The file as a whole cannot be imported; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One member of the file, checked. A date that is not given is `None`."""

    line: int
    number: str
    card: Credential | None
    first_name: str
    last_name: str
    birth_date: date | None
    gender: Gender | None
    email: str | None
    start: date | None
    bound_through: date | None
    charged_through: date | None
    auto_renew: bool
    frozen_from: date | None
    frozen_to: date | None
    allow_sync: bool
    allow_activity_sync: bool


def _text(value: str) -> str:
    if len(value) > 200:  # noqa: PLR2004 - what the columns hold
        raise ValueError("longer than 200 characters; shorten it")
    return value


def _required(value: str) -> str:
    if not value:
        raise ValueError("empty; give the customer number")
    if len(value) > 64:  # noqa: PLR2004 - what the column holds
        raise ValueError("longer than 64 characters; shorten it")
    return value


def _day(value: str) -> date | None:
    if not value:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError as problem:
        raise ValueError(f"{value!r} is no day; write it as 2026-03-10") from problem


def _one_of(choices: Mapping[str, Any]) -> Callable[[str], Any]:
    def read(value: str) -> Any:
        if value not in choices:
            known = ", ".join(each or "nothing" for each in choices)
            raise ValueError(f"{value!r} is not known; write one of: {known}")
        return choices[value]

    return read


def _email(value: str) -> str | None:
    if value and ("@" not in value.strip("@") or any(char.isspace() for char in value)):
        raise ValueError(f"{value!r} is no e-mail address; correct it or leave it empty")
    return _text(value) or None


def _card(value: str) -> Credential | None:
    return from_import(value) if value else None


COLUMNS: Final[Mapping[str, Callable[[str], Any]]] = {
    "number": _required,
    "card": _card,
    "first_name": _text,
    "last_name": _text,
    "birth_date": _day,
    "gender": _one_of(GENDERS),
    "email": _email,
    "start": _day,
    "bound_through": _day,
    "charged_through": _day,
    "auto_renew": _one_of(_YES_NO),
    "frozen_from": _day,
    "frozen_to": _day,
    "allow_sync": _one_of(_YES_NO),
    "allow_activity_sync": _one_of(_YES_NO),
}
"""The columns of a member file and how each is read. All must be there, in any order."""


def read_rows(file: TextIO) -> tuple[list[Row], list[Trouble]]:
    """Return the good rows and what is wrong with the others; raises `FileProblem` when the heading does not fit."""
    reader = csv.DictReader(file, strict=True)
    rows: list[Row] = []
    troubles: list[Trouble] = []
    try:
        _check_heading(reader.fieldnames or ())
        first_line: dict[str, int] = {}
        for values in reader:
            row = _read(reader.line_num, values, troubles)
            if row is None:
                continue
            if row.number in first_line:
                problem = f"customer number {row.number} stands in line {first_line[row.number]} already"
                troubles.append(Trouble(row.line, "number", problem, "keep one of the two lines"))
            else:
                first_line[row.number] = row.line
                rows.append(row)
    except (csv.Error, UnicodeDecodeError) as problem:
        raise FileProblem(
            f"line {reader.line_num + 1} is no CSV in UTF-8 ({problem}); save the file again"
        ) from problem
    return rows, troubles


def _check_heading(heading: Iterable[str]) -> None:
    heading = list(heading)
    missing = [name for name in COLUMNS if name not in heading]
    unknown = [name for name in heading if name not in COLUMNS]
    double = sorted({name for name in heading if heading.count(name) > 1})
    parts = [f"column {name} is missing; add it" for name in missing]
    for name in unknown:
        close = difflib.get_close_matches(name, missing, 1)
        parts.append(f"column {name!r} is unknown; " + (f"did you mean {close[0]}?" if close else "remove it"))
    parts += [f"column {name} is there twice; remove one" for name in double]
    if parts:
        raise FileProblem("line 1: " + "; ".join(parts))


def _read(line: int, values: Mapping[str | None, Any], troubles: list[Trouble]) -> Row | None:
    if None in values or None in values.values():
        troubles.append(Trouble(line, "", "has more or fewer fields than the heading", "add or remove commas"))
        return None
    before = len(troubles)
    read: dict[str, Any] = {}
    for name, parse in COLUMNS.items():
        try:
            read[name] = parse(values[name].strip())
        except (ValueError, CredentialError) as problem:
            what, _, do = str(problem).rpartition("; ")
            troubles.append(Trouble(line, name, what or str(problem), do if what else "correct it"))
    if len(troubles) > before:
        return None
    row = Row(line=line, **read)
    troubles += _contradictions(row)
    return row if len(troubles) == before else None


def _contradictions(row: Row) -> list[Trouble]:
    found: list[Trouble] = []
    for name in ("bound_through", "charged_through", "frozen_from", "frozen_to"):
        if getattr(row, name) is not None and row.start is None:
            found.append(
                Trouble(row.line, "start", f"empty, but {name} is given", "give the start or empty the others")
            )
            break
    for name in ("bound_through", "charged_through"):
        day = getattr(row, name)
        if day is not None and row.start is not None and day < row.start:
            found.append(Trouble(row.line, name, f"{day} lies before the start {row.start}", "correct one of the two"))
    if row.frozen_to is not None and row.frozen_from is None:
        found.append(
            Trouble(row.line, "frozen_from", "empty, but frozen_to is given", "give the first day of the freeze")
        )
    if row.frozen_to is not None and row.frozen_from is not None and row.frozen_to < row.frozen_from:
        found.append(Trouble(row.line, "frozen_to", f"{row.frozen_to} lies before frozen_from", "swap the two days"))
    return found

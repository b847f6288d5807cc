"""What an answer of Mywellness means (contract §1.1, §1.2): pure, from status and text to an outcome.

The status says little: most failures arrive with 200, some successes carry nothing but the absence of `errors`, and a
page for people can stand where JSON should. Outcomes are grouped by what the forwarder can do next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of several people a create could have meant; the e-mail is masked by Mywellness (D-16)."""

    user_id: str
    facility_user_id: str
    email: str


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """Mywellness took it."""

    data: T


@dataclass(frozen=True, slots=True)
class Refused:
    """Mywellness will not take it as it is; the same call is never sent again by itself.

    `code` is Mywellness' own word, `message` its text for people (localised: show it, never branch on it).
    """

    code: str
    field: str
    message: str
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class TryLater:
    """It certainly had no effect, and this call alone is concerned; try again later, counting the attempt."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It was sent and the answer is lost: it may have had its effect. A visit is not repeated by itself (D-49)."""

    reason: str


@dataclass(frozen=True, slots=True)
class FacilityDown:
    """No call of the facility gets through; pause all of them and count no attempt (ruling 22).

    `needs_staff`: waiting alone will not help, a password, a key or a setting is wrong.
    """

    reason: str
    retry_after: timedelta | None = None
    needs_staff: bool = False


Failure: TypeAlias = Refused | TryLater | Unknown | FacilityDown
Outcome: TypeAlias = Done[T] | Failure


@dataclass(frozen=True, slots=True)
class SessionRefused:
    """The session is over, or never was good; nothing was done. Only the client sees this."""

    reason: str


Data: TypeAlias = Mapping[str, Any]


class Answer(NamedTuple):
    """An outcome and the token that came with it, if any; without one the old token stays in use."""

    outcome: Done[Data] | Failure | SessionRefused
    token: str | None = None
    expire_in: timedelta | None = None


UNKNOWN_ACTION = "UNKNOWN_ACTION"
"""Our code for the page Mywellness shows where it has no such action."""

_FACILITY_WIDE: Mapping[int, str] = {
    HTTPStatus.FORBIDDEN: "too many calls, or no access",
    HTTPStatus.TOO_MANY_REQUESTS: "too many calls",
    HTTPStatus.BAD_GATEWAY: "out of order",
    HTTPStatus.SERVICE_UNAVAILABLE: "out of order",
}
_DAY_S = 86_400
_ABSENT = ("notfound", "notexist")


def read_answer(status: int, text: str, *, retry_after: str | None = None) -> Answer:
    """Return what an HTTP answer means.

    A 500 concerns its call, 502 and 503 the whole facility; behind a 504 somebody may still have done the work.
    """
    wait = _seconds(int(retry_after[:9])) if retry_after and retry_after.isdecimal() else None
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return Answer(SessionRefused("Mywellness answered 401"))
        case _ if status in _FACILITY_WIDE:
            return Answer(FacilityDown(f"Mywellness answered {status} ({_FACILITY_WIDE[status]})", wait))
        case HTTPStatus.GATEWAY_TIMEOUT:
            return Answer(Unknown("Mywellness answered 504: its gateway gave up waiting"))
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Answer(TryLater(f"Mywellness answered {status}"))
        case _ if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            return Answer(FacilityDown(f"Mywellness answered {status}: moved; check the base URL", needs_staff=True))
        case _:
            return _read_body(status, text)


def _read_body(status: int, text: str) -> Answer:
    try:
        body = json.loads(text)
    except ValueError:
        return Answer(_read_page(status, text))
    errors = body if isinstance(body, list) else body.get("errors") if isinstance(body, dict) else None
    token = _text(body, "token") or None
    if errors:
        return Answer(_read_errors(errors), token)
    if status >= HTTPStatus.BAD_REQUEST:
        return Answer(Refused(f"HTTP_{status}", "", "Mywellness refused without a reason"), token)
    if not isinstance(body, dict):
        return Answer(Unknown(f"Mywellness answered {status} with JSON that is no object"))
    return Answer(Done(_as_object(body.get("data"))), token, _seconds(body.get("expireIn")))


def _as_object(data: object) -> Data:
    """Return `data` as an object: some actions answer a bare value, some nothing."""
    if isinstance(data, dict):
        return data
    return {} if data is None else {"result": data}


def _read_page(status: int, text: str) -> Failure:
    if status == HTTPStatus.NOT_FOUND:
        return Refused(UNKNOWN_ACTION, "", "Mywellness knows no such action; check base URL, facility and action names")
    if status >= HTTPStatus.BAD_REQUEST:
        return Refused(f"HTTP_{status}", "", "Mywellness refused without a reason")
    if text.lstrip().startswith("<"):
        return FacilityDown("Mywellness answered with a page for people instead of data: maintenance")
    return Unknown(f"Mywellness answered {status} with a body that cannot be read")


def _read_errors(errors: object) -> Refused | FacilityDown | SessionRefused:
    problems = errors if isinstance(errors, list) else [errors]
    first = problems[0]
    words = {_text(problem, key) for problem in problems for key in ("field", "type", "details")}
    if "TokenNotValid" in words:
        return SessionRefused("Mywellness answered TokenNotValid")
    code = _code(first)
    message = _text(first, "errorMessage") or _text(first, "message")
    if "Security" in words or "ClientApplicationNotTrusted" in words:
        return FacilityDown(f"Mywellness does not let us in ({code}); check key, user and facility", needs_staff=True)
    fields = [name for problem in problems if (name := _text(problem, "field"))]
    return Refused(code, ", ".join(dict.fromkeys(fields)), message)


def _code(problem: object) -> str:
    """Return the word to branch on: `details` where it is a single word, else `type`, else `field`."""
    details = _text(problem, "details")
    return (details if details.isalnum() else "") or _text(problem, "type") or _text(problem, "field") or "errors"


def _seconds(value: object) -> timedelta | None:
    """Return a positive number of seconds as a duration of at most a day."""
    return timedelta(seconds=min(value, _DAY_S)) if isinstance(value, int) and value > 0 else None


def _text(source: object, key: str) -> str:
    value = source.get(key) if isinstance(source, dict) else None
    return value if isinstance(value, str) else ""


def is_not_found(outcome: Done[Data] | Failure) -> bool:
    """Say whether a look-up or a delete met nobody, in any of the three shapes that takes (contract §1.2)."""
    match outcome:
        case Done(data):
            return not data or bool(data.get("notFound"))
        case Refused(code):
            return any(word in code.lower() for word in _ABSENT)
        case _:
            return False

"""Status and text of an answer to its meaning, one row per shape the contract names."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from central.mywellness.answers import (
    Answer,
    Data,
    Done,
    FacilityDown,
    Failure,
    Refused,
    SessionRefused,
    TryLater,
    Unknown,
    is_not_found,
    read_answer,
)

PAGE = "<!DOCTYPE html><html><body>We'll be right back</body></html>"


def errors(field: str = "", kind: str = "", details: str = "", text: str = "") -> str:
    return json.dumps({"errors": [{"field": field, "type": kind, "details": details, "errorMessage": text}]})


def test_a_success_gives_its_data_its_token_and_its_lifetime() -> None:
    answer = read_answer(200, json.dumps({"data": {"result": "Success"}, "token": "next", "expireIn": 1800}))
    assert answer == Answer(Done({"result": "Success"}), "next", timedelta(minutes=30))


@pytest.mark.parametrize(
    ("body", "data"),
    [
        pytest.param({"token": "t"}, {}, id="no data"),
        pytest.param({"data": None}, {}, id="data null"),
        pytest.param({"data": True}, {"result": True}, id="a bare value"),
        pytest.param({"data": {}, "errors": []}, {}, id="an empty list of errors"),
    ],
)
def test_whatever_has_no_errors_is_a_success(body: object, data: object) -> None:
    assert read_answer(200, json.dumps(body)).outcome == Done(data)


@pytest.mark.parametrize(
    ("status", "text", "refused"),
    [
        pytest.param(
            200,
            errors("ExternalId", "Required", text="Mandatory data"),
            Refused("Required", "ExternalId", "Mandatory data"),
            id="errors inside 200",
        ),
        pytest.param(
            200, errors("User", "AlreadyExists", "MatchFound"), Refused("MatchFound", "User", ""), id="code in details"
        ),
        pytest.param(
            200, errors("User", "Invalid", "no such luck"), Refused("Invalid", "User", ""), id="prose in details"
        ),
        pytest.param(400, '[{"errorMessage": "not open"}]', Refused("errors", "", "not open"), id="400 with a list"),
        pytest.param(404, PAGE, Refused("UNKNOWN_ACTION", "", ""), id="404 with a page"),
        pytest.param(400, PAGE, Refused("HTTP_400", "", ""), id="400 with a page"),
        pytest.param(409, "{}", Refused("HTTP_409", "", ""), id="409 with nothing"),
    ],
)
def test_a_refusal_keeps_code_and_field(status: int, text: str, refused: Refused) -> None:
    outcome = read_answer(status, text).outcome
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.field) == (refused.code, refused.field)
    assert outcome.message == refused.message or not refused.message


def test_several_missing_fields_are_all_named() -> None:
    missing = [{"field": name, "type": "Required", "errorMessage": "Mandatory data"} for name in ("Gender", "Email")]
    assert read_answer(200, json.dumps({"errors": missing})).outcome == Refused(
        "Required", "Gender, Email", "Mandatory data"
    )


@pytest.mark.parametrize(
    ("status", "text"),
    [
        pytest.param(401, "", id="401 with nothing"),
        pytest.param(200, errors("TokenNotValid", "Security"), id="in field"),
        pytest.param(200, errors("Token", "Security", "TokenNotValid"), id="in details"),
        pytest.param(400, errors("Token", "TokenNotValid"), id="in type, with 400"),
    ],
)
def test_a_token_that_is_not_valid_ends_the_session(status: int, text: str) -> None:
    assert isinstance(read_answer(status, text).outcome, SessionRefused)


@pytest.mark.parametrize(
    ("status", "text", "retry_after", "down"),
    [
        pytest.param(403, errors("RateLimit", "Security"), None, (None, False), id="403: rate limit as JSON"),
        pytest.param(429, "", "17", (timedelta(seconds=17), False), id="429 with a wait"),
        pytest.param(429, "", "Wed, 25 Nov 2026 02:00:00 GMT", (None, False), id="429 with a date"),
        pytest.param(502, PAGE, None, (None, False), id="502"),
        pytest.param(503, PAGE, "5", (timedelta(seconds=5), False), id="503"),
        pytest.param(503, PAGE, "9" * 30, (timedelta(days=1), False), id="503 for ever"),
        pytest.param(302, "", None, (None, True), id="moved"),
        pytest.param(200, PAGE, None, (None, False), id="a page with 200"),
        pytest.param(200, errors("ClientApplicationNotTrusted"), None, (None, True), id="wrong key"),
        pytest.param(200, errors("http-protocol", "Security", "https required"), None, (None, True), id="plain http"),
    ],
)
def test_some_answers_concern_the_whole_facility(
    status: int, text: str, retry_after: str | None, down: tuple[timedelta | None, bool]
) -> None:
    outcome = read_answer(status, text, retry_after=retry_after).outcome
    assert isinstance(outcome, FacilityDown)
    assert (outcome.retry_after, outcome.needs_staff) == down


@pytest.mark.parametrize(
    ("status", "text", "meaning"),
    [
        pytest.param(500, PAGE, TryLater, id="500 concerns the call"),
        pytest.param(504, PAGE, Unknown, id="504 may have been done"),
        pytest.param(200, "", Unknown, id="200 with nothing"),
        pytest.param(200, '{"data": {"resu', Unknown, id="200 cut short"),
        pytest.param(200, '"ok"', Unknown, id="200 with a bare string"),
    ],
)
def test_other_failures_are_certain_or_unknown(status: int, text: str, meaning: type) -> None:
    assert isinstance(read_answer(status, text).outcome, meaning)


@pytest.mark.parametrize(
    ("outcome", "absent"),
    [
        pytest.param(Done({"notFound": True}), True, id="notFound"),
        pytest.param(Done({}), True, id="no data"),
        pytest.param(Refused("NotFound", "FacilityUser", ""), True, id="errors NotFound"),
        pytest.param(Refused("UserNotExists", "", ""), True, id="errors UserNotExists"),
        pytest.param(Done({"facilityUserId": "f"}), False, id="somebody"),
        pytest.param(Refused("Required", "ExternalId", ""), False, id="another refusal"),
        pytest.param(TryLater("500"), False, id="no answer yet"),
    ],
)
def test_nobody_is_found_in_three_shapes(outcome: Done[Data] | Failure, *, absent: bool) -> None:
    assert is_not_found(outcome) is absent


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "errors", "token", "expireIn", "field", "details"]), inner)
    ),
    max_leaves=8,
)


@given(st.integers(200, 599), JSON.map(json.dumps) | st.text(), st.none() | st.text(max_size=12))
def test_no_answer_whatever_it_holds_raises(status: int, text: str, retry_after: str | None) -> None:
    answer = read_answer(status, text, retry_after=retry_after)
    assert isinstance(answer.outcome, Done | Refused | TryLater | Unknown | FacilityDown | SessionRefused)
    assert isinstance(answer.token, str | None)

"""What the contract leaves open, as switches: the first value of each is the default (contract §1.15).

The last five are ours: where §1.1-1.9 name two readings, or a limit needs its figures.
"""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter


class TokenMode(StrEnum):
    """Whether a token lives on after the call that replaced it (§1.3)."""

    SLIDING = "sliding"
    SINGLE_USE = "single_use"


class LookupExternal(StrEnum):
    """Under which name the look-up by external id exists, if at all (§1.5)."""

    BY_EXTERNAL_ID = "by_external_id"
    FROM_EXTERNAL_ID = "from_external_id"
    ABSENT = "absent"


class MatchResult(StrEnum):
    """What a create answers for a person who is there already (§1.4)."""

    MATCH_FOUND = "match_found"
    AMBIGUOUS_LIST = "ambiguous_list"
    ERRORS = "errors"


class MembershipOpenEnd(StrEnum):
    """Whether a membership may come without its last day (§1.7)."""

    ACCEPT_MISSING = "accept_missing"
    REQUIRE_EXPIRES_ON = "require_expires_on"


class VisitDate(StrEnum):
    """What becomes of the time a visit is sent with (§1.8)."""

    HONOURED = "honoured"
    IGNORED = "ignored"
    REFUSE_OLDER = "refuse_older"


class VisitDup(StrEnum):
    """Whether the same person at the same second counts once more (§1.8)."""

    COUNTS_TWICE = "counts_twice"
    COLLAPSES = "collapses"


class OmittedGroups(StrEnum):
    """What an Update without `groups` does to them (§1.6)."""

    KEEP = "keep"
    CLEAR = "clear"


class DeleteThenGet(StrEnum):
    """The shape of "not found" in a look-up (§1.2, §1.9)."""

    NOT_FOUND = "not_found"
    EMPTY_DATA = "empty_data"
    ERRORS = "errors"


class RateLimit(StrEnum):
    """Whether calls are limited, and how an excess is answered (§1.13)."""

    OFF = "off"
    JSON_403 = "json_403"
    HTTP_429 = "http_429"


class PlainHttp(StrEnum):
    """Whether calls without TLS are served (§1.1); the sandbox on loopback has none."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


class CreateUserId(StrEnum):
    """Whether create returns the global `userId`; only one source says so (§1.4)."""

    RETURNED = "returned"
    OMITTED = "omitted"


@dataclass(frozen=True, slots=True)
class Switches:
    """One position per open question."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    token_mode: TokenMode = TokenMode.SLIDING
    lookup_external: LookupExternal = LookupExternal.BY_EXTERNAL_ID
    match_result: MatchResult = MatchResult.MATCH_FOUND
    membership_open_end: MembershipOpenEnd = MembershipOpenEnd.ACCEPT_MISSING
    visit_date: VisitDate = VisitDate.HONOURED
    visit_dup: VisitDup = VisitDup.COUNTS_TWICE
    omitted_groups: OmittedGroups = OmittedGroups.KEEP
    delete_then_get: DeleteThenGet = DeleteThenGet.NOT_FOUND
    rate_limit: RateLimit = RateLimit.OFF
    plain_http: PlainHttp = PlainHttp.ACCEPTED
    create_user_id: CreateUserId = CreateUserId.RETURNED
    visit_max_age_h: Annotated[int, Field(ge=1)] = 48
    rate_limit_calls: Annotated[int, Field(ge=1)] = 60
    rate_limit_window_s: Annotated[int, Field(ge=1)] = 900


_SWITCHES = TypeAdapter(Switches)


def changed(switches: Switches, wish: dict[str, object]) -> Switches:
    """Return `switches` with the wished positions.

    Raises `pydantic.ValidationError` for an unknown switch or position.
    """
    return _SWITCHES.validate_json(json.dumps(asdict(switches) | wish), strict=True)

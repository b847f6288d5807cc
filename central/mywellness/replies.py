"""What the data of a login, a create and a look-up say (contract §1.3-§1.5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from central.mywellness.answers import Candidate, Data, Refused

_DAY_MINUTES = 1440


@dataclass(frozen=True, slots=True)
class RemoteIds:
    """Mywellness' names for a person (contract §1.4); `permanent_token` is a secret.

    Visits need `user_id`, everything else `facility_user_id`. A look-up gives no permanent token, and a create may
    withhold the user id; ask again before the first visit.
    """

    facility_user_id: str
    user_id: str | None
    permanent_token: str | None = field(default=None, repr=False)


def remote_ids(data: Data) -> RemoteIds | None:
    """Return the ids of a create or a look-up, or None where there are none."""
    facility_user_id = _word(data, "facilityUserId")
    if facility_user_id is None:
        return None
    return RemoteIds(facility_user_id, _word(data, "userId"), _word(data, "permanentToken"))


def not_created(data: Data) -> Refused:
    """Return what to tell staff about a create that made and matched nobody (D-16)."""
    matched = data.get("matchedUsers")
    candidates = tuple(
        Candidate(each["userId"], each["facilityUserId"], _word(each, "email") or "")
        for each in (matched if isinstance(matched, list) else [])
        if isinstance(each, dict) and _word(each, "userId") and _word(each, "facilityUserId")
    )
    code = _word(data, "result") or "NO_PERMANENT_TOKEN"
    return Refused(code, "", "Mywellness created nobody; a person of the staff has to decide", candidates)


def facility_id(data: Data, slug: str) -> str | None:
    """Return the id of the facility with our slug; an integration user may reach several (contract §1.3)."""
    facilities = data.get("facilities")
    for each in facilities if isinstance(facilities, list) else []:
        if isinstance(each, dict) and (_word(each, "url") or "").casefold() == slug.casefold():
            return _word(each, "id")
    return None


def login_problem(data: Data, slug: str) -> str:
    """Return why a login that was answered without errors still gives no session."""
    if "accountLockedInfo" in data:
        return "the integration user is locked; wait, then check its password"
    if facility_id(data, slug) is None:
        return f"the integration user has no access to facility {slug}; check slug and user"
    return "login answered without a token"


def locked_for(data: Data) -> timedelta | None:
    """Return how long the integration user stays locked, at most a day; None if it does not say."""
    locked = data.get("accountLockedInfo")
    minutes = locked.get("blockedFor") if isinstance(locked, dict) else None
    return timedelta(minutes=min(minutes, _DAY_MINUTES)) if isinstance(minutes, int) and minutes > 0 else None


def _word(data: Data, key: str) -> str | None:
    value = data.get(key)
    return value if isinstance(value, str) and value else None

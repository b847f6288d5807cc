"""The stand-in itself: who may call, and what happens around each action (contract §1.1-1.3, §1.13)."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from central.mywellness.sandbox.actions import (
    APPLICATION,
    BY_ROUTE,
    LOGIN,
    Action,
    Effect,
    Wish,
)
from central.mywellness.sandbox.calls import CallLog
from central.mywellness.sandbox.clock import HasNow
from central.mywellness.sandbox.faults import FaultPlan
from central.mywellness.sandbox.ledger import Ledger
from central.mywellness.sandbox.sessions import EXPIRE_IN_S, Allowance, Sessions
from central.mywellness.sandbox.switches import RateLimit, Switches, TokenMode
from central.mywellness.sandbox.wire import (
    HTML_404,
    TOKEN_NOT_VALID,
    Answer,
    failure,
    required,
    security,
    success,
)

CLIENT = "thirdParties"
NOT_TRUSTED = security("ClientApplicationNotTrusted", "", "Client application not trusted")
NO_PERMISSION = security("Facility", "NoPermissionsForUserException", "No permissions for this facility")
BAD_LOGIN = security("Username", "CredentialsNotValid", "Wrong user name or password")
NOT_FOUND = Answer(404, html=HTML_404)


class Credentials(NamedTuple):
    """What Technogym hands to a club."""

    api_key: str
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Facility:
    """A club: `url` is its slug in the path, `id` the GUID that login returns."""

    id: str
    url: str
    name: str

    @classmethod
    def named(cls, url: str, name: str = "") -> "Facility":
        """Return the club with this slug; the same slug always gets the same GUID."""
        return cls(str(uuid.uuid5(uuid.NAMESPACE_URL, f"sandbox:{url.lower()}")), url, name or url)

    def as_json(self) -> dict[str, Any]:
        """Return the club as login lists it."""
        return {
            "id": self.id,
            "url": self.url,
            "name": self.name,
            "companyName": self.name,
            "logoUrl": "",
            "isDemo": False,
        }


class Route(NamedTuple):
    """A path taken apart: `/{facility}/{module}/{entity}/{id}/{Action}`; case never matters."""

    facility: str
    ident: str
    name: str
    action: Action | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, and whether the ledger changed on the way to it."""

    answer: Answer
    committed: bool = False


class Sandbox:
    """One stand-in server's state; `handle` answers a call without any IO but the ledger's."""

    def __init__(
        self,
        ledger: Ledger,
        clock: HasNow,
        switches: Switches,
        credentials: Credentials,
        facilities: tuple[Facility, ...],
    ) -> None:
        """Start with nobody logged in and no fault armed."""
        self.ledger = ledger
        self.clock = clock
        self.switches = switches
        self.credentials = credentials
        self.facilities = {facility.url.lower(): facility for facility in facilities}
        self.faults = FaultPlan()
        self.calls = CallLog()
        self._start()

    def _start(self) -> None:
        self.sessions = Sessions()
        self.allowance = Allowance()

    def reset(self) -> None:
        """Forget ledger, sessions, faults and finished calls; the switches stay."""
        self.ledger.reset()
        self.faults.clear()
        self.calls.clear()
        self._start()

    def route(self, path: str) -> Route:
        """Take a path apart; `action` is None where Mywellness knows nothing."""
        parts = [part for part in path.split("/") if part]
        if len(parts) < 4:  # noqa: PLR2004 - slug, module, id, action
            return Route("", "", path, None)
        facility, *place, ident, name = parts
        action = BY_ROUTE.get(("/".join(place).lower(), name.lower()))
        if action is not None and not action.exists(self.switches):
            action = None
        return Route(facility.lower(), ident.lower(), action.name if action else name, action)

    def handle(
        self, route: Route, headers: Mapping[str, str], body: Mapping[str, Any], *, culture: str = "en", times: int = 1
    ) -> Outcome:
        """Answer one call. `body` has lower-case keys; `times` > 1 commits it again, as a repeating proxy would."""
        if route.action is None:
            return Outcome(NOT_FOUND)
        refused = self._unwelcome(headers) or self._over_limit()
        if refused is not None:
            return Outcome(refused)
        if route.action.effect is None:
            return Outcome(self._log_in(route, body, culture))
        return self._perform(route, route.action, body, culture, times)

    def _unwelcome(self, headers: Mapping[str, str]) -> Answer | None:
        client, key = headers.get("X-MWAPPS-CLIENT"), headers.get("X-MWAPPS-APIKEY")
        if not client or not key:
            return Answer(401)
        if client.lower() != CLIENT.lower() or key != self.credentials.api_key:
            return failure(NOT_TRUSTED)
        return None

    def _over_limit(self) -> Answer | None:
        limit = self.switches.rate_limit
        if limit is RateLimit.OFF:
            return None
        wait = self.allowance.spend(
            self.clock.now(), calls=self.switches.rate_limit_calls, window_s=self.switches.rate_limit_window_s
        )
        if not wait:
            return None
        return rate_403() if limit is RateLimit.JSON_403 else rate_429(wait)

    def _log_in(self, route: Route, body: Mapping[str, Any], culture: str) -> Answer:
        if route.ident != APPLICATION:
            return NOT_FOUND
        missing = [name for name in LOGIN.required if not body.get(name.lower())]
        if missing:
            return failure(*required(missing, culture))
        shown = Credentials(*(str(body[name]) for name in ("apikey", "username", "password")))
        if shown != self.credentials:
            return failure(BAD_LOGIN, status=401)
        if route.facility not in self.facilities:
            return failure(NO_PERMISSION)
        now = self.clock.now()
        token = self.sessions.log_in(route.facility, now)
        user = str(uuid.uuid5(uuid.NAMESPACE_URL, f"sandbox:{shown.username}"))
        data = {
            "result": "Success",
            "accountConfirmed": True,
            "credentialId": user,
            # The asked club last: whoever takes the first of several gets the wrong one (§1.3).
            "facilities": [
                facility.as_json()
                for url, facility in sorted(self.facilities.items(), key=lambda item: item[0] == route.facility)
            ],
            "userContext": {"id": user, "firstName": "Sync", "lastName": "User", "email": shown.username},
        }
        return success(data, token, EXPIRE_IN_S, now)

    def _perform(self, route: Route, action: Action, body: Mapping[str, Any], culture: str, times: int) -> Outcome:
        now = self.clock.now()
        token = body.get("token")
        if not token:
            return Outcome(failure(*required(["token"], culture)))
        session = self.sessions.find(str(token), now)
        if session is None:
            return Outcome(failure(TOKEN_NOT_VALID))
        facility = self.facilities[session.facility]
        wrong_id = action.at_facility and route.ident != facility.id.lower()
        if session.facility != route.facility or wrong_id:
            return Outcome(failure(NO_PERMISSION))
        missing = [name for name in action.required if body.get(name.lower()) in (None, "")]
        if missing:
            return Outcome(failure(*required(missing, culture)))
        wish = Wish(self.ledger, self.switches, route.facility, route.ident, body, now, culture)
        effects = [self._take(action, wish) for _ in range(times)]
        first = effects[0]
        committed = any(effect.event is not None for effect in effects)
        if first.problems:
            return Outcome(failure(*first.problems), committed)
        renewed = self.sessions.renew(str(token), now, spend=self.switches.token_mode is TokenMode.SINGLE_USE)
        return Outcome(success(first.data, renewed, EXPIRE_IN_S, now), committed)

    def _take(self, action: Action, wish: Wish) -> Effect:
        effect = action.effect(wish) if action.effect else Effect({})
        if effect.event is not None:
            self.ledger.record(effect.event)
        return effect


def rate_403() -> Answer:
    """Return the excess as the first version documents it: 403 with JSON (§1.13)."""
    return failure(security("RateLimit", "RateLimitExceeded", "Too many requests"), status=403)


def rate_429(wait_s: int) -> Answer:
    """Return the excess as most servers would: 429, with the seconds to wait."""
    answer = failure(security("RateLimit", "RateLimitExceeded", "Too many requests"), status=429)
    return replace(answer, headers={"Retry-After": str(wait_s)})


def account_locked() -> Answer:
    """Return the lock of an account after too many logins; no token comes with it (§1.3)."""
    return Answer(200, {"data": {"result": "AccountLocked", "accountLockedInfo": {"blockedFor": 15}}})


def match_conflict() -> Answer:
    """Return a create's ambiguous list with two invented candidates and nothing recorded (§1.4)."""
    candidates = [
        {"userId": str(uuid.uuid4()), "facilityUserId": str(uuid.uuid4()), "email": mail}
        for mail in ("j***@example.com", "e***@example.org")
    ]
    return Answer(200, {"data": {"result": "UserEmailAndDataMatchFound", "matchedUsers": candidates}})

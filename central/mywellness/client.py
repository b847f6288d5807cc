"""Calls to Mywellness, server to server (contract §1.3-§1.9): one session per facility, one call at a time.

The session's token changes with every answer, so calls wait for each other. Whatever happens comes back as an outcome
(see `answers`): nothing is raised but cancellation. Tokens, keys and bodies are never logged.
This is the only module of central that knows httpx.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self
from urllib.parse import quote

import httpx

from central.mywellness.answers import (
    UNKNOWN_ACTION,
    Answer,
    Data,
    Done,
    FacilityDown,
    Failure,
    Outcome,
    Refused,
    SessionRefused,
    TryLater,
    Unknown,
    is_not_found,
    read_answer,
)
from central.mywellness.mapping import Body
from central.mywellness.replies import RemoteIds, facility_id, locked_for, login_problem, not_created, remote_ids
from central.mywellness.settings import ClientSettings

log = logging.getLogger(__name__)


class _Call(NamedTuple):
    """`/{facility}/{place}/{ident}/{action}`; ident None is the facility's own id, known after login."""

    place: str
    ident: str | None
    action: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Session:
    facility_id: str
    token: str = field(repr=False)
    until: datetime


class _Closed(NamedTuple):
    """No login before `until`, and why."""

    until: datetime
    reason: str
    needs_staff: bool


class MywellnessClient:
    """The calls of one facility. Safe to share between tasks; close it with `aclose` or use it as a context."""

    def __init__(
        self,
        settings: ClientSettings,
        *,
        now: Callable[[], datetime],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Start without a session; the first call logs in. `now` drives refresh and pauses, not socket timeouts."""
        self._settings = settings
        self._now = now
        self._lock = asyncio.Lock()
        self._session: _Session | None = None
        self._refused_logins = 0
        self._closed: _Closed | None = None
        self.last_login: datetime | None = None
        """When a login last succeeded; shown to staff (contract §2 no. 7)."""
        self._http = httpx.AsyncClient(
            base_url=settings.base_url,
            headers={"X-MWAPPS-CLIENT": settings.client_name, "X-MWAPPS-APIKEY": settings.api_key},
            timeout=httpx.Timeout(
                settings.answer_timeout.total_seconds(), connect=settings.connect_timeout.total_seconds()
            ),
            limits=httpx.Limits(max_connections=1),
            transport=transport,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; the session at Mywellness runs out by itself."""
        await self._http.aclose()

    async def create(self, body: Body) -> Outcome[RemoteIds]:
        """Create the person, or match one who is there (D-14…D-16); `Refused` with candidates where several match.

        What counts is the permanent token, not the word in `result`, which is an open list (contract §1.4).
        """
        outcome = await self._at_facility(self._settings.actions.create, body)
        if not isinstance(outcome, Done):
            return outcome
        ids = remote_ids(outcome.data)
        if ids is None or ids.permanent_token is None:
            return not_created(outcome.data)
        if ids.user_id is None:
            found = await self.lookup_permanent_token(ids.permanent_token)
            user_id = found.data.user_id if isinstance(found, Done) and found.data else None
            ids = RemoteIds(ids.facility_user_id, user_id, ids.permanent_token)
        return Done(ids)

    async def lookup_external_id(self, external_id: str) -> Outcome[RemoteIds | None]:
        """Find a person by our id; None if nobody has it (D-15). `Refused` (`UNKNOWN_ACTION`) if not offered."""
        return await self._look_up(self._settings.actions.by_external_id, {"externalId": external_id})

    async def lookup_permanent_token(self, permanent_token: str) -> Outcome[RemoteIds | None]:
        """Find a person by the permanent token; None if it is good for nobody any more."""
        return await self._look_up(self._settings.actions.by_permanent_token, {"permanentToken": permanent_token})

    async def update(self, facility_user_id: str, body: Body) -> Outcome[None]:
        """Change a person's data, and groups if the body has them (contract §1.6)."""
        return _plain(await self._of_facility_user(facility_user_id, self._settings.actions.update, body))

    async def save_membership(self, facility_user_id: str, body: Body) -> Outcome[None]:
        """Tell a change of the membership (contract §1.7)."""
        return _plain(await self._of_facility_user(facility_user_id, self._settings.actions.save_membership, body))

    async def visit(self, user_id: str, body: Body) -> Outcome[None]:
        """Tell a visit; the id is the global user's, not the facility user's (contract §1.8). Never idempotent."""
        return _plain(await self._call(_Call("core/user", user_id, self._settings.actions.visit, body)))

    async def delete(self, facility_user_id: str) -> Outcome[None]:
        """Take the person out of the facility; one who is gone already counts as done (contract §1.9)."""
        outcome = await self._of_facility_user(facility_user_id, self._settings.actions.delete, {})
        return Done(None) if is_not_found(outcome) else _plain(outcome)

    async def _look_up(self, action: str, body: Mapping[str, Any]) -> Outcome[RemoteIds | None]:
        outcome = await self._at_facility(action, body, may_lack=True)
        if is_not_found(outcome):
            return Done(None)
        if not isinstance(outcome, Done):
            return outcome
        ids = remote_ids(outcome.data)
        return Done(ids) if ids else TryLater(f"{action} answered without a facilityUserId")

    async def _at_facility(
        self, action: str, body: Mapping[str, Any], *, may_lack: bool = False
    ) -> Done[Data] | Failure:
        return await self._call(_Call("core/facility", None, action, body), may_lack=may_lack)

    async def _of_facility_user(
        self, facility_user_id: str, action: str, body: Mapping[str, Any]
    ) -> Done[Data] | Failure:
        return await self._call(_Call("core/facilityuser", facility_user_id, action, body))

    async def _call(self, call: _Call, *, may_lack: bool = False) -> Done[Data] | Failure:
        """Make one call within the session; if Mywellness ended that, log in once more and repeat once (D-59)."""
        async with self._lock:
            outcome = await self._attempt(call)
            refusals = 0
            while isinstance(outcome, SessionRefused):
                # A session that ran out on our own clock, however fast that runs, says nothing against the login.
                lapsed = self._session is None or self._session.until <= self._now()
                refusals += not lapsed
                if refusals > 1:
                    return self._close(f"{outcome.reason} right after a login", needs_staff=True)
                self._session = None
                outcome = await self._attempt(call)
            if isinstance(outcome, Refused) and outcome.code == UNKNOWN_ACTION and not may_lack:
                return FacilityDown(f"{call.action}: {outcome.message}", needs_staff=True)
            return outcome

    async def _attempt(self, call: _Call) -> Done[Data] | Failure | SessionRefused:
        session = await self._log_in_if_due()
        if isinstance(session, FacilityDown):
            return session
        ident = session.facility_id if call.ident is None else call.ident
        path = f"{call.place}/{quote(ident, safe='')}/{call.action}"
        answer = await self._post(path, {**call.body, "token": session.token})
        if answer.token:
            self._session = _Session(session.facility_id, answer.token, session.until)
        return answer.outcome

    async def _log_in_if_due(self) -> _Session | FacilityDown:
        now = self._now()
        if self._session is not None and now < self._session.until:
            return self._session
        if self._closed is not None and now < self._closed.until:
            return FacilityDown(self._closed.reason, self._closed.until - now, self._closed.needs_staff)
        self._session = None
        return await self._log_in(now)

    async def _log_in(self, now: datetime) -> _Session | FacilityDown:
        settings = self._settings
        body = {"apiKey": settings.api_key, "username": settings.username, "password": settings.password}
        answer = await self._post(f"application/{settings.application}/{settings.actions.login}", body)
        match answer.outcome:
            case Done(data) if answer.token and (found := facility_id(data, settings.facility)):
                lifetime = min(settings.refresh_after, (answer.expire_in or settings.refresh_after) * 5 / 6)
                self._session = _Session(found, answer.token, now + lifetime)
                self._refused_logins, self._closed = 0, None
                self.last_login = now
                log.info("mywellness %s: logged in", settings.facility)
                return self._session
            case Done(data):
                return self._close(login_problem(data, settings.facility), wait=locked_for(data), needs_staff=True)
            case SessionRefused(reason):
                return self._close(f"login refused: {reason}", needs_staff=True)
            case Refused(code, message=message):
                return self._close(f"login refused: {code} {message}".rstrip(), needs_staff=True)
            case FacilityDown(reason, wait, needs_staff):
                return self._close(f"no login: {reason}", wait=wait, needs_staff=needs_staff)
            case TryLater(reason) | Unknown(reason):
                return self._close(f"no login: {reason}")

    def _close(self, reason: str, *, wait: timedelta | None = None, needs_staff: bool = False) -> FacilityDown:
        """Keep everybody out for a while, so that a login is never hammered; return what callers are told."""
        settings = self._settings
        pause = settings.outage_login_pause
        if needs_staff:
            pause = min(settings.refused_login_pause * 2 ** min(self._refused_logins, 10), settings.login_pause_limit)
            self._refused_logins += 1
        pause = max(pause, wait or timedelta())
        log.warning("mywellness %s: %s; next login in %s", settings.facility, reason, pause)
        self._session = None
        self._closed = _Closed(self._now() + pause, reason, needs_staff)
        return FacilityDown(reason, pause, needs_staff)

    async def _post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Send once and read the answer. Only a failure to connect is certain to have had no effect."""
        settings = self._settings
        limit = settings.connect_timeout + settings.answer_timeout
        try:
            async with asyncio.timeout(limit.total_seconds()):
                response = await self._http.post(f"/{quote(settings.facility, safe='')}/{path}", json=body)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return Answer(FacilityDown(f"Mywellness cannot be reached ({type(error).__name__}); check the network"))
        except httpx.PoolTimeout:
            return Answer(TryLater("the connection to Mywellness is still busy"))
        except (TimeoutError, httpx.TimeoutException):
            return Answer(Unknown(f"no answer from Mywellness within {settings.answer_timeout.total_seconds():g} s"))
        except httpx.RequestError as error:
            return Answer(Unknown(f"connection to Mywellness lost before the answer ({type(error).__name__})"))
        return read_answer(response.status_code, response.text, retry_after=response.headers.get("Retry-After"))


def _plain(outcome: Done[Data] | Failure) -> Outcome[None]:
    """Drop the data of a success; a soft "not found" is none, whatever the envelope says."""
    if not isinstance(outcome, Done):
        return outcome
    if outcome.data.get("notFound"):
        return Refused("NotFound", "", "Mywellness does not know this id (any more)")
    return Done(None)

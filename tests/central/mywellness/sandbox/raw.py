"""A caller that knows the contract and nothing else: raw HTTP, bodies typed by hand, none of our client."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import aiohttp

API_KEY, USERNAME, PASSWORD = "KEY-FROM-TECHNOGYM", "integration@club.example", "a-password-of-nobody"
APPLICATION = "69295ed5-a53c-434b-8518-f2e0b5f05b28"
HEADERS = {"Content-Type": "application/json", "X-MWAPPS-CLIENT": "thirdParties", "X-MWAPPS-APIKEY": API_KEY}
LOGIN_PATH = f"/mygym/application/{APPLICATION}/AccessIntegration"
LOGIN_BODY = {"apiKey": API_KEY, "username": USERNAME, "password": PASSWORD}
EVA = {
    "firstName": "Eva",
    "lastName": "Lind",
    "dateOfBirth": "1990-05-15",
    "gender": "F",
    "email": "eva@example.com",
    "externalId": "M-1042",
}
OLA = EVA | {"firstName": "Ola", "gender": "M", "email": "ola@example.com", "externalId": "M-1043"}
SUBSCRIBE = {
    "operation": "Subscribe",
    "memberSince": "2021-03-01",
    "startOn": "2026-01-01",
    "expiresOn": "2026-12-31",
    "description": "Gold 12 m",
}
VISIT = {"visitDate": "2026-11-21 07:42:10 +01:00"}


class StillClock:
    """A clock that stands where it was put."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 21, 6, 42, 10, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def forward(self, **by: float) -> None:
        self.moment += timedelta(**by)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    text: str
    content_type: str
    headers: dict[str, str]

    @property
    def json(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.text)
        return answer

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.json["data"]
        return data

    @property
    def error(self) -> dict[str, str]:
        first: dict[str, str] = self.json["errors"][0]
        return first


class Raw:
    """One connection to the sandbox, and the newest token."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.facility_id = ""
        self.token = ""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._session.close()

    async def send(
        self, path: str, body: Any = None, *, method: str = "POST", headers: dict[str, str] | None = None
    ) -> Reply:
        """Send one request as it stands."""
        text = body if isinstance(body, str) else json.dumps(body)
        async with self._session.request(
            method, self.url + path, data=text, headers=HEADERS if headers is None else headers
        ) as answer:
            return Reply(answer.status, await answer.text(), answer.content_type, dict(answer.headers))

    async def log_in(self, slug: str = "mygym") -> Reply:
        """Begin a session at a club and keep its token and id."""
        reply = await self.send(f"/{slug}/application/{APPLICATION}/AccessIntegration", LOGIN_BODY)
        self.token = reply.json["token"]
        self.facility_id = next(club["id"] for club in reply.data["facilities"] if club["url"] == slug)
        return reply

    async def call(self, path: str, body: dict[str, Any]) -> Reply:
        """Send a call with the newest token and keep the one that comes back."""
        reply = await self.send(path, body | {"token": self.token})
        if reply.content_type == "application/json":
            self.token = reply.json.get("token", self.token)
        return reply

    async def create(self, person: dict[str, Any]) -> Reply:
        return await self.call(f"/mygym/core/facility/{self.facility_id}/CreateFacilityUserFromThirdParty", person)

    async def get(self, permanent_token: str) -> Reply:
        path = f"/mygym/core/facility/{self.facility_id}/GetFacilityUserFromPermanentToken"
        return await self.call(path, {"permanentToken": permanent_token})

    async def find(self, external_id: str, action: str = "GetFacilityUserByExternalID") -> Reply:
        return await self.call(f"/mygym/core/facility/{self.facility_id}/{action}", {"externalId": external_id})

    async def on_person(self, ids: dict[str, str], action: str, body: dict[str, Any]) -> Reply:
        return await self.call(f"/mygym/core/facilityuser/{ids['facilityUserId']}/{action}", body)

    async def visit(self, ids: dict[str, str], body: dict[str, Any]) -> Reply:
        return await self.call(f"/mygym/core/user/{ids['userId']}/Visit", body)

    async def standin(self, path: str, body: Any = None, *, method: str = "GET") -> Any:
        """Ask under the invented prefix."""
        reply = await self.send(f"/_standin/{path}", body, method=method, headers={"Content-Type": "application/json"})
        assert reply.status == 200, reply.text
        return json.loads(reply.text)

    async def switch(self, **positions: object) -> None:
        await self.standin("switches", positions, method="PUT")

    async def arm(self, kind: str, **more: object) -> None:
        await self.standin("faults", {"kind": kind} | more, method="POST")

    async def ledger(self) -> dict[str, Any]:
        ledger: dict[str, Any] = await self.standin("ledger")
        return ledger

"""A caller of the API in tests."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient

Json = Any


@dataclass(frozen=True, slots=True)
class Api:
    """Asks with a key, and insists on the status that the test expects."""

    client: "TestClient[web.Request, web.Application]"
    key: str | None

    async def get(self, path: str, status: int = 200) -> Json:
        """Ask for something."""
        return await self.ask("GET", path, status=status)

    async def post(self, path: str, body: Json = None, status: int = 201) -> Json:
        """Create something, or order something done."""
        return await self.ask("POST", path, body, status=status)

    async def patch(self, path: str, body: Json, status: int = 200) -> Json:
        """Change something."""
        return await self.ask("PATCH", path, body, status=status)

    async def ask(
        self, method: str, path: str, body: Json = None, *, status: int, headers: Mapping[str, str] | None = None
    ) -> Json:
        """Ask, compare the status, return the JSON of the answer."""
        own = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        payload: Mapping[str, Any] = {"data": io.BytesIO(body)} if isinstance(body, bytes) else {"json": body}
        if body is None:
            payload = {}
        async with self.client.request(method, path, headers={**own, **(headers or {})}, **payload) as answer:
            text = await answer.text()
            assert answer.status == status, text
            return await answer.json(content_type=None) if text else None


async def gym(api: Api) -> None:
    """Build what requirements §0.2 starts from: F1 and F2, readers, ER-GYM, P-GYM, M1001 with SUB-1, M1002 Bo."""
    for site in ("F1", "F2"):
        await api.post("/api/sites", {"id": site, "name": f"Gym {site}", "zone": "Europe/Stockholm"})
    await api.post("/api/sites/F1/lanes", {"id": "L1", "name": "Main"})
    for reader, kind in (
        ("RD-IN", "IN"),
        ("RD-OUT", "OUT"),
        ("RD-INNER", "INNER"),
        ("RD-IO", "IN_OUT"),
        ("RD-SPA", "INNER"),
    ):
        wish = {"id": reader, "lane": "L1", "name": reader, "kind": kind, "barrier": "B1" if reader == "RD-IN" else ""}
        await api.post("/api/sites/F1/readers", wish)
    weekly = {name: [["06:00", "22:00"]] for name in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    await api.post("/api/schedules", {"id": "DAILY", "name": "Daily", "weekly": weekly})
    right = {"id": "ER-GYM", "name": "Gym", "readers": ["RD-IN", "RD-OUT", "RD-INNER"], "schedule": "DAILY"}
    await api.post("/api/entry-rights", right)
    await api.post("/api/products", product("P-GYM", entry_right="ER-GYM"))
    await api.post("/api/members", {"id": "M1001", "number": "M1001", "first_name": "Evelina", "last_name": "Ek"})
    await api.post("/api/members", {"id": "M1002", "number": "M1002", "first_name": "Bo", "last_name": "Ask"})
    await api.post("/api/members/M1001/credentials", {"card": "10000342"})
    await api.post("/api/subscriptions", SUB_1)


SUB_1 = {
    "person": "M1001",
    "product": "P-GYM",
    "site": "F1",
    "start": "2025-06-01",
    "bound_through": "2026-05-31",
    "charged_through": "2026-03-31",
    "auto_renew": True,
}


def product(key: str, **differs: Json) -> dict[str, Json]:
    """A subscription product sold at F1."""
    return {"id": key, "number": key, "name": key, "sites": ["F1"], **differs}

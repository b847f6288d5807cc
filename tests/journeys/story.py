"""A day at F1 as the fixtures of requirements §0.2 describe it, over real processes on the injected clock."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from deploy.demo.replay import Player, Row, everything
from deploy.demo.world import EdgePlan, LanePlan, Plan, World, open_world

ZONE: Final = ZoneInfo("Europe/Stockholm")
EVELINA: Final = "10000342"
MORNING: Final = datetime(2026, 3, 10, 5, 0, tzinfo=ZONE)

IN = LanePlan("lane-in", ("RD-IN",), relay=17, granted_lamp=27, denied_lamp=22)
OUT = LanePlan("lane-out", ("RD-OUT",), relay=None, granted_lamp=23, denied_lamp=24, kind="OUT")
SECOND_DOOR = LanePlan("lane-b", ("RD-IN-B",), relay=17, granted_lamp=27, denied_lamp=22)
ONE_EDGE = (EdgePlan("edge-a", (IN, OUT)),)
TWO_EDGES = (EdgePlan("edge-a", (IN, OUT)), EdgePlan("edge-b", (SECOND_DOOR,)))


class Story:
    """What a journey says: the time, a card at a reader, a change by staff, and what came of it."""

    def __init__(self, world: World) -> None:
        """Tell a story in `world`."""
        self.world = world
        self._player = Player(world)

    def at(self, text: str) -> None:
        """Set the clock to a local time of 2026, such as `03-10 09:00`."""
        assert self.world.hands is not None
        self.world.hands.move_to(datetime.fromisoformat(f"2026-{text}").replace(tzinfo=ZONE))

    async def shows(self, reader: str, card: str = EVELINA) -> bool:
        """Show a card; return whether the lane's own pin granted it."""
        assert self.world.hands is not None
        tap = await self._player.tap(Row(self.world.hands.now, reader, card))
        assert tap.answer is not None
        return tap.answer

    async def settles(self, passages: int | None = None) -> None:
        """Let everything arrive: `passages` at central if given, and nothing left in the queue."""
        quiet = arrived = 0
        counts: dict[str, dict[str, int]] = {}
        for _ in range(300):
            counts = (await self.world.api("GET", "/api/mywellness/status"))["counts"]
            waiting = sum(states.get(s, 0) for states in counts.values() for s in ("new", "retry", "sending"))
            arrived = (await self.world.api("GET", "/api/passages/count"))["passages"]
            quiet = quiet + 1 if waiting == 0 and (passages is None or arrived >= passages) else 0
            if quiet >= 5:
                return
            self._tick()
            await asyncio.sleep(0.05)
        raise AssertionError(f"nothing settled: {arrived} passages, queue {counts}")

    def _tick(self) -> None:
        assert self.world.hands is not None
        self.world.hands.advance(timedelta(milliseconds=250))

    async def night_passes(self, day: str) -> None:
        """Go to five past midnight of that day and let the nightly work be done."""
        self.at(f"{day} 00:05")
        await asyncio.sleep(0.3)
        await self.settles()

    async def passages(self) -> list[dict[str, Any]]:
        """Return central's passages by time."""
        return sorted(await everything(self.world, "/api/passages"), key=lambda each: each["at"])

    async def visits(self) -> list[dict[str, Any]]:
        """Return central's visits by time."""
        return sorted(await everything(self.world, "/api/visits"), key=lambda each: each["opened_at"])

    async def calls(self, *actions: str) -> list[dict[str, Any]]:
        """Return what the sandbox was asked, in order; only these actions if given."""
        calls: list[dict[str, Any]] = (await self.world.standin("GET", "calls"))["calls"]
        return [call for call in calls if not actions or call["action"].lower() in {each.lower() for each in actions}]

    async def visit_times(self) -> list[str]:
        """Return the times of the visits in the sandbox's ledger, in the order they came."""
        return [visit["visitDate"] for visit in (await self.world.standin("GET", "ledger"))["visits"]]

    async def link(self, person: str = "M1001") -> dict[str, Any]:
        """Return a member's link."""
        link: dict[str, Any] = await self.world.api("GET", f"/api/members/{person}/mywellness")
        return link

    async def changes(self, person: str = "M1001", **values: object) -> None:
        """Change a member as staff would."""
        await self.world.api("PATCH", f"/api/members/{person}", values)

    async def lists_arrive(self) -> None:
        """Wait until the edges decide with the newest access list."""
        await self.world.edges_know()


async def subscribe(world: World, person: str = "M1001", **dates: object) -> int:
    """Sell P-GYM, as SUB-1 unless dates say otherwise; return its number."""
    wish = {
        "person": person,
        "product": "P-GYM",
        "site": "F1",
        "start": "2025-06-01",
        "bound_through": "2026-05-31",
        "charged_through": "2026-03-31",
        "auto_renew": True,
        **dates,
    }
    return int((await world.api("POST", "/api/subscriptions", wish))["id"])


async def fixtures(world: World, *, schedule: bool = True, subscription: bool = True, **person: object) -> None:
    """Make schedule, right, product, and Evelina with her card; member since 2019."""
    days = {day: [["06:00", "22:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    await world.api("POST", "/api/schedules", {"id": "daily", "name": "Daily", "weekly": days})
    readers = [reader for edge in world.plan.edges for lane in edge.lanes for reader in lane.readers]
    right = {"id": "ER-GYM", "name": "Gym", "readers": readers, "schedule": "daily" if schedule else None}
    await world.api("POST", "/api/entry-rights", right)
    product = {"id": "P-GYM", "number": "2001", "name": "Gym", "type": "subscription", "entry_right": "ER-GYM"}
    await world.api("POST", "/api/products", {**product, "sites": ["F1"]})
    evelina = {
        "id": "M1001",
        "number": "M1001",
        "first_name": "Evelina",
        "last_name": "Lind",
        "birth_date": "1990-05-15",
        "gender": "female",
        "email": "evelina@example.org",
        "allow_sync": True,
        "allow_activity_sync": True,
    }
    await world.api("POST", "/api/members", {**evelina, **person})
    await world.api("POST", "/api/members/M1001/credentials", {"card": EVELINA})
    if subscription:
        ended = {"start": "2019-01-15", "bound_through": "2019-12-31", "charged_through": "2019-12-31"}
        await subscribe(world, **ended, auto_renew=False)
        await subscribe(world)


@asynccontextmanager
async def told(
    folder: Path,
    database: str | None,
    *,
    edges: Sequence[EdgePlan] = ONE_EDGE,
    start: datetime = MORNING,
    cables: bool = False,
    schedule: bool = True,
    subscription: bool = True,
    **person: object,
) -> AsyncIterator[Story]:
    """Open F1 with the fixtures and tell a story there."""
    plan = Plan(folder, "F1", edges, start=start, database=database, cables=cables, presence_window_s=0.0)

    async def seed(world: World) -> None:
        await fixtures(world, schedule=schedule, subscription=subscription, **person)

    async with open_world(plan, seed=seed) as world:
        yield Story(world)

"""A lively day at a small gym: two edges, twelve members, and everything a door has to say.

Each line of the script knows what the pins must answer, so the demo is a check as well as a show.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from deploy.demo.replay import Player, Row, drain, summarise
from deploy.demo.show import Show
from deploy.demo.world import EdgePlan, LanePlan, Plan, World

SITE: Final = "demo"
ZONE: Final = ZoneInfo("Europe/Stockholm")

EDGES: Final = (
    EdgePlan(
        "edge-main",
        (
            LanePlan("main-in", ("MAIN-IN",), relay=17, granted_lamp=27, denied_lamp=22),
            LanePlan("main-out", ("MAIN-OUT",), relay=None, granted_lamp=23, denied_lamp=24, kind="OUT"),
        ),
    ),
    EdgePlan("edge-spa", (LanePlan("spa", ("SPA",), relay=17, granted_lamp=27, denied_lamp=22, kind="INNER"),)),
)


@dataclass(frozen=True)
class Member:
    """Somebody of the demo; dates are days from today."""

    number: str
    first_name: str
    last_name: str
    card: str
    charged: int = 20
    frozen: tuple[int, int] | None = None
    spa: bool = False
    gender: str = "female"
    sync: bool = True
    blocked: bool = False


MEMBERS: Final = (
    Member("M1001", "Anna", "Lind", "4208192051", spa=True),
    Member("M1002", "Bo", "Berg", "3034917120", frozen=(-5, 10), gender="male"),
    Member("M1003", "Carin", "Holm", "1164542742", charged=-1),
    Member("M1004", "David", "Sand", "2337823785", gender="male"),
    Member("M1005", "Elin", "Ek", "0000012345", spa=True),
    Member("M1006", "Farid", "Nasser", "1020304050", gender="male"),
    Member("M1007", "Greta", "Öberg", "2233445566", sync=False),
    Member("M1008", "Hugo", "Falk", "3344556677", gender="male", charged=0),
    Member("M1009", "Ines", "Costa", "0455667788", spa=True),
    Member("M1010", "Jonas", "Dahl", "1566778899", gender="male", blocked=True),
    Member("M1011", "Kim", "Åström", "2677889900"),
    Member("M1012", "Lena", "Vik", "3788990011"),
)
UNKNOWN_CARD: Final = "999999999"


@dataclass(frozen=True)
class Line:
    """One line of the script: who shows a card where, and what must be answered; or `act`, something else."""

    at: time
    reader: str = ""
    card: str = ""
    reason: str = "OK"
    act: str = ""

    @property
    def granted(self) -> bool:
        """What the pins must say; an exit is always granted."""
        return self.reason == "OK"


def script() -> Iterator[Line]:
    """The day, in order."""
    anna, bo, carin, david, elin, farid, greta, hugo, ines, jonas, kim, lena = (member.card for member in MEMBERS)
    yield Line(time(5, 58), "MAIN-IN", anna, "OUTSIDE_SCHEDULE")
    yield Line(time(6, 2), "MAIN-IN", anna)
    yield Line(time(6, 10), "SPA", anna)
    yield Line(time(6, 30), "MAIN-IN", bo, "FROZEN")
    yield Line(time(6, 41), "MAIN-IN", david)
    yield Line(time(7, 5), "MAIN-IN", carin, "NOT_CHARGED")
    yield Line(time(7, 15), "MAIN-IN", UNKNOWN_CARD, "UNKNOWN_CREDENTIAL")
    yield Line(time(7, 30), "SPA", david, "NO_RIGHT_AT_READER")
    yield Line(time(7, 45), "MAIN-OUT", anna)
    yield Line(time(8, 0), act="the broker goes down")
    yield Line(time(8, 5), "MAIN-IN", elin)
    yield Line(time(8, 20), "MAIN-IN", farid)
    yield Line(time(8, 40), "MAIN-IN", greta)
    yield Line(time(9, 0), "MAIN-OUT", david)
    yield Line(time(9, 30), act="the broker is back")
    yield Line(time(10, 15), "MAIN-IN", hugo)
    yield Line(time(11, 0), "MAIN-IN", jonas, "PERSON_BLOCKED")
    yield Line(time(12, 0), "MAIN-IN", elin)  # without an exit: a re-entry, no new visit
    yield Line(time(12, 30), "SPA", ines)  # straight to the spa: the inner reader acts as the entrance
    yield Line(time(16, 45), "MAIN-IN", kim)
    yield Line(time(17, 0), "MAIN-IN", anna)  # second visit of the day
    yield Line(time(17, 1), "MAIN-IN", anna, "TOO_SOON")
    yield Line(time(18, 30), "MAIN-IN", lena)
    yield Line(time(19, 0), "MAIN-OUT", bo)  # exits are open for everybody
    yield Line(time(20, 15), "MAIN-OUT", anna)


def at(day: date, when: time) -> datetime:
    """A time of the demo day, aware."""
    return datetime.combine(day, when, tzinfo=ZONE)


def plan(folder: Path, day: date, *, broker: str | None = None, http_port: int = 0) -> Plan:
    """The world of the demo."""
    return Plan(folder, SITE, EDGES, zone=ZONE.key, start=at(day, time(5, 30)), broker=broker, http_port=http_port)


async def seed(world: World, day: date) -> None:
    """Make schedules, rights, products and members."""
    hours = {name: [["06:00", "22:00"]] for name in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    await world.api("POST", "/api/schedules", {"id": "daily", "name": "Daily 06–22", "weekly": hours})
    for right, readers in (("gym", ["MAIN-IN", "MAIN-OUT"]), ("gym-spa", ["MAIN-IN", "MAIN-OUT", "SPA"])):
        await world.api(
            "POST", "/api/entry-rights", {"id": right, "name": right, "readers": readers, "schedule": "daily"}
        )
    for number, (product, right) in enumerate((("P-GYM", "gym"), ("P-SPA", "gym-spa")), start=2001):
        wish = {"id": product, "number": str(number), "name": product, "type": "subscription", "entry_right": right}
        await world.api("POST", "/api/products", {**wish, "sites": [SITE]})
    await world.api("PATCH", "/api/readers/MAIN-IN", {"min_interval": 120})
    for member in MEMBERS:
        await _seed_member(world, member, day)


async def _seed_member(world: World, member: Member, day: date) -> None:
    person: dict[str, Any] = await world.api(
        "POST",
        "/api/members",
        {
            "id": member.number,
            "number": member.number,
            "first_name": member.first_name,
            "last_name": member.last_name,
            "birth_date": "1990-05-15",
            "gender": member.gender,
            "email": f"{member.number.lower()}@example.org",
            "allow_sync": member.sync,
            "allow_activity_sync": member.sync,
        },
    )
    key = person["id"]
    await world.api("POST", f"/api/members/{key}/credentials", {"card": member.card})
    subscription = await world.api(
        "POST",
        "/api/subscriptions",
        {
            "person": key,
            "product": "P-SPA" if member.spa else "P-GYM",
            "site": SITE,
            "start": _day(day, -200),
            "bound_through": _day(day, 160),
            "charged_through": _day(day, member.charged),
            "auto_renew": True,
        },
    )
    if member.frozen:
        first, last = (_day(day, days) for days in member.frozen)
        await world.api("POST", f"/api/subscriptions/{subscription['id']}/freezes", {"from": first, "to": last})
    if member.blocked:
        await world.api("POST", f"/api/members/{key}/block", {})


def _day(day: date, days: int) -> str:
    return (day + timedelta(days=days)).isoformat()


async def play(world: World, day: date, show: Show, *, slowly: bool) -> dict[str, Any]:
    """Play the script and return the summary; `slowly` at a pace people can follow."""
    hands = world.hands
    if hands is None:
        raise ValueError("the day is played on the injected clock; give the plan a start")
    player = Player(world)
    unexpected: list[str] = []
    names = {member.card: f"{member.first_name} {member.last_name}" for member in MEMBERS}
    for line in script():
        hands.move_to(at(day, line.at))
        when = f"{line.at:%H:%M}"
        if line.act:
            await _act(world, line.act)
            show.line(when, None, line.act)
        else:
            tap = await player.tap(Row(hands.now, line.reader, line.card))
            who = names.get(line.card, "unknown card")
            show.line(when, tap.answer, f"{who:<16}{line.reader:<10}{'' if line.granted else line.reason}")
            if tap.answer is not line.granted:
                unexpected.append(f"{when} {line.reader} {who}: lamp said {tap.answer}, expected {line.reason}")
        await asyncio.sleep(1.0 if slowly else 0)
    await drain(world, hands, player, lambda _step: None)
    summary = await summarise(world, player, ZONE)
    wanted = Counter(line.reason for line in script() if line.card and not line.granted)
    if summary["reasons"] != dict(wanted):
        unexpected.append(f"reasons {summary['reasons']} instead of {dict(wanted)}")
    return {**summary, "kills": {}, "unexpected": unexpected, "settings": world.told_settings()}


async def _act(world: World, what: str) -> None:
    if "down" in what:
        await world.broker.kill()
    else:
        await world.broker.start()
        await world.broker.ready()

"""Plays a real access log through the whole system: each row becomes the bytes of a frame at the reader it came from.

The injected clock stands still until a tap is answered by a pin, then moves to the next row (rulings 1). It never runs
further ahead than `MAX_AHEAD` of what central has passed on: a year is played in minutes, and a visit must not become
too old for it.
"""

import asyncio
import csv
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx

from deploy.demo.checker import Tap, compare, compare_ledger
from deploy.demo.hands import ClockHands
from deploy.demo.hardware import PinChange
from deploy.demo.world import EdgePlan, EdgeRig, LanePlan, Plan, World
from edge.frames.encode import rdm6300_frame
from protocol.credential import from_import

SITE: Final = "F1"
ENTRANCE: Final = LanePlan("entrance", ("IN",), relay=17, granted_lamp=27, denied_lamp=22)
EXIT: Final = LanePlan("exit", ("OUT",), relay=None, granted_lamp=23, denied_lamp=24, kind="OUT")
EDGE: Final = EdgePlan("edge-1", (ENTRANCE, EXIT))
MAX_AHEAD: Final = timedelta(days=14)
_ANSWER_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.2
_PATIENCE: Final = 5
"""Times in a row that a living edge may leave a card unanswered."""
_DRAIN_SECONDS: Final = 120.0
_QUIET_LOOKS: Final = 10
"""Looks in a row, 0.1 s apart, at which nothing may wait: an edge may still hold an unanswered tap."""
_PAGE: Final = 1000


class Row(NamedTuple):
    """One line of the log."""

    at: datetime
    reader: str
    card: str


def read_log(path: Path, zone: ZoneInfo) -> list[Row]:
    """Read a log: columns `time` (local), `direction` (IN or OUT) and `card`; raises `ValueError` naming the line."""
    rows: list[Row] = []
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = csv.DictReader(file)
        if missing := {"time", "direction", "card"} - set(lines.fieldnames or ()):
            msg = f"{path}: column {', '.join(sorted(missing))} is missing; the header must be time,direction,card"
            raise ValueError(msg)
        for number, line in enumerate(lines, start=2):
            try:
                at = _local(line["time"]).replace(tzinfo=zone)
                from_import(line["card"] or "")
            except (ValueError, TypeError) as problem:
                msg = f"{path}, line {number}: {problem}"
                raise ValueError(msg) from problem
            if line["direction"] not in {"IN", "OUT"}:
                msg = f"{path}, line {number}: direction {line['direction']!r} is neither IN nor OUT"
                raise ValueError(msg)
            if rows and at < rows[-1].at:
                msg = f"{path}, line {number}: earlier than the line before; sort the log by time"
                raise ValueError(msg)
            rows.append(Row(at, line["direction"], line["card"]))
    if not rows:
        raise ValueError(f"{path}: has no rows; nothing to play")
    return rows


def _local(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as wrong:
        raise ValueError(f"time {text!r} is none; write it like 2026-01-31 08:15:00") from wrong


async def seed(world: World, members: Path) -> None:
    """Make the one product that opens both readers all day and gives membership, and import the members."""
    await world.api("POST", "/api/entry-rights", {"id": "all-day", "name": "All day", "readers": ["IN", "OUT"]})
    product = {"id": "gym", "number": "1001", "name": "Gym", "type": "subscription", "entry_right": "all-day"}
    await world.api("POST", "/api/products", {**product, "sites": [SITE]})
    command = ["import", "members", str(members), "--product", "gym", "--site", SITE]
    await world.command(*command, "--config", str(world.settings_file))


@dataclass
class Player:
    """Shows cards to the readers of one edge and listens to its pins."""

    world: World
    taps: list[Tap] = field(default_factory=list)
    retaps: int = 0
    before_tap: Callable[[Tap], Awaitable[None]] | None = None

    def __post_init__(self) -> None:
        """Know which lane and edge each reader belongs to."""
        self._places = {
            reader: (rig, lane)
            for rig in self.world.edges.values()
            for lane in rig.plan.lanes
            for reader in lane.readers
        }

    async def tap(self, row: Row) -> Tap:
        """Show a card until something answers."""
        tap = Tap(row.reader, row.card, row.at)
        self.taps.append(tap)
        rig, lane = self._places[row.reader]
        number = int(from_import(row.card).value, 16)
        frame = rdm6300_frame(number & 0xFFFFFFFF, number >> 32)
        if self.before_tap is not None:
            await self.before_tap(tap)
        ignored = 0
        while tap.answer is None:
            await rig.program.ready()
            _forget(rig.changes)
            starts = rig.program.starts
            self.retaps += tap.emitted > 0
            tap.emitted += 1
            rig.ports[row.reader].send(frame)
            tap.answer = await _answer(rig, lane, starts)
            ignored = ignored + 1 if tap.answer is None and rig.program.starts == starts else 0
            if ignored > _PATIENCE:
                raise RuntimeError(f"{row.reader} does not answer {tap.credential} at {row.at}; see {rig.program.log}")
        return tap


async def _answer(rig: EdgeRig, lane: LanePlan, starts: int) -> bool | None:
    """Wait for the lane's own pin; `None` when the edge has died, or nothing came for two seconds."""
    granted = lane.granted_lamp if lane.relay is None else lane.relay
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _ANSWER_SECONDS
    while loop.time() < deadline:
        try:
            async with asyncio.timeout(0.05):
                change = await rig.changes.get()
        except TimeoutError:
            rig.pins.read()
            dead = rig.program.starts != starts or rig.program.pid is None
            if dead and rig.changes.empty():
                return None
            continue
        if change.level and change.pin in {granted, lane.denied_lamp}:
            return change.pin == granted
    return None


def _forget(changes: "asyncio.Queue[PinChange]") -> None:
    while not changes.empty():
        changes.get_nowait()


@dataclass
class Progress:
    """What a long run tells while it runs."""

    done: int
    total: int
    what: str


async def play(
    world: World,
    rows: list[Row],
    player: Player,
    *,
    tell: Callable[[Progress], None],
    settled: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Play the rows, let `settled` finish what it began, then wait until everything has arrived everywhere."""
    hands = world.hands
    if hands is None:
        raise ValueError("a replay needs the injected clock; give the plan a start")
    told_day = None
    for number, row in enumerate(rows):
        if row.at.date() != told_day:
            told_day = row.at.date()
            await _let_central_follow(world, player, row.at)
            tell(Progress(number, len(rows), f"{told_day:%Y-%m-%d}"))
        hands.move_to(row.at)
        await player.tap(row)
    if settled is not None:
        await settled()
    await drain(world, hands, player, tell)


async def _let_central_follow(world: World, player: Player, now: datetime) -> None:
    """Hold the clock while central lacks a tap, or its queue holds a row, of longer than `MAX_AHEAD` ago."""
    old = sum(tap.at < now - MAX_AHEAD for tap in player.taps)
    while not await _has_followed(world, old, now - MAX_AHEAD):  # noqa: ASYNC110 - another process' progress
        await asyncio.sleep(_LOOK_SECONDS)


async def _has_followed(world: World, taps: int, since: datetime) -> bool:
    """Whether the first `taps` taps are stored, and what was queued before `since` has reached the sandbox."""
    if not world.central.is_ready:
        return False
    try:
        stored = (await world.api("GET", "/api/passages/count"))["passages"]
        oldest = (await world.api("GET", "/api/mywellness/status"))["oldest_open"]
    except (httpx.HTTPError, RuntimeError):
        return False  # killed between the two lines above: a crash run
    return stored >= taps and (oldest is None or datetime.fromisoformat(oldest) >= since)


async def drain(world: World, hands: ClockHands, player: Player, tell: Callable[[Progress], None]) -> None:
    """Let the clock run until central has every answered tap and the queue is empty; raises `TimeoutError`."""
    answered = sum(tap.answer is not None for tap in player.taps)
    quiet = 0
    async with asyncio.timeout(_DRAIN_SECONDS):
        while quiet < _QUIET_LOOKS:
            hands.advance(timedelta(seconds=2))
            await asyncio.sleep(0.1)
            status = await world.api("GET", "/api/mywellness/status")
            open_rows = sum(
                states.get(state, 0) for states in status["counts"].values() for state in ("new", "retry", "sending")
            )
            arrived = (await world.api("GET", "/api/passages/count"))["passages"]
            quiet = quiet + 1 if open_rows == 0 and arrived >= answered else 0
            tell(Progress(len(player.taps), len(player.taps), f"{arrived} at central, {open_rows} rows waiting"))


async def everything(world: World, path: str) -> list[dict[str, Any]]:
    """Read all pages of a list."""
    items: list[dict[str, Any]] = []
    after = ""
    while True:
        mark = "&" if "?" in path else "?"
        page = await world.api("GET", f"{path}{mark}limit={_PAGE}{after}")
        items += page["items"]
        if not page["next"]:
            return items
        after = f"&after={quote(page['next'])}"


async def summarise(world: World, player: Player, zone: ZoneInfo) -> dict[str, Any]:
    """Compare what was emitted and answered with what central and the sandbox hold."""
    passages = await everything(world, "/api/passages")
    visits = await everything(world, "/api/visits")
    unknown = await everything(world, "/api/mywellness/queue?state=unknown")
    members = await everything(world, "/api/members")
    skipped = await everything(world, "/api/mywellness/queue?state=skipped&action=visit")
    ledger = await world.standin("GET", "ledger")
    owners = {held["credential"]: member["id"] for member in members for held in member["credentials"]}
    delivery = compare(player.taps, sorted(passages, key=lambda each: (each["edge"], each["epoch"], each["sequence"])))
    external = {person["userId"]: person["externalId"] for person in ledger["persons"]}
    sent = compare_ledger(
        [(external[visit["userId"]], visit["visitDate"]) for visit in ledger["visits"]], player.taps, owners, zone
    )
    granted = sum(each["granted"] for each in passages)
    return {
        "passages": len(passages),
        "granted": granted,
        "denied": len(passages) - granted,
        "reasons": dict(Counter(each["reason"] for each in passages if not each["granted"])),
        "visits": len(visits),
        "re_entries": sum(each["granted"] and each["passage"] == "in" and not each["new_visit"] for each in passages),
        "visits_to_mywellness": sent.visits,
        "members_at_mywellness": sent.members,
        "visits_not_sent": dict(Counter(row["detail"] for row in skipped)),
        "unknown": len(unknown),
        "retaps": player.retaps,
        "lost": delivery.lost,
        "duplicated": delivery.duplicated,
        "inversions": delivery.inversions,
        "contradicted": delivery.contradicted,
        "sent_twice": sent.twice,
        "wrong_times": sent.wrong,
    }


def plan(folder: Path, rows: list[Row], *, database: str | None = None, broker: str | None = None) -> Plan:
    """The world of a replay: one edge with both readers, clock set before the first row."""
    start = rows[0].at - timedelta(hours=1)
    return Plan(folder, SITE, (EDGE,), start=start, database=database, broker=broker, presence_window_s=0.0)

"""Kills edge, broker and central over and over while a log is played, and says what each kill interrupted.

Every kill is SIGKILL to a process this run has started. Some strike at a random moment; some are aimed: an edge is held
at its pins between commit and pulse, central while the sandbox withholds an answer it has already written down.
"""

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from deploy.demo.checker import Tap
from deploy.demo.program import Program
from deploy.demo.replay import EDGE, Player, everything
from deploy.demo.world import World

_AIM_SECONDS: Final = 5.0
_SPREAD_SECONDS: Final = 0.012
"""A random kill strikes within this long after a card was shown: about the time a tap takes to reach the sandbox."""


class InFlight(StrEnum):
    """What a kill interrupted."""

    COMMIT_TO_PULSE = "between commit and pulse"
    COMMIT_TO_ACK = "between commit and ack"
    REQUEST_TO_ANSWER = "between request and answer"
    NOTHING = "nothing in flight"


@dataclass(frozen=True)
class Kill:
    """One kill."""

    number: int
    program: str
    tap: int
    in_flight: tuple[InFlight, ...]
    boot: str | None = None
    """The name under which a killed central was sending, if it was."""


@dataclass
class Chaos:
    """The kills of one run."""

    world: World
    player: Player
    taps: int
    seed: int
    each: int = 32
    kills: list[Kill] = field(default_factory=list)
    unexplained: int = 0
    """Visits of unknown outcome that name none of these kills."""
    _due: dict[int, list[tuple[str, bool]]] = field(default_factory=dict)
    _running: set["asyncio.Task[None]"] = field(default_factory=set)
    _busy: dict[str, asyncio.Lock] = field(default_factory=dict)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        """Spread the kills over the run: each program once in each slice of it, every other kill aimed if it can be."""
        self._random = random.Random(self.seed)  # noqa: S311 - a reproducible run, no secret
        for program in ("edge", "broker", "central"):
            self._busy[program] = asyncio.Lock()
            for number in range(self.each):
                first, last = (self.taps * (number + part) // self.each for part in (0, 1))
                tap = self._random.randrange(first, max(last, first + 1))
                self._due.setdefault(tap, []).append((program, number % 2 == 0))
        self.player.before_tap = self.before_tap

    async def before_tap(self, _tap: Tap) -> None:
        """Start the kills that are due at this tap; raises what went wrong in an earlier one."""
        for task in [each for each in self._running if each.done()]:
            self._running.discard(task)
            task.result()
        for program, aimed in self._due.pop(len(self.player.taps) - 1, []):
            match program:
                case "edge":
                    self._start(self._kill_edge(aimed=aimed))
                case "broker":
                    self._start(self._kill_broker())
                case _:
                    self._start(self._kill_central(aimed=aimed))

    async def finish(self) -> None:
        """Wait until everything that was killed has been started again."""
        await asyncio.gather(*self._running)

    def report(self) -> dict[str, Any]:
        """Return what was killed and what was in flight."""
        return {
            "seed": self.seed,
            "programs": dict(Counter(kill.program for kill in self.kills)),
            "in_flight": dict(Counter(what.value for kill in self.kills for what in kill.in_flight)),
            "taps": [min((k.tap for k in self.kills), default=0), max((k.tap for k in self.kills), default=0)],
            "list": [
                [kill.number, kill.program, kill.tap, [what.value for what in kill.in_flight]] for kill in self.kills
            ],
        }

    def kill_of(self, boot: str | None) -> int | None:
        """Return the number of the kill that ended the central process `boot`."""
        return next((kill.number for kill in self.kills if kill.boot is not None and kill.boot == boot), None)

    async def explain_unknown(self) -> dict[str, int]:
        """Return, by kill number, how many visits it left of unknown outcome; `unexplained` counts what names none."""
        named: Counter[str] = Counter()
        for row in await everything(self.world, "/api/mywellness/queue?state=unknown"):
            kill = self.kill_of(row["sender"])
            named[str(kill) if kill is not None else "none"] += 1
        self.unexplained = named["none"]
        return dict(named)

    # --- the kills ----------------------------------------------------------------------------------------------------

    async def _kill_edge(self, *, aimed: bool) -> None:
        rig = self.world.edges[EDGE.edge]
        async with self._busy["edge"]:
            await rig.program.ready()
            held = False
            if aimed:
                rig.gate.arm()
                held = await _soon(lambda: rig.gate.reached)
            else:
                await asyncio.sleep(self._random.uniform(0, _SPREAD_SECONDS))
            await self._strike(rig.program, "edge", (InFlight.COMMIT_TO_PULSE,) if held else ())
            rig.gate.disarm()
            await rig.program.start()
            await rig.program.ready()

    async def _kill_broker(self) -> None:
        async with self._busy["broker"]:
            await asyncio.sleep(self._random.uniform(0, _SPREAD_SECONDS))
            await self._strike(self.world.broker, "broker", ())
            await self.world.broker.start()
            await self.world.broker.ready()

    async def _kill_central(self, *, aimed: bool) -> None:
        async with self._busy["central"]:
            await self.world.central.ready()
            held = False
            if aimed:
                await self.world.standin("POST", "faults", {"kind": "hang_after_commit", "count": 1})
                held = await self._sandbox_withholds()
            else:
                await asyncio.sleep(self._random.uniform(0, _SPREAD_SECONDS))
            await self._strike(self.world.central, "central", (InFlight.REQUEST_TO_ANSWER,) if held else ())
            await self.world.standin("DELETE", "faults")
            await self.world.standin("POST", "release")
            await self.world.central.start()
            await self.world.central.ready()

    async def _sandbox_withholds(self) -> bool:
        for _ in range(round(_AIM_SECONDS / 0.02)):
            if any(call["committed"] for call in await self.world.standin("GET", "inflight")):
                return True
            await asyncio.sleep(0.02)
        return False

    async def _strike(self, program: Program, name: str, known: tuple[InFlight, ...]) -> None:
        """Kill, then look at what the dead left behind."""
        await program.kill()
        tap = len(self.player.taps) - 1
        what = set(known)
        boot = None
        if self._journal_end() > self._stored():
            what.add(InFlight.COMMIT_TO_ACK)
        if name == "central" and (boot := self._sender()) is not None:
            what.add(InFlight.REQUEST_TO_ANSWER)
        ordered = tuple(each for each in InFlight if each in what) or (InFlight.NOTHING,)
        self.kills.append(Kill(len(self.kills) + 1, name, tap, ordered, boot))

    def _journal_end(self) -> int:
        """Last sequence in the edge's journal: for this report only, never for what the run is judged by."""
        path = self.world.folder / EDGE.edge / "data" / "journal.db"
        return _ask(path, "SELECT coalesce(max(sequence), 0) FROM entry")

    def _stored(self) -> int:
        """Up to where central has stored the edge's newest journal."""
        return int(self._central("SELECT coalesce(max(through), 0) FROM stream") or 0)

    def _sender(self) -> str | None:
        sender: str | None = self._central("SELECT sender FROM mywellness_queue WHERE state = 'sending' LIMIT 1")
        return sender

    def _central(self, question: str) -> Any:
        engine = sa.create_engine(self.world.database, poolclass=sa.NullPool)
        with engine.connect() as connection:
            return connection.execute(sa.text(question)).scalar_one_or_none()

    def _start(self, kill: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(kill)
        self._running.add(task)


async def _soon(holds: Any) -> bool:
    for _ in range(round(_AIM_SECONDS / 0.002)):
        if holds():
            return True
        await asyncio.sleep(0.002)
    return False


def _ask(path: Path, question: str) -> int:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return int(connection.execute(question).fetchone()[0])
    finally:
        connection.close()

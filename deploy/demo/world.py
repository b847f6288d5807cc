"""A whole wellgate on one machine: broker, central, sandbox and edges as real processes, with simulated hardware.

Used by `./dev demo`, by replays and crash runs, and by the journeys of the test suite. Everything listens on loopback.
"""

import asyncio
import json
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import Signals
from typing import Any, Final

import httpx

from deploy.demo import broker as brokers
from deploy.demo.cable import Cable
from deploy.demo.hands import ClockHands
from deploy.demo.hardware import Gate, PinChange, PinWatcher, ReaderPort
from deploy.demo.pins import factory_name
from deploy.demo.program import Program

_LIST_SECONDS: Final = 20.0
FACILITY: Final = "demogym"
UNPACED: Final = {"calls_per_second": 0, "coalesce_s": 0, "first_backoff_s": 0.05}
"""No pacing, no coalescing, 50 ms back-off (rulings 23)."""
MYWELLNESS: Final = ("sandbox-key", "sandbox@club.example", "sandbox-password")


@dataclass(frozen=True)
class LanePlan:
    """A lane of an edge: its readers, and which outputs it drives (BCM numbers)."""

    lane: str
    readers: tuple[str, ...]
    relay: int | None
    granted_lamp: int | None
    denied_lamp: int | None
    kind: str = "IN"


@dataclass(frozen=True)
class EdgePlan:
    """An edge with its lanes."""

    edge: str
    lanes: tuple[LanePlan, ...]


@dataclass
class EdgeRig:
    """An edge and the hardware around it."""

    plan: EdgePlan
    program: Program
    ports: dict[str, ReaderPort]
    pins: PinWatcher
    gate: Gate
    cable: Cable | None
    changes: "asyncio.Queue[PinChange]" = field(default_factory=asyncio.Queue)


@dataclass
class Plan:
    """What a world is made of."""

    folder: Path
    site: str
    edges: Sequence[EdgePlan]
    zone: str = "Europe/Stockholm"
    start: datetime | None = None
    """Where the injected clock begins; `None` = the machine's own clock."""
    database: str | None = None
    """Address of a PostgreSQL database; SQLite in the folder otherwise."""
    broker: str | None = None
    """`mosquitto` or `embedded`; whichever this machine has when `None`."""
    http_port: int = 0
    presence_window_s: float = 1.5
    """0: every frame is a presentation of its own, as every row of a log is a swipe of its own."""
    cables: bool = False
    """Put a cable that can be pulled between each edge and the broker."""
    fast_mywellness: bool = True
    """No pacing, no coalescing, 50 ms back-off (rulings 23)."""


class World:
    """The running processes and the way to talk to them."""

    def __init__(self, plan: Plan) -> None:
        """Prepare; `open_world` starts it."""
        self.plan = plan
        self.folder = plan.folder
        self.hands: ClockHands | None = None
        self.broker_kind = plan.broker or ("mosquitto" if brokers.find_mosquitto() else "embedded")
        self.broker_port = free_port()
        self.http_port = plan.http_port or free_port()
        self.sandbox_port = free_port()
        self.edges: dict[str, EdgeRig] = {}
        self.api_key = f"demo-{secrets.token_urlsafe(24)}"
        self.broker: Program
        self.central: Program
        self.sandbox: Program
        self._http: httpx.AsyncClient

    @property
    def url(self) -> str:
        """Where central answers."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def sandbox_url(self) -> str:
        """Where the stand-in Mywellness answers."""
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def database(self) -> str:
        """Address of central's database."""
        return self.plan.database or f"sqlite:///{self.folder / 'central' / 'wellgate.db'}"

    # --- talking ------------------------------------------------------------------------------------------------------

    async def api(self, method: str, path: str, body: object = None) -> Any:
        """Ask central's API as staff; raises `RuntimeError` with the problem's words."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        answer = await self._http.request(method, f"{self.url}{path}", json=body, headers=headers)
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            msg = f"{method} {path} answered {answer.status_code}: {answer.text}"
            raise RuntimeError(msg)
        return answer.json() if answer.content else None

    async def standin(self, method: str, path: str, body: object = None) -> Any:
        """Ask the sandbox's own controls."""
        answer = await self._http.request(method, f"{self.sandbox_url}/_standin/{path}", json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def command(self, *arguments: str) -> str:
        """Run `wellgate-central …` to its end and return what it printed; raises `RuntimeError` with its words."""
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "central", *arguments],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        if process.returncode:
            msg = (
                f"wellgate-central {' '.join(arguments)} ended with {process.returncode}: {err.decode()}{out.decode()}"
            )
            raise RuntimeError(msg)
        return out.decode()

    async def edges_know(self) -> None:
        """Wait until every edge decides with the newest access list; raises `TimeoutError`."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + _LIST_SECONDS
        behind: dict[str, int] = {}
        while loop.time() < limit:
            newest = (await self.api("GET", f"/api/sites/{self.plan.site}"))["revision"]
            edges = (await self.api("GET", "/api/edges"))["items"]
            behind = {edge["id"]: edge["revision"] for edge in edges if edge["revision"] != newest}
            if not behind:
                return
            if self.hands:
                self.hands.advance(timedelta(seconds=2))  # edges report on the injected clock
            await asyncio.sleep(0.05)
        msg = f"the newest access list did not reach every edge within {_LIST_SECONDS:g} s: {behind}; see the logs"
        raise TimeoutError(msg)

    def told_settings(self) -> dict[str, Any]:
        """What this run was set to, for its summary (rulings 23)."""
        return {
            "broker": self.broker_kind,
            "database": "postgresql" if self.plan.database else "sqlite",
            "presence_window_s": self.plan.presence_window_s,
            "mywellness": UNPACED if self.plan.fast_mywellness else "defaults",
        }

    # --- building -----------------------------------------------------------------------------------------------------

    def prepare_central(self) -> None:
        """Describe central and the sandbox as programs."""
        clock: list[str | Path] = ["--clock-file", self.hands.path] if self.hands else []
        # The sandbox is never killed, so its ledger stays in memory: no sync of its own slows the run down.
        sandbox: list[str | Path] = ["sandbox", "--port", str(self.sandbox_port), "--facility", f"{FACILITY}=Demo gym"]
        log = self.folder / "sandbox.log"
        self.sandbox = Program.python("sandbox", "central", *sandbox, *clock, log=log, ready="sandbox listening")
        data = self.folder / "central"
        data.mkdir(parents=True, exist_ok=True)
        self.settings_file = data / "central.toml"
        self.settings_file.touch(mode=0o600)
        self.settings_file.write_text(self._central_toml(data))
        self.central = Program.python(
            "central", "central", "serve", "--config", self.settings_file, log=self.folder / "central.log"
        )

    def _central_toml(self, data: Path) -> str:
        key, user, password = MYWELLNESS
        settings = {
            "data": str(data),
            "database": self.database,
            "http": f"127.0.0.1:{self.http_port}",
            "broker": f"mqtt://central:{secrets.token_urlsafe(24)}@127.0.0.1:{self.broker_port}",
            "broker_files": str(self.folder / "broker"),
            "api_key": self.api_key,
            "live_open": True,
            **({"clock_file": str(self.hands.path)} if self.hands else {}),
        }
        mywellness = {
            "base_url": self.sandbox_url,
            "facility": FACILITY,
            "api_key": key,
            "username": user,
            "password": password,
            "zone": self.plan.zone,
            **(UNPACED if self.plan.fast_mywellness else {}),
        }
        return "\n".join([*_toml(settings), "[mywellness]", *_toml(mywellness)]) + "\n"

    async def make_site(self, site: dict[str, Any] | None = None) -> None:
        """Create the site with the lanes and readers of the plan."""
        place = {"id": self.plan.site, "name": "Demo gym", "zone": self.plan.zone, **(site or {})}
        await self.api("POST", "/api/sites", place)
        for edge in self.plan.edges:
            for lane in edge.lanes:
                await self.api("POST", f"/api/sites/{self.plan.site}/lanes", {"id": lane.lane, "name": lane.lane})
                for reader in lane.readers:
                    wish = {"id": reader, "lane": lane.lane, "name": reader, "kind": lane.kind}
                    await self.api("POST", f"/api/sites/{self.plan.site}/readers", wish)

    async def make_broker(self) -> None:
        """Start a broker that knows central and nobody else yet."""
        folder = self.folder / "broker"
        folder.mkdir(exist_ok=True)
        await self.write_broker_files()
        binary = brokers.find_mosquitto()
        if self.broker_kind == "mosquitto" and binary is not None:
            self.broker = brokers.mosquitto(binary, folder, self.broker_port)
        else:
            self.broker = brokers.embedded(folder, self.broker_port)
        await self.broker.start()
        await until(lambda: answers(self.broker_port), 10, "the broker")

    async def write_broker_files(self) -> None:
        """Write the broker's accounts from central's list of edges."""
        await self.command("broker-files", str(self.folder / "broker"), "--config", str(self.settings_file))

    async def make_edge(self, plan: EdgePlan, key: str) -> None:
        """Enrol an edge and write its `site.toml`; `key` is central's public key."""
        enrolment = await self.api("POST", "/api/edges", {"id": plan.edge, "site": self.plan.site})
        folder = self.folder / plan.edge
        folder.mkdir(exist_ok=True)
        settings = folder / "site.toml"
        settings.touch(mode=0o600)
        cable = Cable(self.broker_port) if self.plan.cables else None
        if cable is not None:
            await cable.open()
        gate = Gate(folder / "gate")
        settings.write_text(self._site_toml(plan, enrolment, key, cable.port if cable else self.broker_port))
        changes: asyncio.Queue[PinChange] = asyncio.Queue()
        pins = PinWatcher(folder / "pins", changes.put_nowait)
        ports = {reader: ReaderPort(folder / reader) for lane in plan.lanes for reader in lane.readers}
        program = Program.python(
            plan.edge,
            "edge",
            "run",
            "--config",
            settings,
            log=self.folder / f"{plan.edge}.log",
            environment={"WELLGATE_PINS": str(pins.path), "WELLGATE_GATE": str(gate.path)},
        )
        self.edges[plan.edge] = EdgeRig(plan, program, ports, pins, gate, cable, changes)

    def _site_toml(self, plan: EdgePlan, enrolment: dict[str, Any], public_key: str, broker_port: int) -> str:
        lines = [
            f'site = "{self.plan.site}"',
            f'edge = "{plan.edge}"',
            'data = "data"',
            f'[broker]\nhost = "127.0.0.1"\nport = {broker_port}\npassword = "{enrolment["broker_password"]}"',
            f'[central]\nurl = "{self.url}"\ntoken = "{enrolment["token"]}"\npublic_key = "{public_key}"',
            f'[gpio]\npin_factory = "{factory_name()}"',
        ]
        if self.hands:
            lines.append(f'[clock]\nfile = "{self.hands.path}"')
        for lane in plan.lanes:
            lines.append(f'[[lanes]]\nid = "{lane.lane}"')
            outputs = {"relay": lane.relay, "granted_lamp": lane.granted_lamp, "denied_lamp": lane.denied_lamp}
            lines += [f"{name} = {{pin = {pin}}}" for name, pin in outputs.items() if pin is not None]
        for lane in plan.lanes:
            for reader in lane.readers:
                port = self.folder / plan.edge / reader
                lines.append(
                    f'[[readers]]\nid = "{reader}"\nlane = "{lane.lane}"\nkind = "{lane.kind}"\n'
                    f'protocol = "rdm6300"\nport = "{port}"\npresence_window_s = {self.plan.presence_window_s}'
                )
        return "\n".join(lines) + "\n"

    async def close(self) -> None:
        """Stop everything, edges first."""
        for rig in self.edges.values():
            rig.gate.disarm()
            await rig.program.stop()
            rig.pins.close()
            if rig.cable is not None:
                await rig.cable.close()
            for port in rig.ports.values():
                port.close()
        for name in ("central", "sandbox", "broker"):
            program: Program | None = getattr(self, name, None)
            if program is not None:
                await program.stop()
        await self._http.aclose()


@asynccontextmanager
async def open_world(
    plan: Plan, *, seed: Callable[[World], Any] | None = None, site: dict[str, Any] | None = None
) -> AsyncIterator[World]:
    """Start a world: database, sandbox, central, site, `seed`, edges, broker. Everything is stopped at the end."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        world = World(plan)
        world._http = httpx.AsyncClient(timeout=30, trust_env=False)  # noqa: SLF001 - opened where it is closed
        stack.push_async_callback(world.close)
        if plan.start is not None:
            world.hands = ClockHands(plan.folder / "clock", plan.start.astimezone(UTC))
        world.prepare_central()
        await world.sandbox.start()
        await world.make_broker()
        await world.central.start()
        await world.central.ready()
        await world.make_site(site)
        if seed is not None:
            await seed(world)
        key = (await world.command("public-key", "--config", str(world.settings_file))).strip()
        for edge in plan.edges:
            await world.make_edge(edge, key)
        await world.write_broker_files()
        if world.broker_kind == "mosquitto":
            world.broker.send(Signals.SIGHUP)  # reads accounts and topics again
        await world.sandbox.ready()
        for rig in world.edges.values():
            await rig.program.start()
        for rig in world.edges.values():
            await rig.program.ready()
        await world.edges_know()
        yield world


def _toml(values: Mapping[str, object]) -> list[str]:
    return [f"{name} = {json.dumps(value)}" for name, value in values.items()]


async def until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until something holds; raises `TimeoutError` naming what did not come."""
    try:
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110 - other programs' progress
                await asyncio.sleep(0.01)
    except TimeoutError as waited:
        msg = f"{what} did not come within {seconds:g} s"
        raise TimeoutError(msg) from waited


def answers(port: int) -> bool:
    """Tell whether something listens on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Return a loopback port that nobody used a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

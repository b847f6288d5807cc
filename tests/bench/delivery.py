"""P13 and P14: from an entry on the edge's medium to central's word that it is stored, over a real broker.

The product: journal, uplink, mosquitto, and a central process that takes in with visit logic into SQLite. The floor:
one insert and commit on either side, paho with Nagle's algorithm off, and nothing else.
"""

import asyncio
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

import paho.mqtt.client as mqtt
import sqlalchemy as sa

from central.database import Database
from central.migrate import migrate
from central.schema import person
from deploy.dev.services import MOSQUITTO
from edge.clock import SystemClock
from edge.link import Broker as Address
from edge.store.journal import Journal
from edge.uplink import Inbox, Uplink
from protocol.identity import EdgeId, SiteId
from protocol.messages import Ack
from protocol.topics import EdgeTopic, edge_topic
from tests.bench import bare_central
from tests.bench.measure import Effort, Outcome, Samples, Skipped, Target, figure, interleaved, percentile, ratios
from tests.central.passages.builders import Writer, seed, taken
from tests.services import Broker, broker

MEMBERS: Final = 400
_SLICE: Final = 10
_PACE_S: Final = 0.005
_LIMIT_S: Final = 20.0
_BURSTS: Final = (1, 2, 19, 20, 21, 60)
_START: Final = datetime(2026, 3, 10, 5, tzinfo=UTC)
_SETTINGS: Final = ("max_inflight_messages 20", "set_tcp_nodelay true")
"""The window is the default; without Nagle in the broker both sides are at their best."""


def run(effort: Effort, folder: Path) -> Iterator[Outcome]:
    """Take the figures of P13 and P14."""
    if MOSQUITTO.find() is None:
        yield Skipped("P13", "edge commit → stored-ack", "mosquitto is not here; on Debian: apt-get install mosquitto")
        return
    with ExitStack() as stack:
        one = stack.enter_context(broker(settings=_SETTINGS))
        stack.enter_context(_central(folder, one))
        stack.enter_context(
            _process(
                "tests.bench.bare_central",
                one.host,
                str(one.port),
                one.username,
                one.password,
                str(folder / "bare-central.db"),
            )
        )
        edge = stack.enter_context(Edge(folder, one))
        bare = stack.enter_context(BareEdge(folder, one))
        rounds = list(interleaved(effort.rounds, edge.singles, bare.singles, slices=effort.of(8, 1)))
        pairs = [(one_round[0], one_round[1]) for one_round in rounds]
        halves = [percentile(taken_[0], 0.50) * 1e3 for taken_ in rounds]
        yield figure("P13", "edge commit → stored-ack, single entries: p50", "ms", halves, Target(15.0, gate=True))
        yield ratios("P13", "the same to the bare loop: p50", pairs, 0.50, Target(2.0))
        yield ratios("P13", "the same to the bare loop: p99", pairs, 0.99)
        bursts = [[edge.burst(size) * 1e3 for size in _BURSTS] for _ in range(effort.rounds)]
        what = f"window of 20, bursts of {', '.join(map(str, _BURSTS))} entries: slowest until all stored"
        yield figure("P14", what, "ms", [max(times) for times in bursts], Target(1_000.0, gate=True))
        singly = [_flood(one, f"edge-{turn}", 60) * 1e3 for turn in range(effort.rounds)]
        what = "window of 20, 60 messages of one entry at once: until all stored"
        yield figure("P14", what, "ms", singly, Target(1_000.0, gate=True))


# --- the product ------------------------------------------------------------------------------------------------------


@contextmanager
def _central(folder: Path, one: Broker) -> Iterator[None]:
    path = folder / "central.db"
    for leftover in folder.glob("central.db*"):
        leftover.unlink()
    database = Database(f"sqlite:///{path}")
    migrate(database)
    seed(database, edges=("edge-a", *(f"edge-{turn}" for turn in range(20))))
    database.sync_write(_add_members)
    database.close()
    with _process(
        "tests.central.ingest_process", f"sqlite:///{path}", one.host, str(one.port), one.username, one.password, "0"
    ):
        time.sleep(1.5)  # connects, subscribes, and has looked at what the broker keeps
        yield


def _add_members(connection: sa.Connection) -> None:
    connection.execute(
        person.insert(),
        [
            {"id": f"P{number}", "number": f"P{number}", "first_name": "E", "roles": [], "created_at": _START}
            for number in range(MEMBERS)
        ],
    )


def _body(number: int) -> str:
    at = _START + timedelta(seconds=number)
    return taken(at, person=f"P{number % MEMBERS}", credential=f"em40:{number % MEMBERS:010d}").model_dump_json()


class TimedJournal(Journal):
    """Notes when central's acknowledgement has come."""

    heard: dict[int, float]
    arrived: threading.Event

    def acknowledge(self, through: int, head_hash: str) -> bool:
        """Take the acknowledgement."""
        believed = super().acknowledge(through, head_hash)
        self.heard[through] = time.perf_counter()
        self.arrived.set()
        return believed


class Edge:
    """Journal and uplink on a loop of their own."""

    def __init__(self, folder: Path, one: Broker) -> None:
        """Prepare an edge that logs in at `one`."""
        for leftover in folder.glob("journal.*"):
            leftover.unlink()
        self._path = folder / "journal.db"
        self._broker = one
        self._runner = asyncio.Runner()
        self._numbers = 0

    def __enter__(self) -> Self:
        """Connect."""
        self._runner.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of everything."""
        self._runner.run(self._close())
        self._runner.close()

    def singles(self) -> Samples:
        """Append entries one after the other, each when the last one is acknowledged."""
        return [self._runner.run(self._burst(1)) for _ in range(_SLICE)]

    def burst(self, size: int) -> float:
        """Append entries at once; return the seconds from the last on the medium to all acknowledged."""
        return self._runner.run(self._burst(size))

    async def _burst(self, size: int) -> float:
        await asyncio.sleep(_PACE_S)
        journal = self._journal
        for _ in range(size):
            self._numbers += 1
            journal.append(lambda _sequence, _event: _body(self._numbers))
        last = journal.last
        async with asyncio.timeout(_LIMIT_S):
            while journal.acknowledged < last:
                self._stirred.clear()
                await self._stirred.wait()
        return journal.heard[last] - self._committed_at[last]

    async def _open(self) -> None:
        self._committed_at: dict[int, float] = {}
        self._stirred = asyncio.Event()
        clock = SystemClock()
        uplinks: list[Uplink] = []

        def committed(through: int) -> None:
            self._committed_at[through] = time.perf_counter()
            if uplinks:
                uplinks[0].wake(through)

        self._journal = TimedJournal.open(self._path, edge=EdgeId("edge-a"), clock=clock, on_commit=committed)
        self._journal.heard = {}
        self._journal.arrived = self._stirred  # type: ignore[assignment]
        one = self._broker
        uplink = Uplink(
            Address(one.host, one.port, one.username, one.password),
            edge=EdgeId("edge-a"),
            site=SiteId("F1"),
            version="bench",
            journal=self._journal,
            revision=lambda: 1,
            clock=clock,
            rng=random.Random(1),  # noqa: S311 – jitter of a measurement
            inbox=Inbox(lambda _: None, lambda _: None, lambda _: None),
        )
        uplinks.append(uplink)
        self._running = asyncio.create_task(uplink.run())
        async with asyncio.timeout(_LIMIT_S):
            while not uplink.online:  # noqa: ASYNC110 – it tells nobody when
                await asyncio.sleep(0.01)

    async def _close(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        self._journal.close()


def _flood(one: Broker, edge: str, count: int) -> float:
    """Publish a journal as messages of one entry each, all at once; return the seconds until all are acknowledged."""
    writer = Writer(edge=edge)
    for number in range(count):
        writer.add(_body(number))
    payloads = [writer.batch(number, number) for number in range(1, count + 1)]
    done = threading.Event()

    def heard(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        if Ack.model_validate_json(message.payload).through >= count:
            done.set()

    with connected(one, f"flood-{edge}", edge_topic(edge, EdgeTopic.ACK), heard) as client:
        started = time.perf_counter()
        for payload in payloads:
            client.publish(edge_topic(edge, EdgeTopic.EVENTS), payload, qos=1)
        if not done.wait(_LIMIT_S):
            raise RuntimeError(f"central did not store {count} messages of {edge} within {_LIMIT_S:g} s: it stalls")
        return time.perf_counter() - started


# --- the floor --------------------------------------------------------------------------------------------------------


class BareEdge:
    """Insert, commit, publish, wait for the number to come back."""

    def __init__(self, folder: Path, one: Broker) -> None:
        """Prepare."""
        path = folder / "bare-edge.db"
        for leftover in folder.glob("bare-edge.db*"):
            leftover.unlink()
        self._file = bare_central.opened(path)
        self._broker = one
        self._numbers = 0
        self._heard: tuple[int, float] = (0, 0.0)
        self._news = threading.Event()

    def __enter__(self) -> Self:
        """Connect."""
        self._stack = ExitStack()
        self._client = self._stack.enter_context(
            connected(self._broker, "bare-edge", bare_central.DOWN, self._on_message)
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of everything."""
        self._stack.close()
        self._file.close()

    def singles(self) -> Samples:
        """As the product's."""
        return [self._single() for _ in range(_SLICE)]

    def _single(self) -> float:
        time.sleep(_PACE_S)
        self._numbers += 1
        number, body = self._numbers, _body(self._numbers)
        self._file.execute("INSERT INTO entry VALUES (?, ?)", (number, body))
        started = time.perf_counter()
        self._client.publish(bare_central.UP, f"{number} {body}".encode(), qos=1)
        while self._heard[0] < number:
            if not self._news.wait(_LIMIT_S):
                raise RuntimeError("the bare central does not answer")
            self._news.clear()
        return self._heard[1] - started

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        self._heard = (int(message.payload), time.perf_counter())
        self._news.set()


@contextmanager
def connected(one: Broker, name: str, topic: str, heard: mqtt.CallbackOnMessage) -> Iterator[mqtt.Client]:
    """A paho client with a subscription, its thread running."""
    client = bare_central.client(name, one.username, one.password)
    subscribed = threading.Event()
    client.on_message = heard
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect(one.host, one.port)
    client.loop_start()
    client.subscribe(topic, qos=1)
    if not subscribed.wait(_LIMIT_S):
        raise RuntimeError(f"the broker did not take the subscription of {name}")
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[None]:
    """Run a module that says READY."""
    process = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        if process.stdout.readline() != "READY\n":
            raise RuntimeError(f"{module} did not start; its words stand above")
        yield
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()

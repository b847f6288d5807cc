"""The consumer over a real broker: what edges publish is stored once and in order, whatever is killed meanwhile."""

import asyncio
import json
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from central.alarms import list_alarms
from central.broker import BrokerAddress
from central.changes import Unit
from central.database import Database
from central.fleet.broker import CENTRAL, Account, topic_file
from central.ingest import Ingest
from central.passages.service import StoredBatch, store_batch
from central.schema import alarm, edge, entry, quarantine
from protocol.identity import EdgeId
from protocol.messages import Ack, Birth, Death, Health, Rewind
from protocol.topics import EdgeTopic, edge_topic
from tests import services
from tests.central.passages.builders import Central, Writer, local, minutes, seed
from tests.services import Broker

LIMIT = 15.0


class FakeEdge:
    """An edge that publishes what a test tells it to, and keeps what it hears."""

    def __init__(self, broker: Broker, name: str = "edge-a") -> None:
        self.name = name
        self.heard: list[tuple[str, bytes]] = []
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=f"fake-{name}", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.username_pw_set(broker.username, broker.password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._connected
        self._client.on_message = self._received
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, topic: EdgeTopic | str, payload: bytes, *, retain: bool = False, qos: int = 1) -> None:
        self._client.publish(f"wellgate/v1/edge/{self.name}/{topic}", payload, qos, retain)

    def acks(self) -> list[Ack]:
        return [Ack.model_validate_json(payload) for topic, payload in self.heard if topic.endswith("/ack")]

    def rewinds(self) -> list[Rewind]:
        return [Rewind.model_validate_json(payload) for topic, payload in self.heard if topic.endswith("/rewind")]

    def through(self) -> int:
        return max((ack.through for ack in self.acks()), default=-1)

    def _connected(self, client: Client, *_: object) -> None:
        for topic in (EdgeTopic.ACK, EdgeTopic.REWIND):
            client.subscribe(edge_topic(self.name, topic), options=SubscribeOptions(qos=1))

    def _received(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload)))


@pytest.fixture
def central(database: Database) -> Central:
    seed(database)
    return Central(database)


@pytest.fixture
def fake_edge(mosquitto: Broker) -> Iterator[FakeEdge]:
    one = FakeEdge(mosquitto)
    yield one
    one.close()


def make_ingest(central: Central, broker: Broker, store: Callable[..., StoredBatch] | None = None) -> Ingest:
    def take(unit: Unit, edge_id: EdgeId, payload: bytes) -> StoredBatch:
        return store_batch(unit, edge_id, payload, central.enqueue)

    address = BrokerAddress(broker.host, broker.port, broker.username, broker.password)
    return Ingest(address, central.units, store or take)


@asynccontextmanager
async def running(ingest: Ingest) -> AsyncIterator[Ingest]:
    task = asyncio.create_task(ingest.run())
    try:
        await until(lambda: ingest.connected)
        await asyncio.sleep(0.1)  # the subscriptions are on their way
        yield ingest
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until(is_so: Callable[[], Any]) -> None:
    deadline = time.monotonic() + LIMIT  # noqa: TID251 - waits for real programs
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to pass"  # noqa: TID251 - see above
        await asyncio.sleep(0.02)


def written(count: int, edge: str = "edge-a", epoch: str = "00000000000000aa") -> Writer:
    writer = Writer(edge, epoch)
    for at in minutes("2026-03-10 09:00", count):
        writer.read(at)
    return writer


def stored(central: Central, name: str = "edge-a") -> list[int]:
    question = sa.select(entry.c.sequence).where(entry.c.edge == name).order_by(entry.c.sequence)
    return [int(str(row[0])) for row in central.rows(question)]


def alarms(central: Central) -> list[tuple[str, str]]:
    return [(one.kind, one.subject) for one in central.database.sync_read(list_alarms)]


def birth(writer: Writer, **differs: object) -> bytes:
    values: dict[str, object] = {
        "v": 1,
        "site": "F1",
        "version": "0.1.0",
        "boot": "boot-1",
        "epoch": writer.epoch,
        "acknowledged": 0,
        "last": len(writer.entries),
        "revision": 7,
        "clock": "trusted",
        "at": local("2026-03-10 09:00").isoformat(),
        **differs,
    }
    return Birth.model_validate_json(json.dumps(values)).model_dump_json().encode()


async def test_batches_are_acknowledged_when_stored_and_the_last_ack_is_kept_for_who_comes_later(
    central: Central, mosquitto: Broker, fake_edge: FakeEdge
) -> None:
    writer = written(120)
    async with running(make_ingest(central, mosquitto)):
        for first in (1, 51, 101):
            fake_edge.say(EdgeTopic.EVENTS, writer.batch(first, min(first + 49, 120)))
        await until(lambda: fake_edge.through() == 120)
        later = FakeEdge(mosquitto)
        await until(lambda: later.through() == 120)
        later.close()
    assert stored(central) == list(range(1, 121))
    assert [ack.through for ack in fake_edge.acks()] == [50, 100, 120]
    assert later.acks()[0].head_hash == writer.entries[-1].hash


async def test_the_same_gap_three_times_asks_to_rewind(
    central: Central, mosquitto: Broker, fake_edge: FakeEdge
) -> None:
    writer = written(6)
    async with running(make_ingest(central, mosquitto)):
        for _ in range(3):
            fake_edge.say(EdgeTopic.EVENTS, writer.batch(5, 6))
        await until(fake_edge.rewinds)
        assert [(one.epoch, one.resume) for one in fake_edge.rewinds()] == [(writer.epoch, 1)]
        assert [ack.through for ack in fake_edge.acks()] == [0, 0, 0]
        fake_edge.say(EdgeTopic.EVENTS, writer.batch())
        await until(lambda: fake_edge.through() == 6)
    assert alarms(central) == [("gap", "edge-a")]


async def test_an_edge_that_was_promised_more_than_central_has_is_asked_to_rewind(
    central: Central, mosquitto: Broker, fake_edge: FakeEdge
) -> None:
    writer = written(5)
    central.store(writer.batch(1, 2))
    async with running(make_ingest(central, mosquitto)):
        fake_edge.say(EdgeTopic.STATE, birth(writer, acknowledged=4), retain=True)
        await until(fake_edge.rewinds)
    assert [one.resume for one in fake_edge.rewinds()] == [3]
    assert fake_edge.through() == 2


async def test_births_deaths_and_health_are_known_also_from_before_central_came(
    central: Central, mosquitto: Broker, fake_edge: FakeEdge
) -> None:
    state = sa.select(edge.c.online, edge.c.revision, edge.c.boot).where(edge.c.id == "edge-a")
    fake_edge.say(EdgeTopic.STATE, birth(Writer()), retain=True)
    await asyncio.sleep(0.2)
    async with running(make_ingest(central, mosquitto)):
        await until(lambda: central.rows(state) == [(True, 7, "boot-1")])
        health = Health.model_validate_json(
            '{"v":1,"at":"2026-03-10T09:00:00Z","waiting":3,"revision":8,"clock":"trusted","disk_free":9,"readers":{},'
            '"problems":["disk 95 % full"]}'
        )
        fake_edge.say(EdgeTopic.HEALTH, health.model_dump_json().encode(), qos=0)
        await until(lambda: alarms(central) == [("edge_problem", "edge-a")])
        fake_edge.say(EdgeTopic.STATE, Death(boot="boot-0").model_dump_json().encode(), retain=True)
        fake_edge.say(EdgeTopic.STATE, Death(boot="boot-1").model_dump_json().encode(), retain=True)
        await until(lambda: central.rows(state) == [(False, 8, "boot-1")])


async def test_of_what_an_edge_says_of_its_health_behind_a_batch_only_the_last_word_is_written(
    central: Central, mosquitto: Broker, fake_edge: FakeEdge
) -> None:
    begun, released = threading.Event(), threading.Event()

    def take(unit: Unit, edge_id: EdgeId, payload: bytes) -> StoredBatch:
        begun.set()
        assert released.wait(LIMIT)
        return store_batch(unit, edge_id, payload, central.enqueue)

    told = sa.select(alarm.c.times, alarm.c.detail)
    door = written(1)
    async with running(make_ingest(central, mosquitto, take)):
        fake_edge.say(EdgeTopic.EVENTS, door.batch())
        await until(begun.is_set)
        for waiting in (3, 2, 1):
            health = Health.model_validate_json(
                f'{{"v":1,"at":"2026-03-10T09:00:00Z","waiting":{waiting},"revision":8,"clock":"trusted",'
                f'"disk_free":9,"readers":{{}},"problems":["{waiting} left"]}}'
            )
            fake_edge.say(EdgeTopic.HEALTH, health.model_dump_json().encode(), qos=0)
        await asyncio.sleep(0.3)  # they have come, and stand behind the batch
        released.set()
        await until(lambda: central.rows(told))
        fake_edge.say(EdgeTopic.STATE, birth(door, revision=9), retain=True)
        await until(lambda: central.rows(sa.select(edge.c.revision).where(edge.c.id == "edge-a")) == [(9,)])
    assert central.rows(told) == [(1, "1 left")]
    assert stored(central) == [1]


async def test_what_is_no_batch_and_what_is_no_topic_give_one_line_each_and_lose_nothing_else(
    central: Central, mosquitto: Broker, fake_edge: FakeEdge, caplog: pytest.LogCaptureFixture
) -> None:
    writer = written(2)
    async with running(make_ingest(central, mosquitto)):
        fake_edge.say(EdgeTopic.EVENTS, b"not json")
        fake_edge.say(EdgeTopic.EVENTS, b"x" * 70_000)
        fake_edge.say("lift/7", b"going up")
        fake_edge.say(EdgeTopic.STATE, b"{}")
        fake_edge.say(EdgeTopic.EVENTS, writer.batch())
        await until(lambda: fake_edge.through() == 2)
        await until(lambda: len(central.rows(sa.select(quarantine.c.id))) == 4)
    lines = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(lines) == 4
    assert any("wellgate/v1/edge/edge-a/lift/7" in line for line in lines)
    assert any("70000 bytes" in line for line in lines)
    assert sorted(alarms(central)) == [("refused_message", "edge-a"), ("unknown_topic", "edge-a")]


async def test_messages_left_with_the_broker_are_cleared_and_reported(
    central: Central, mosquitto: Broker, fake_edge: FakeEdge
) -> None:
    fake_edge.say(EdgeTopic.COMMANDS, b"old order", retain=True)
    await asyncio.sleep(0.2)
    async with running(make_ingest(central, mosquitto)):
        fake_edge.say(EdgeTopic.EVENTS, written(1).batch(), retain=True)
        await until(lambda: len(alarms(central)) == 2)
        await until(lambda: fake_edge.through() == 1)
        await asyncio.sleep(0.2)
    watcher = FakeEdge(mosquitto, "watcher")
    watcher._client.subscribe("wellgate/v1/edge/edge-a/#", options=SubscribeOptions(qos=0))
    await asyncio.sleep(0.3)
    watcher.close()
    assert [topic.rpartition("/")[2] for topic, _ in watcher.heard] == ["ack"]
    assert stored(central) == [1]


async def test_a_broker_killed_and_started_again_is_found_again_and_nothing_is_stored_twice(
    central: Central, mosquitto: Broker, fake_edge: FakeEdge
) -> None:
    writer = written(4)
    connects: list[int] = []

    async def connected() -> None:
        connects.append(1)

    ingest = make_ingest(central, mosquitto)
    ingest.on_connected(connected)
    async with running(ingest):
        fake_edge.say(EdgeTopic.EVENTS, writer.batch(1, 2))
        await until(lambda: fake_edge.through() == 2)
        mosquitto.kill()
        await until(lambda: not ingest.connected)
        assert await ingest.publish("wellgate/v1/site/F1/access", b"{}") is False
        mosquitto.start()
        await until(lambda: ingest.connected and fake_edge._client.is_connected())
        await asyncio.sleep(0.2)
        fake_edge.say(EdgeTopic.EVENTS, writer.batch(1, 4))
        await until(lambda: fake_edge.through() == 4)
        assert await ingest.publish("wellgate/v1/site/F1/access", b"{}", retain=True) is True
    assert stored(central) == [1, 2, 3, 4]
    assert len(connects) == 2


async def test_two_consumers_share_the_work_and_keep_the_order_of_every_edge(
    database: Database, mosquitto: Broker
) -> None:
    names = ("edge-a", "edge-b")
    seed(database)
    first, second = Central(database), Central(database)
    edges = {name: FakeEdge(mosquitto, name) for name in names}
    writers = {name: written(200, edge=name) for name in names}
    handed: dict[str, list[EdgeId]] = {"first": [], "second": []}

    def counting(central: Central, taken: list[EdgeId]) -> Ingest:
        def store(unit: Unit, edge_id: EdgeId, payload: bytes) -> StoredBatch:
            taken.append(edge_id)
            return store_batch(unit, edge_id, payload, central.enqueue)

        return make_ingest(central, mosquitto, store)

    one, other = counting(first, handed["first"]), counting(second, handed["second"])
    async with running(one), running(other):
        for start in range(1, 200, 10):
            for name in names:
                edges[name].say(EdgeTopic.EVENTS, writers[name].batch(start, start + 9))
            await asyncio.sleep(0.02)
        for name in names:
            await resend_until_through(edges[name], writers[name])
    for name in names:
        edges[name].close()
        assert stored(first, name) == list(range(1, 201))
    assert handed["first"]
    assert handed["second"]
    assert len(first.visits()) == 1


async def test_central_takes_in_with_the_topics_that_its_broker_account_allows(
    central: Central, tmp_path: Path
) -> None:
    topics = tmp_path / "topics"
    topics.write_text(topic_file([Account("edge-a", "F1", "")]))
    topics.chmod(0o600)
    users = {CENTRAL: "central", "edge-a": "edge"}
    with services.broker(users=users, settings=[f"acl_file {topics}"]) as confined:
        watched = FakeEdge(replace(confined, username="edge-a", password="edge"))
        async with running(make_ingest(central, replace(confined, username=CENTRAL, password="central"))):
            watched.say(EdgeTopic.STATE, birth(written(2)), retain=True)
            await until(lambda: watched.through() == 0)
            watched.say(EdgeTopic.EVENTS, written(2).batch(), retain=True)
            await until(lambda: watched.through() == 2)
            await until(lambda: alarms(central) == [("foreign_retained", "wellgate/v1/edge/edge-a/events")])
        watched.close()


async def test_a_consumer_killed_between_commit_and_ack_has_stored_what_its_successor_acknowledges(
    central: Central, database: Database, mosquitto: Broker, fake_edge: FakeEdge
) -> None:
    url = database.url.render_as_string(hide_password=False)
    writer = written(9)
    writer.read("2026-03-10 10:00", "RD-OUT")
    writer.read("2026-03-10 11:00")
    async with consumer(url, mosquitto, deaths=2) as mortal:
        fake_edge.say(EdgeTopic.EVENTS, writer.batch(1, 4))
        await until(lambda: fake_edge.through() == 4)
        fake_edge.say(EdgeTopic.EVENTS, writer.batch(5, 11))
        assert await asyncio.wait_for(mortal.wait(), LIMIT) == -signal.SIGKILL
    assert stored(central) == list(range(1, 12))
    assert fake_edge.through() == 4
    async with consumer(url, mosquitto, deaths=0):
        await resend_until_through(fake_edge, writer)
    assert stored(central) == list(range(1, 12))
    assert fake_edge.acks()[-1].head_hash == writer.entries[-1].hash
    assert central.visits() == [("09:00", "10:00"), ("11:00", None)]
    assert central.queued() == [("09:00", "new"), ("11:00", "new")]


@asynccontextmanager
async def consumer(url: str, broker: Broker, *, deaths: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that takes in, and dies by SIGKILL after so many commits."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.central.ingest_process",
        url,
        broker.host,
        str(broker.port),
        broker.username,
        broker.password,
        str(deaths),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), LIMIT) == b"READY\n"
    await asyncio.sleep(0.5)  # connects and subscribes
    yield process
    if process.returncode is None:
        process.kill()
        await process.wait()


async def resend_until_through(one: FakeEdge, writer: Writer) -> None:
    """Do what an edge does: send again what was not acknowledged, in small pieces."""
    last = len(writer.entries)
    deadline = time.monotonic() + LIMIT  # noqa: TID251 - waits for real programs
    while one.through() < last:
        assert time.monotonic() < deadline, "the stream did not drain"  # noqa: TID251 - see above
        before = one.through()
        await asyncio.sleep(0.3)
        if one.through() == before:
            start = max(before, 0) + 1
            one.say(EdgeTopic.EVENTS, writer.batch(start, min(start + 49, last)))

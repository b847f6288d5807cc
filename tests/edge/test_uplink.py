"""The line to central over a real broker: nothing lost, nothing out of order, whoever falls over."""

import asyncio
import logging
import random
import socket
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.link import Broker as Line
from edge.store.journal import Journal
from edge.uplink import Inbox, Uplink
from protocol.identity import EdgeId, SiteId
from protocol.messages import Ack, Birth, Command, Death, Health, Notice, Open, Revision, Signed
from protocol.topics import EdgeTopic, SiteTopic, edge_topic, site_topic
from tests import services
from tests.edge.receiver import Receiver
from tests.fakes import FakeClock
from tests.services import Broker

EDGE, SITE = EdgeId("edge-1"), SiteId("F1")
NOW = FakeClock().wall


class Edge:
    """Journal and uplink, put together as the agent does."""

    def __init__(self, folder: Path, broker: Broker, username: str | None = None) -> None:
        self.commands: list[Command] = []
        self.revisions: list[Revision] = []
        self.deltas: list[Signed] = []
        self.journal = Journal.open(folder / "journal.db", edge=EDGE, clock=SystemClock(), on_commit=self.committed)
        self.uplink = Uplink(
            Line(broker.host, broker.port, username or broker.username, broker.password),
            edge=EDGE,
            site=SITE,
            version="0.1.0",
            journal=self.journal,
            revision=lambda: 12,
            clock=SystemClock(),
            rng=random.Random(1),  # noqa: S311 – jitter
            inbox=Inbox(self.commands.append, self.revisions.append, self.deltas.append),
        )

    def committed(self, through: int) -> None:
        self.uplink.wake(through)

    def append(self, count: int = 1) -> None:
        entries = [
            self.journal.append(lambda n, e: f'{{"n":{n},"id":"{e}","rest":"{"x" * 300}"}}') for _ in range(count)
        ]
        entries[-1].committed.result(20)


BUFFER = """
import sys
from pathlib import Path
from edge.clock import SystemClock
from edge.store.journal import Journal

journal = Journal.open(Path(sys.argv[1]), edge="edge-1", clock=SystemClock())
entries = [journal.append(lambda n, e: '{"id":"%s"}' % e) for _ in range(1000)]
entries[-1].committed.result()
print("buffered", flush=True)
sys.stdin.read()
"""


def buffer_1000_and_be_killed(path: Path) -> None:
    """An edge without a network writes 1 000 entries, then kill -9."""
    command = [sys.executable, "-c", BUFFER, str(path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"buffered\n"
        process.kill()


@asynccontextmanager
async def connected(folder: Path, broker: Broker, username: str | None = None) -> AsyncIterator[Edge]:
    """An edge with its line being kept; ends in an orderly way."""
    edge = Edge(folder, broker, username)
    running = asyncio.create_task(edge.uplink.run())
    try:
        yield edge
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        edge.journal.close()


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 – over processes and threads there is no event
            await asyncio.sleep(0.005)


async def test_entries_reach_central_in_order_and_are_acknowledged(tmp_path: Path, mosquitto: Broker) -> None:
    with Receiver(mosquitto) as central:
        async with connected(tmp_path, mosquitto) as edge:
            await until(lambda: edge.uplink.online)
            for _ in range(20):
                edge.append()
                await asyncio.sleep(0)
            await until(lambda: edge.journal.acknowledged == 20)
            assert [n for n, _ in central.entries()] == list(range(1, 21))
            assert edge.uplink.problems() == ()


@pytest.mark.req("A-49")
async def test_1000_events_buffered_offline_kill_9_restart_and_reconnect_arrive_as_1000_distinct_ids(
    tmp_path: Path, mosquitto: Broker
) -> None:
    await asyncio.to_thread(buffer_1000_and_be_killed, tmp_path / "journal.db")
    with Receiver(mosquitto) as central:
        async with connected(tmp_path, mosquitto) as edge:
            await until(lambda: edge.journal.acknowledged == 1000)
        assert len(central.event_ids()) == 1000
        assert len(set(central.event_ids())) == 1000
        assert [n for n, _ in central.entries()] == list(range(1, 1001))


async def test_a_broker_killed_and_restarted_loses_nothing_and_changes_no_order(
    tmp_path: Path, mosquitto: Broker
) -> None:
    with Receiver(mosquitto) as central:
        async with connected(tmp_path, mosquitto) as edge:
            await until(lambda: edge.uplink.online)
            for _ in range(3):
                edge.append(60)
                await asyncio.to_thread(mosquitto.kill)
                edge.append(60)
                await until(lambda: any("lost" in p or "not answer" in p for p in edge.uplink.problems()))
                assert not edge.uplink.online
                await asyncio.to_thread(mosquitto.start)
            await until(lambda: edge.journal.acknowledged == 360, 40)
            assert [n for n, _ in central.entries()] == list(range(1, 361))


async def test_a_broker_that_starts_late_is_found(tmp_path: Path, mosquitto: Broker) -> None:
    mosquitto.kill()
    async with connected(tmp_path, mosquitto) as edge:
        edge.append()
        await until(lambda: any("does not answer" in p for p in edge.uplink.problems()))
        await asyncio.to_thread(mosquitto.start)
        with Receiver(mosquitto):
            await until(lambda: edge.journal.acknowledged == 1)


async def test_a_restarted_central_takes_up_where_its_database_ends(tmp_path: Path, mosquitto: Broker) -> None:
    async with connected(tmp_path, mosquitto) as edge:
        with Receiver(mosquitto) as central:
            edge.append(120)
            await until(lambda: edge.journal.acknowledged == 120)
        edge.append(120)
        await until(lambda: "central is not connected to the broker" in edge.uplink.problems())
        assert edge.journal.acknowledged == 120
        with Receiver(mosquitto, central.streams) as again:
            again.acknowledge(EDGE, edge.journal.epoch)
            await until(lambda: edge.journal.acknowledged == 240, 4)  # at once, not after five seconds of patience
            assert [n for n, _ in again.entries()] == list(range(1, 241))
        assert edge.uplink.problems() == ()


async def test_a_receipt_of_the_broker_without_central_acknowledges_nothing(tmp_path: Path, mosquitto: Broker) -> None:
    async with connected(tmp_path, mosquitto) as edge:
        edge.append()
        await until(lambda: "central is not connected to the broker" in edge.uplink.problems())
        assert edge.journal.acknowledged == 0


async def test_a_broker_that_refuses_our_topic_is_an_alarm_and_loses_nothing(tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    own = edge_topic(EDGE, EdgeTopic.STATE).rpartition("/")[0]
    acl.write_text(
        f"user edge-1\ntopic read {own}/#\ntopic read {site_topic(SITE, SiteTopic.ACCESS)}\n"
        f"topic read {site_topic(SITE, SiteTopic.DELTAS)}\ntopic write {own}/state\n"
    )
    acl.chmod(0o644)
    with services.broker(users={"edge-1": "wellgate"}, settings=[f"acl_file {acl}"]) as broker:
        async with connected(tmp_path, broker, "edge-1") as edge:
            edge.append()
            await until(lambda: any("broker refuses what edge-1 publishes" in p for p in edge.uplink.problems()))
            assert "Not authorized" in " ".join(edge.uplink.problems())
            assert edge.journal.acknowledged == 0
            assert edge.uplink.online


async def test_a_wrong_password_is_told_and_tried_again(tmp_path: Path, mosquitto: Broker) -> None:
    async with connected(tmp_path, mosquitto, "somebody") as edge:
        await until(lambda: any("refuses somebody: Not authorized" in p for p in edge.uplink.problems()))
        assert not edge.uplink.online


async def test_no_more_than_two_batches_are_under_way_and_none_has_more_than_fifty(
    tmp_path: Path, mosquitto: Broker
) -> None:
    with Receiver(mosquitto) as central:
        central.deaf = True
        async with connected(tmp_path, mosquitto) as edge:
            edge.append(500)
            await until(lambda: len(edge.uplink._delivery.under_way) == 2)
            await asyncio.sleep(0.2)
            assert edge.uplink._delivery.under_way == ((1, 50), (51, 100))


async def test_a_backlog_larger_than_the_brokers_in_flight_window_drains_without_a_stall(tmp_path: Path) -> None:
    with services.broker(settings=["max_inflight_messages 20"]) as broker, Receiver(broker) as central:
        async with connected(tmp_path, broker) as edge:
            edge.append(3000)
            await until(lambda: edge.journal.acknowledged == 3000)
            assert all(last - first < 50 for first, last in central.messages)
            for count in range(1, 30):  # and however few there are
                edge.append()
                await until(lambda count=count: edge.journal.acknowledged == 3000 + count, 5)  # type: ignore[misc]


async def test_nagles_algorithm_is_off(tmp_path: Path, mosquitto: Broker) -> None:
    async with connected(tmp_path, mosquitto) as edge:
        await until(lambda: edge.uplink.online)
        assert edge.uplink._link is not None
        connection = edge.uplink._link.socket
        assert connection is not None
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


async def test_an_entry_is_acknowledged_within_15_ms_of_its_commit(tmp_path: Path, mosquitto: Broker) -> None:
    loop = asyncio.get_running_loop()
    with Receiver(mosquitto) as central:
        async with connected(tmp_path, mosquitto) as edge:
            await until(lambda: edge.uplink.online)
            times: list[float] = []
            for count in range(1, 61):
                entry = edge.journal.append(lambda _n, e: f'{{"id":"{e}"}}')
                await asyncio.wrap_future(entry.committed)
                start = loop.time()
                while edge.journal.acknowledged < count:  # noqa: ASYNC110 – measures
                    await asyncio.sleep(0)
                times.append(loop.time() - start)
            assert central.through_of(EDGE) == 60
            assert statistics.median(times) < 0.015


async def test_a_rewind_is_obeyed_once(tmp_path: Path, mosquitto: Broker) -> None:
    with Receiver(mosquitto) as central:
        async with connected(tmp_path, mosquitto) as edge:
            edge.append(80)
            await until(lambda: edge.journal.acknowledged == 80)
            epoch = edge.journal.epoch
            with central.changed:  # the database is put back to where it was after entry 30
                del central.streams[EDGE, epoch].entries[30:]
            central.rewind(EDGE, epoch, 31, "r-1")
            assert await asyncio.to_thread(central.wait_for, 80)
            await until(lambda: edge.journal.acknowledged == 80)
            batches = len(central.messages)
            central.rewind(EDGE, epoch, 31, "r-1")
            central.rewind(EDGE, "0" * 16, 1, "r-2")
            await asyncio.sleep(0.2)
            assert len(central.messages) == batches
            assert [n for n, _ in central.entries()] == list(range(1, 81))


async def test_an_acknowledgement_of_another_epoch_is_an_alarm_and_frees_nothing(
    tmp_path: Path, mosquitto: Broker
) -> None:
    with Receiver(mosquitto) as central:
        central.deaf = True
        async with connected(tmp_path, mosquitto) as edge:
            edge.append(3)
            foreign = Ack(epoch="ab" * 8, through=3, head_hash="0" * 32)
            central.client.publish(edge_topic(EDGE, EdgeTopic.ACK), foreign.model_dump_json(), qos=1, retain=True)
            await until(lambda: any("acknowledges epoch abab" in p for p in edge.uplink.problems()))
            assert edge.journal.acknowledged == 0


async def test_birth_and_death_are_left_with_the_broker(tmp_path: Path, mosquitto: Broker) -> None:
    with Receiver(mosquitto) as central:
        async with connected(tmp_path, mosquitto) as edge:
            edge.append(2)
            await until(lambda: central.states)
            birth = central.states[0]
            assert isinstance(birth, Birth)
            assert (birth.epoch, birth.boot, birth.revision) == (edge.journal.epoch, edge.journal.boot, 12)
            boot = edge.journal.boot
        await until(lambda: central.states[-1] == Death(boot=boot))


async def test_what_central_says_gets_to_whom_it_concerns_and_rubbish_to_the_log(
    tmp_path: Path, mosquitto: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    command = Command(id="c-1", expires_at=NOW + timedelta(seconds=5), order=Open(lane="L1"))
    signed = Signed(body="{}", signature="x")
    with Receiver(mosquitto) as central, caplog.at_level(logging.ERROR):
        async with connected(tmp_path, mosquitto) as edge:
            await until(lambda: edge.uplink.online)
            publish = central.client.publish
            publish(edge_topic(EDGE, EdgeTopic.COMMANDS), b"\xff not ours", qos=1)
            publish(edge_topic(EDGE, EdgeTopic.COMMANDS), command.model_dump_json(), qos=1)
            publish(site_topic(SITE, SiteTopic.ACCESS), Revision(revision=13).model_dump_json(), qos=1, retain=True)
            publish(site_topic(SITE, SiteTopic.DELTAS), signed.model_dump_json(), qos=1)
            await until(lambda: edge.commands and edge.revisions and edge.deltas)
            assert (edge.commands, edge.revisions, edge.deltas) == ([command], [Revision(revision=13)], [signed])
            assert [r.getMessage() for r in caplog.records if "cannot be read" in r.getMessage()] != []
            assert edge.uplink.online


async def test_an_order_left_with_the_broker_opens_no_door_when_the_edge_comes_back(
    tmp_path: Path, mosquitto: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    left, given = (Command(id=key, expires_at=NOW + timedelta(days=9), order=Open(lane="L1")) for key in ("c-1", "c-2"))
    commands = edge_topic(EDGE, EdgeTopic.COMMANDS)
    with Receiver(mosquitto) as central, caplog.at_level(logging.ERROR):
        central.client.publish(commands, left.model_dump_json(), qos=1, retain=True).wait_for_publish(10)
        async with connected(tmp_path, mosquitto) as edge:
            await until(lambda: any("kept by the broker" in record.getMessage() for record in caplog.records))
            central.client.publish(commands, given.model_dump_json(), qos=1)
            await until(lambda: edge.commands)
            assert edge.commands == [given]


async def test_notices_and_health_go_out_while_there_is_a_line(tmp_path: Path, mosquitto: Broker) -> None:
    health = Health(at=NOW, waiting=0, revision=12, clock=FakeClock().trust, disk_free=1, readers={})
    notice = Notice(edge=EDGE, sequence=1, at=NOW, reader="RD", person=None, granted=True, reason="OK", new_visit=False)
    with Receiver(mosquitto) as central:
        central.client.subscribe(site_topic(SITE, SiteTopic.PASSAGES), 1)
        async with connected(tmp_path, mosquitto) as edge:
            edge.uplink.publish_notice(notice)  # no line yet: nobody hears it
            edge.uplink.set_health(health)
            await until(lambda: central.others)
            edge.uplink.publish_notice(notice)
            await until(lambda: len(central.others) == 2)
        assert Health.model_validate_json(central.others[0][1]) == health
        assert Notice.model_validate_json(central.others[1][1]) == notice

"""A small central: takes batches in order, acknowledges what it has, and nothing else."""

import socket
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from protocol.identity import Identity
from protocol.journal import Batch, Entry, chain
from protocol.messages import STATE, Ack, Rewind, State
from protocol.topics import EdgeTopic, edge_topic, parse_edge_topic
from tests.services import Broker

EVENTS = "$share/central/" + edge_topic("+", EdgeTopic.EVENTS)


@dataclass
class Stream:
    """What has been stored of one journal."""

    entries: list[tuple[int, Entry]] = field(default_factory=list[tuple[int, Entry]])

    @property
    def through(self) -> int:
        return len(self.entries)

    def head(self, epoch: str) -> str:
        return self.entries[-1][1].hash if self.entries else epoch


class Receiver:
    """Connects on `with`; several in a row may share `streams`, as a restarted central shares its database."""

    def __init__(self, broker: Broker, streams: dict[tuple[str, str], Stream] | None = None) -> None:
        self.streams: dict[tuple[str, str], Stream] = {} if streams is None else streams
        self.messages: list[tuple[int, int]] = []
        """First and last of every batch that came."""
        self.states: list[State] = []
        self.others: list[tuple[str, bytes]] = []
        self.deaf = False
        self.changed = threading.Condition()
        self._ready = threading.Event()
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id="central", protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
        )
        client.username_pw_set(broker.username, broker.password)
        client.reconnect_delay_set(0.1, 0.5)  # type: ignore[arg-type]
        client.on_socket_open = _no_delay
        client.on_publish = lambda one, *_: quick(one)
        client.on_connect = self._on_connect
        client.on_subscribe = lambda *_: self._ready.set()
        client.on_message = self._on_message
        self._broker = broker
        self.client = client

    def __enter__(self) -> Self:
        self.client.connect(self._broker.host, self._broker.port, clean_start=True)
        self.client.loop_start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def entries(self) -> list[tuple[int, Entry]]:
        """What is stored of the only journal."""
        return next(iter(self.streams.values())).entries if self.streams else []

    def through_of(self, edge: str) -> int:
        """Up to where an edge's only journal is stored."""
        return next(stream.through for (name, _), stream in self.streams.items() if name == edge)

    def event_ids(self) -> list[str]:
        """Public ids of everything stored, in the order of storing."""
        return [
            Identity(edge, epoch, sequence).event_id  # type: ignore[arg-type]
            for (edge, epoch), stream in self.streams.items()
            for sequence, _ in stream.entries
        ]

    def wait_for(self, count: int, seconds: float = 20) -> bool:
        """Wait until `count` entries are stored."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.entries()) >= count, seconds)

    def rewind(self, edge: str, epoch: str, resume: int, key: str) -> None:
        message = Rewind(id=key, epoch=epoch, **{"from": resume})  # type: ignore[arg-type]
        self.client.publish(edge_topic(edge, EdgeTopic.REWIND), message.model_dump_json(by_alias=True), qos=1)

    def acknowledge(self, edge: str, epoch: str) -> None:
        stream = self.streams.setdefault((edge, epoch), Stream())
        ack = Ack(epoch=epoch, through=stream.through, head_hash=stream.head(epoch))
        self.client.publish(edge_topic(edge, EdgeTopic.ACK), ack.model_dump_json(), qos=1, retain=True)

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe([(EVENTS, 1), (edge_topic("+", EdgeTopic.STATE), 1), (edge_topic("+", EdgeTopic.HEALTH), 1)])

    def _on_message(self, client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        address = parse_edge_topic(message.topic)
        with self.changed:
            if address is not None and address.topic is EdgeTopic.EVENTS:
                if self.deaf:
                    return
                self._store(Batch.model_validate_json(message.payload))
            elif address is not None and address.topic is EdgeTopic.STATE:
                self.states.append(STATE.validate_json(message.payload))
            else:
                self.others.append((message.topic, bytes(message.payload)))
            client.ack(message.mid, message.qos)
            self.changed.notify_all()

    def _store(self, batch: Batch) -> None:
        self.messages.append((batch.first, batch.last))
        stream = self.streams.setdefault((batch.edge, batch.epoch), Stream())
        if batch.first <= stream.through + 1:
            for sequence, entry in enumerate(batch.entries, batch.first):
                if sequence == stream.through + 1:
                    assert entry.hash == chain(stream.head(batch.epoch), entry.body)
                    stream.entries.append((sequence, entry))
        self.acknowledge(batch.edge, batch.epoch)


def _no_delay(_client: Any, _data: Any, connection: Any) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def quick(client: Any) -> None:
    """Acknowledge at once what came: the broker leaves Nagle's algorithm on."""
    client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

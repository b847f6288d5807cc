"""One connection to the broker: paho's client in its own thread, everything that happens handed to the loop as values.

A connection is used once. What paho has in flight when it breaks is forgotten with it: the journal is the session, not
the client library. Callbacks take no lock and do nothing but hand over (paho calls some of them with its own locks
held).
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

KEEPALIVE_S: Final = 10
CONNECT_S: Final = 5.0
ANSWER_S: Final = 10.0

FAILED: Final = 0x80
"""Reason codes from here on are refusals (MQTT 5, 2.4)."""
NO_SUBSCRIBERS: Final = 0x10
"""Counted among the successes by MQTT; for us the message is gone."""
TAKEN_OVER: Final = 0x8E
_WITH_WILL: Final = 0x04


class Broker(NamedTuple):
    """Where the broker is and who we are there."""

    host: str
    port: int
    username: str
    password: str
    tls: bool = False
    ca_file: Path | None = None


class Will(NamedTuple):
    """What the broker tells the others when we are gone."""

    topic: str
    payload: bytes


class Message(NamedTuple):
    """Something arrived."""

    topic: str
    payload: bytes
    retained: bool = False
    """The broker had kept it from an earlier time."""


class Receipt(NamedTuple):
    """The broker's answer to a publish; never more than that."""

    mid: int
    code: int
    text: str


class Lost(NamedTuple):
    """The connection is gone."""

    code: int
    text: str


Event = Message | Receipt | Lost


class LinkError(Exception):
    """There is no connection, or it is of no use; the text says why."""


class Link:
    """A connection, from `open` to `close`. `handle` is called in the loop's thread."""

    def __init__(self, broker: Broker, client_id: str, will: Will, handle: Callable[[Event], None]) -> None:
        self._broker = broker
        self._handle = handle
        self._loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[tuple[int, str]] = self._loop.create_future()
        self._subscribed: asyncio.Future[list[int]] = self._loop.create_future()
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.username_pw_set(broker.username, broker.password)
        if broker.tls:
            client.tls_set(ca_certs=str(broker.ca_file) if broker.ca_file else None)
        client.connect_timeout = CONNECT_S
        client.max_queued_messages_set(200)
        client.will_set(will.topic, will.payload, qos=1, retain=True)
        client.on_socket_open = _no_delay
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        self._client = client

    @property
    def socket(self) -> socket.socket | None:
        """The connection's socket."""
        found = self._client.socket()
        return found if isinstance(found, socket.socket) else None

    async def open(self, topics: Sequence[str]) -> None:
        """Connect and subscribe. Raises `LinkError` when the broker is not there or refuses any of it."""
        broker = self._broker
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0
        try:
            await asyncio.to_thread(
                self._client.connect,
                broker.host,
                broker.port,
                keepalive=KEEPALIVE_S,
                clean_start=True,
                properties=properties,
            )
            self._client.loop_start()
            async with asyncio.timeout(ANSWER_S):
                code, text = await self._connected
                if code >= FAILED:
                    where = f"broker {broker.host}:{broker.port}"
                    advice = "check broker.password in the settings, and that central has this edge"
                    raise LinkError(f"{where} refuses {broker.username}: {text}; {advice}")
                result, _mid = self._client.subscribe([(topic, 1) for topic in topics])
                if result is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                    raise LinkError(f"broker {broker.host}:{broker.port} is gone before we could subscribe")
                codes = await self._subscribed
        except (OSError, ValueError) as problem:  # TimeoutError is an OSError
            raise LinkError(f"broker {broker.host}:{broker.port} does not answer: {problem!r}") from problem
        refused = [topic for topic, code in zip(topics, codes, strict=True) if code >= FAILED]
        if refused:
            raise LinkError(f"broker {broker.host}:{broker.port} lets {broker.username} not subscribe to {refused}")

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> int | None:
        """Hand a message to the client; return its id for the receipt, or `None` when the connection is gone."""
        info = self._client.publish(topic, payload, qos=qos, retain=retain)
        return info.mid if info.rc is MQTTErrorCode.MQTT_ERR_SUCCESS else None

    async def close(self) -> None:
        """End the connection and its thread; the broker then publishes the will."""
        with contextlib.suppress(OSError, ValueError):
            self._client.disconnect(ReasonCode(PacketTypes.DISCONNECT, identifier=_WITH_WILL))
        await asyncio.to_thread(self._client.loop_stop)

    # --- paho's thread ------------------------------------------------------------------------------------------------

    def _on_connect(self, _client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        self._hand_over(_settle, self._connected, (reason.value, str(reason)))

    def _on_connect_fail(self, _client: mqtt.Client, _data: Any) -> None:
        self._hand_over(_settle, self._connected, (FAILED, "no answer"))

    def _on_subscribe(self, _client: mqtt.Client, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        self._hand_over(_settle, self._subscribed, [reason.value for reason in reasons])

    def _on_publish(self, _client: mqtt.Client, _data: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        _acknowledge_now(self._client.socket())
        self._hand_over(self._handle, Receipt(mid, reason.value, str(reason)))

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._hand_over(self._handle, Message(message.topic, bytes(message.payload), message.retain))

    def _on_disconnect(
        self, _client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        self._hand_over(_settle, self._connected, (FAILED, str(reason)))
        self._hand_over(self._handle, Lost(reason.value, str(reason)))

    def _hand_over(self, call: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to be told
            self._loop.call_soon_threadsafe(call, *arguments)


def _settle(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _acknowledge_now(connection: Any) -> None:
    """Let the kernel acknowledge the receipt at once.

    Brokers leave Nagle's algorithm on by default: central's acknowledgement, coming right behind the broker's receipt,
    would lie there until our kernel's delayed acknowledgement of the receipt, 40 ms later.
    """
    with contextlib.suppress(OSError, AttributeError):  # gone meanwhile, or not Linux
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _no_delay(_client: mqtt.Client, _data: Any, connection: Any) -> None:
    """Send at once: with Nagle's algorithm on, an acknowledged entry takes 40 ms and more (targets P13)."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

"""Central's line to the MQTT broker: one connection that never gives up, and messages acknowledged in order.

paho runs in its own thread; its callbacks only hand over to the event loop. Every reason code is looked at. Times in
here are real time: they belong to sockets, not to the gym (rulings 1).
"""

import asyncio
import contextlib
import logging
import secrets
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

_log = logging.getLogger(__name__)

_KEEPALIVE: Final = 20
_CONNECT_TIMEOUT: Final = 5.0
_PUBLISH_TIMEOUT: Final = 10.0
_BACKOFF: Final = (1, 5)
"""Seconds between attempts: the first, and the longest."""
_IN_FLIGHT: Final = 100
"""Messages the broker may hand over before the first of them is acknowledged."""


class BrokerAddress(NamedTuple):
    """Where the broker is and who asks."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: bool = False

    @classmethod
    def parse(cls, url: str) -> "BrokerAddress":
        """Read `mqtt://user:password@host:port` (`mqtts` for TLS); raises `ValueError` with what to write instead."""
        parts = urlsplit(url)
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
            raise ValueError("the broker's address is none; write mqtt://user:password@host:1883, or mqtts:// for TLS")
        tls = parts.scheme == "mqtts"
        return cls(
            parts.hostname,
            parts.port or (8883 if tls else 1883),
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
            tls,
        )


class Subscription(NamedTuple):
    """A filter, and how often it wants a message."""

    topics: str
    qos: int = 1
    keep_retain_flag: bool = False
    """Say of each message whether its sender wanted it kept (retain as published)."""


@dataclass(eq=False, slots=True)
class _Receipt:
    mid: int
    qos: int
    connection: int
    done: bool = False


class Message(NamedTuple):
    """A message; `Broker.done` says that it has been dealt with."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    receipt: _Receipt


class Broker:
    """A connection to the broker with fixed subscriptions."""

    def __init__(
        self,
        address: BrokerAddress,
        subscriptions: Sequence[Subscription],
        *,
        on_message: Callable[[Message], None],
        on_connected: Callable[[], None],
    ) -> None:
        """Prepare a connection; `run` makes it. Both callbacks are called in the event loop."""
        self._address = address
        self._subscriptions = tuple(subscriptions)
        self._on_message = on_message
        self._on_connected = on_connected
        self._unacknowledged: deque[_Receipt] = deque()
        self._publishing: dict[int, asyncio.Future[bool]] = {}
        self._connection = 0
        self._trouble = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client = self._make_client()

    @property
    def connected(self) -> bool:
        """Whether the broker has let us in."""
        return self._client.is_connected()

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        self._loop = asyncio.get_running_loop()
        expiry = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        expiry.SessionExpiryInterval = 0
        expiry.ReceiveMaximum = _IN_FLIGHT
        self._client.connect_async(
            self._address.host, self._address.port, _KEEPALIVE, clean_start=True, properties=expiry
        )
        self._client.loop_start()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._client.disconnect()
            await asyncio.shield(asyncio.to_thread(self._client.loop_stop))
            self._lost()

    def done(self, message: Message) -> None:
        """Acknowledge a message, once all that came before it are: MQTT wants acknowledgements in order."""
        message.receipt.done = True
        while self._unacknowledged and self._unacknowledged[0].done:
            receipt = self._unacknowledged.popleft()
            if receipt.connection == self._connection:
                self._client.ack(receipt.mid, receipt.qos)

    def post(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish what may be lost with the connection: it is said again after the next."""
        if self.connected:
            self._client.publish(topic, payload, qos=1, retain=retain)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Publish, and return whether the broker has taken it."""
        if not self.connected:
            return False
        taken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        sent = self._client.publish(topic, payload, qos=1, retain=retain)
        self._publishing[sent.mid] = taken
        try:
            async with asyncio.timeout(_PUBLISH_TIMEOUT):
                return await taken
        except TimeoutError:
            return False
        finally:
            self._publishing.pop(sent.mid, None)

    def subscribe(self, topics: str) -> None:
        """Subscribe at most once for a while (QoS 0), beside the fixed subscriptions."""
        self._client.subscribe(topics, options=SubscribeOptions(qos=0))

    def unsubscribe(self, topics: str) -> None:
        """End such a subscription."""
        if self.connected:
            self._client.unsubscribe(topics)

    # --- in paho's thread ---------------------------------------------------------------------------------------------

    def _make_client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"wellgate-central-{secrets.token_hex(8)}",
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
        )
        if self._address.username is not None:
            client.username_pw_set(self._address.username, self._address.password)
        if self._address.tls:
            client.tls_set_context(ssl.create_default_context())
        client.connect_timeout = _CONNECT_TIMEOUT
        client.reconnect_delay_set(*_BACKOFF)
        client.on_socket_open = _no_delay
        client.on_connect = self._connect_answered
        client.on_connect_fail = lambda _client, _userdata: self._report("does not answer")
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed
        client.on_publish = self._published
        client.on_message = self._received
        return client

    def _post_to_loop(self, deed: Callable[..., None], *args: Any) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(deed, *args)

    def _connect_answered(
        self, client: Client, _userdata: object, _flags: ConnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        if reason.is_failure:
            self._report(f"refuses central: {reason}; check the user and the password in --broker")
            return
        self._connection += 1
        self._trouble = ""
        _log.info("broker %s:%d connected", self._address.host, self._address.port)
        for one in self._subscriptions:
            options = SubscribeOptions(qos=one.qos, retainAsPublished=one.keep_retain_flag)
            client.subscribe(one.topics, options=options)
        self._post_to_loop(self._on_connected)

    def _disconnected(
        self, _client: Client, _userdata: object, _flags: DisconnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        self._connection += 1
        if reason.is_failure and not self._trouble:  # a refused connection ends too, and why has been said
            self._report(f"is gone: {reason}")
        self._post_to_loop(self._lost)

    def _report(self, trouble: str) -> None:
        """Say what is wrong with the broker once, not at every attempt."""
        if trouble != self._trouble:
            self._trouble = trouble
            _log.warning("broker %s:%d %s; trying on", self._address.host, self._address.port, trouble)

    def _subscribed(
        self, _client: Client, _userdata: object, _mid: int, reasons: list[ReasonCode], _properties: object
    ) -> None:
        for reason in reasons:
            if reason.is_failure:
                _log.error(
                    "broker refuses a subscription of central: %s; give its user read access to wellgate/#", reason
                )

    def _published(self, client: Client, _userdata: object, mid: int, reason: ReasonCode, _properties: object) -> None:
        _acknowledge_now(client.socket())
        if reason.is_failure:
            _log.error("broker refuses a message of central: %s; give its user write access to wellgate/#", reason)
        self._post_to_loop(self._settle, mid, not reason.is_failure)

    def _received(self, client: Client, _userdata: object, message: MQTTMessage) -> None:
        _acknowledge_now(client.socket())
        receipt = _Receipt(message.mid, message.qos, self._connection)
        one = Message(message.topic, bytes(message.payload), message.qos, message.retain, receipt)
        self._post_to_loop(self._hand_over, one)

    # --- in the event loop --------------------------------------------------------------------------------------------

    def _hand_over(self, message: Message) -> None:
        if message.qos:
            self._unacknowledged.append(message.receipt)
        self._on_message(message)

    def _settle(self, mid: int, taken: bool) -> None:  # noqa: FBT001 - an answer, not a switch
        future = self._publishing.pop(mid, None)
        if future is not None and not future.done():
            future.set_result(taken)

    def _lost(self) -> None:
        self._unacknowledged.clear()
        for mid in list(self._publishing):
            self._settle(mid, taken=False)


def _acknowledge_now(sock: Any) -> None:
    """Let the kernel acknowledge at once what has come.

    Brokers leave Nagle's algorithm on by default: the next batch, coming right behind the receipt for our last ack,
    would lie there until our kernel's delayed acknowledgement of that receipt, 40 ms later.
    """
    with contextlib.suppress(OSError, AttributeError):  # gone meanwhile, or not Linux
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _no_delay(_client: Client, _userdata: object, sock: Any) -> None:
    """Small messages must not wait for each other: 67 ms become 2 (performance.md §5)."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

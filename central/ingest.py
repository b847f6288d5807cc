"""Takes in what edges publish: batches in order per edge, births, deaths and health; answers with acks and rewinds.

A shared subscription lets several central processes take in together; the session ends with the connection, so
whatever a dying process had not committed is sent again by the edges. A message is acknowledged at MQTT when it is
stored, or known never to be (rulings 16).
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeVar

from pydantic import ValidationError
from sqlalchemy.exc import OperationalError

from central.alarms import AlarmKind, raise_alarm
from central.broker import Broker, BrokerAddress, Message, Subscription
from central.changes import Unit, Units
from central.fleet import presence
from central.passages.entries import first_problem
from central.passages.service import StoreBatch, current_ack, refuse
from protocol.identity import EdgeId, Epoch
from protocol.messages import STATE, Ack, Birth, Health, Rewind
from protocol.topics import ROOT, EdgeTopic, edge_topic, parse_edge_topic

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

EVERYTHING: Final = f"{ROOT}/edge/+/#"
SHARED: Final = f"$share/central/{ROOT}/edge/#"
"""Each message reaches one central process. Wider than `events`, so that what does not belong here is seen too; spelled
unlike the sweep's filter, because a broker may take the end of that for the end of this (rumqttd does)."""

_SWEEP_SECONDS: Final = 1.0
_OVERTAKEN_WAITS: Final = (0.02, 0.05, 0.1, 0.2)
"""Seconds a batch waits for the one before it, which another process may be storing just now."""
_DATABASE_WAITS: Final = (0.1, 0.5, 2.0, 5.0)
"""Seconds between attempts while the database is away; the last one for ever."""
_GAPS_BEFORE_REWIND: Final = 3
_OURS: Final = frozenset({EdgeTopic.ACK, EdgeTopic.REWIND, EdgeTopic.COMMANDS})
_KEPT: Final = frozenset({EdgeTopic.ACK, EdgeTopic.STATE})
"""Topics that keep their last message with the broker (rulings 18)."""
_STRANGERS: Final = ""
"""The queue of what belongs to no edge."""


class _Gap(NamedTuple):
    resume: int
    times: int


class Ingest:
    """The consumer: one ordered worker per edge, none of which holds up another."""

    def __init__(self, broker: BrokerAddress, units: Units, store: StoreBatch) -> None:
        """Take in over `broker`; `store` is `passages.service.store_batch` with its Mywellness side filled in."""
        self._units = units
        self._store = store
        self._waiting: dict[str, deque[Message]] = {}
        self._gaps: dict[tuple[str, str], _Gap] = {}
        self._states: dict[str, bytes] = {}
        self._newest_health: dict[str, Message] = {}
        self._listeners: list[Callable[[], Awaitable[None]]] = []
        self._sweeping = False
        self._tasks: asyncio.TaskGroup | None = None
        states = edge_topic("+", EdgeTopic.STATE)  # shared subscriptions are not told what the broker keeps
        self._broker = Broker(
            broker,
            (Subscription(SHARED, keep_retain_flag=True), Subscription(states)),
            on_message=self._deliver,
            on_connected=self._connected,
        )

    @property
    def connected(self) -> bool:
        """Whether the broker has let us in."""
        return self._broker.connected

    def on_connected(self, listener: Callable[[], Awaitable[None]]) -> None:
        """Call `listener` after every connect, the first included: to say again what a broker may have forgotten."""
        self._listeners.append(listener)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Publish for another part of central; returns whether the broker has taken it."""
        return await self._broker.publish(topic, payload, retain=retain)

    def post(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish for another part of central what may be lost with the connection: it is said again after the next."""
        self._broker.post(topic, payload, retain=retain)

    async def run(self) -> None:
        """Take in until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._broker.run(), name="broker")

    # --- in the order of arrival --------------------------------------------------------------------------------------

    def _connected(self) -> None:
        if self._tasks is None:
            return
        self._states.clear()
        # What an earlier time left with the broker is told only to a subscription that is not shared, and only once.
        self._sweeping = True
        self._broker.subscribe(EVERYTHING)
        asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._swept)
        for listener in self._listeners:
            self._tasks.create_task(_listened(listener), name="after connect")

    def _swept(self) -> None:
        self._sweeping = False
        self._broker.unsubscribe(EVERYTHING)

    def _deliver(self, message: Message) -> None:
        address = parse_edge_topic(message.topic)
        ours = address is not None and address.topic in _OURS
        echo = not message.payload or (ours and not message.retain) or message.topic.endswith(f"/{EdgeTopic.ACK}")
        second = self._sweeping and not (
            message.qos or message.retain or message.topic.endswith(f"/{EdgeTopic.HEALTH}")
        )
        if echo or second:
            self._broker.done(message)
            return
        edge = address.edge if address else _STRANGERS
        if address is not None and address.topic is EdgeTopic.HEALTH and (message.qos or not message.retain):
            self._newest_health[edge] = message
        if edge in self._waiting:
            self._waiting[edge].append(message)
        elif self._tasks is not None:
            self._waiting[edge] = deque([message])
            self._tasks.create_task(self._work(edge), name=f"ingest {edge}")

    async def _work(self, edge: str) -> None:
        """Deal with an edge's messages one after the other; the task ends when there are none."""
        queue = self._waiting[edge]
        while queue:
            message = queue[0]
            try:
                await self._handle(message)
            except Exception:  # noqa: BLE001 - one message must not end the others; a batch without ack comes again
                _log.exception("message on %s not taken in; it is left to be sent again", message.topic)
            self._broker.done(message)
            queue.popleft()
        del self._waiting[edge]

    async def _handle(self, message: Message) -> None:
        address = parse_edge_topic(message.topic)
        if message.retain and (address is None or address.topic not in _KEPT):
            await self._clear_retained(message)
            if message.qos == 0:
                return  # told by the sweep, long after it was sent
        if address is None:
            await self._durably(_refuse_stranger, message)
            return
        match address.topic:
            case EdgeTopic.EVENTS if message.qos:
                await self._batch(address.edge, message)
            case EdgeTopic.STATE:
                await self._state(address.edge, message)
            case EdgeTopic.HEALTH:
                await self._health(address.edge, message)
            case EdgeTopic.REPLIES:
                await self._durably(presence.note_heard, address.edge)
            case _:
                pass

    # --- batches ------------------------------------------------------------------------------------------------------

    async def _batch(self, edge: EdgeId, message: Message) -> None:
        answer = await self._durably(self._store, edge, message.payload)
        for wait in _OVERTAKEN_WAITS:
            if answer.resume is None or len(self._waiting[edge]) > 1:
                break
            await asyncio.sleep(wait)
            answer = await self._durably(self._store, edge, message.payload)
        if answer.ack is None:
            return
        self._say(edge, answer.ack)
        key = (edge, answer.ack.epoch)
        if answer.resume is None:
            self._gaps.pop(key, None)
            return
        before = self._gaps.get(key)
        times = before.times + 1 if before and before.resume == answer.resume else 1
        self._gaps[key] = _Gap(answer.resume, times)
        if times % _GAPS_BEFORE_REWIND == 0:
            await self._durably(_raise_gap, edge, answer.resume)
            self._rewind(edge, answer.ack)

    def _say(self, edge: EdgeId, ack: Ack) -> None:
        self._broker.post(edge_topic(edge, EdgeTopic.ACK), ack.model_dump_json().encode(), retain=True)

    def _rewind(self, edge: EdgeId, ack: Ack) -> None:
        _log.warning("edge %s asked to send its journal %s again from entry %d", edge, ack.epoch, ack.through + 1)
        wish = Rewind.model_validate({"id": secrets.token_hex(8), "epoch": ack.epoch, "from": ack.through + 1})
        self._broker.post(edge_topic(edge, EdgeTopic.REWIND), wish.model_dump_json(by_alias=True).encode())

    # --- what edges say of themselves ---------------------------------------------------------------------------------

    async def _state(self, edge: EdgeId, message: Message) -> None:
        if self._states.get(edge) == message.payload:
            return  # the same message, told to another of our subscriptions
        self._states[edge] = message.payload
        try:
            state = STATE.validate_json(message.payload)
        except ValidationError as problem:
            await self._durably(refuse, edge, message.payload, f"no state of version 1: {first_problem(problem)}")
            return
        if not isinstance(state, Birth):
            await self._durably(presence.note_death, edge, state)
            return
        ack = await self._durably(_note_birth, edge, state)
        if ack is not None:
            self._say(edge, ack)
            if state.acknowledged > ack.through:
                self._rewind(edge, ack)

    async def _health(self, edge: EdgeId, message: Message) -> None:
        """Note how an edge is, unless a newer word on it waits already: batches must not queue behind old news."""
        if self._newest_health.get(edge) is not message:
            return
        del self._newest_health[edge]
        try:
            health = Health.model_validate_json(message.payload)
        except ValidationError as problem:
            await self._durably(refuse, edge, message.payload, f"no health of version 1: {first_problem(problem)}")
            return
        await self._durably(presence.note_health, edge, health)

    async def _clear_retained(self, message: Message) -> None:
        _log.warning("message left with the broker on %s cleared; only state and ack are kept", message.topic)
        self._broker.post(message.topic, b"", retain=True)
        await self._durably(_raise_retained, message.topic)

    async def _durably(self, work: Callable[..., _T], *args: object) -> _T:
        """Run `work` as one transaction, for as long as it takes the database to come back."""
        tries = 0
        while True:
            try:
                return await self._units.run(work, *args)
            except OperationalError as problem:
                if tries == 0:
                    _log.warning("database does not take what edges send (%s); trying on", problem.orig)
                await asyncio.sleep(_DATABASE_WAITS[min(tries, len(_DATABASE_WAITS) - 1)])
                tries += 1


async def _listened(listener: Callable[[], Awaitable[None]]) -> None:
    try:
        await listener()
    except Exception:  # noqa: BLE001 - what another part says after a connect must not end the consumer
        _log.exception("%s failed after the broker connected", listener)


def _note_birth(unit: Unit, edge: EdgeId, birth: Birth) -> Ack | None:
    """Remember that an edge is there; return what central has of its journal, `None` for an edge nobody enrolled."""
    if not presence.note_birth(unit, edge, birth):
        why = "announces itself but is not enrolled; enrol it, or take its access to the broker away"
        _log.error("edge %s %s", edge, why)
        raise_alarm(unit.connection, AlarmKind.UNKNOWN_EDGE, edge, why, unit.now)
        return None
    ack = current_ack(unit.connection, edge, Epoch(birth.epoch))
    if birth.last < ack.through:
        detail = f"its journal ends at {birth.last}, central has {ack.through}; an old copy is running"
        raise_alarm(unit.connection, AlarmKind.JOURNAL_WENT_BACK, edge, detail, unit.now)
    return ack


def _raise_gap(unit: Unit, edge: EdgeId, resume: int) -> None:
    raise_alarm(unit.connection, AlarmKind.GAP, edge, f"entry {resume} is missing; asked to send from there", unit.now)


def _raise_retained(unit: Unit, topic: str) -> None:
    raise_alarm(unit.connection, AlarmKind.FOREIGN_RETAINED, topic, "was kept by the broker; cleared", unit.now)


def _refuse_stranger(unit: Unit, message: Message) -> None:
    _, _, _, edge, *_ = (*message.topic.split("/"), "", "", "", "")
    why = f"nothing is agreed for the topic {message.topic[:200]}; see which program publishes there"
    refuse(unit, edge, message.payload, why, kind=AlarmKind.UNKNOWN_TOPIC)

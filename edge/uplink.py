"""The line to central: the journal goes up, acknowledgements, access lists and commands come down (security.md §6).

`edge.delivery` decides what is sent, `edge.link` is the connection; here they meet the journal. The line is taken up
again for ever, and nothing at the door waits for it.
"""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from pydantic import BaseModel, ValidationError

from edge.clock import pause
from edge.delivery import Delivery
from edge.link import FAILED, NO_SUBSCRIBERS, TAKEN_OVER, Broker, Event, Link, LinkError, Lost, Message, Receipt, Will
from edge.store.journal import Journal
from protocol.clock import Clock
from protocol.identity import EdgeId, SiteId
from protocol.journal import MAX_BYTES, MAX_ENTRIES, Batch, Entry
from protocol.messages import Ack, Birth, Command, Death, Health, Notice, Reply, Revision, Rewind, Signed
from protocol.topics import EdgeTopic, SiteTopic, edge_topic, site_topic

log = logging.getLogger(__name__)

_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 30.0
_ENVELOPE: Final = 400
"""Bytes of a batch around its entries, generously."""
_REMEMBERED: Final = 64


class Inbox(NamedTuple):
    """Who gets what comes down, repeats included. Called in the loop's thread; must not block."""

    command: Callable[[Command], None]
    revision: Callable[[Revision], None]
    delta: Callable[[Signed], None]


class Uplink:
    """Keeps the line for one edge. `run` owns everything; the other methods belong to the loop's thread, but `wake`."""

    def __init__(
        self,
        broker: Broker,
        *,
        edge: EdgeId,
        site: SiteId,
        version: str,
        journal: Journal,
        revision: Callable[[], int],
        clock: Clock,
        rng: random.Random,
        inbox: Inbox,
    ) -> None:
        self.online = False
        """Whether there is a connection to the broker right now."""
        self._broker = broker
        self._edge = edge
        self._site = site
        self._version = version
        self._journal = journal
        self._revision = revision
        self._clock = clock
        self._rng = rng
        self._inbox = inbox
        self._delivery = Delivery(journal.acknowledged, rng)
        self._problems: dict[str, str] = {}
        self._news = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._link: Link | None = None
        self._lost: Lost | None = None
        self._batches: set[int] = set()
        self._health: Health | None = None
        self._rewinds: deque[str] = deque(maxlen=_REMEMBERED)
        self._never_kept = {edge_topic(edge, EdgeTopic.COMMANDS), edge_topic(edge, EdgeTopic.REWIND)}
        self._on_topic: dict[str, Callable[[bytes], None]] = {
            edge_topic(edge, EdgeTopic.ACK): self._on_ack,
            edge_topic(edge, EdgeTopic.REWIND): self._on_rewind,
            edge_topic(edge, EdgeTopic.COMMANDS): self._on_command,
            site_topic(site, SiteTopic.ACCESS): lambda payload: inbox.revision(Revision.model_validate_json(payload)),
            site_topic(site, SiteTopic.DELTAS): lambda payload: inbox.delta(Signed.model_validate_json(payload)),
        }

    # --- for the rest of the edge -------------------------------------------------------------------------------------

    def wake(self, _through: int = 0) -> None:
        """There is more in the journal. From any thread: meant as the journal's `on_commit`."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has closed, the line with it
                self._loop.call_soon_threadsafe(self._news.set)

    def publish_notice(self, notice: Notice) -> None:
        """Tell the live view and the other lanes, if there is a line right now; never the record."""
        self._publish(site_topic(self._site, SiteTopic.PASSAGES), notice, qos=0)

    def publish_reply(self, reply: Reply) -> None:
        """Answer a command, if there is a line right now."""
        self._publish(edge_topic(self._edge, EdgeTopic.REPLIES), reply, qos=1)

    def set_health(self, health: Health) -> None:
        """Report this health now, and again after each reconnect until there is a newer one."""
        self._health = health
        self._publish(edge_topic(self._edge, EdgeTopic.HEALTH), health, qos=1)

    def problems(self) -> tuple[str, ...]:
        """What somebody has to look after, one line each."""
        return tuple(self._problems.values())

    async def run(self) -> None:
        """Keep the line until cancelled: connect, deliver, and after each loss wait a little longer, at most 30 s."""
        self._loop = asyncio.get_running_loop()
        wait = _FIRST_WAIT_S
        while True:
            started = self._loop.time()
            try:
                await self._keep()
            except LinkError as problem:
                self._tell("line", str(problem))
            if self._loop.time() - started > _LONGEST_WAIT_S:
                wait = _FIRST_WAIT_S
            await pause(self._clock, wait * self._rng.uniform(0.8, 1.2))
            wait = min(wait * 2, _LONGEST_WAIT_S)

    # --- one connection -----------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Hold one connection until it is lost. Raises `LinkError` then, or when there is none."""
        death = Death(boot=self._journal.boot).model_dump_json().encode()
        self._lost = None
        link = Link(self._broker, self._edge, Will(edge_topic(self._edge, EdgeTopic.STATE), death), self._handle)
        try:
            await link.open(list(self._on_topic))
            self._link = link
            self._announce()
            self._tell("line", None)
            self._delivery.connected()
            while self._lost is None:
                self._news.clear()
                self._send()
                await self._wait_for_news()
            raise LinkError(self._lost_text(self._lost))
        finally:
            self.online = False
            self._link = None
            self._batches.clear()
            self._delivery.disconnected()
            await link.close()

    def _announce(self) -> None:
        reading = self._clock.read()
        birth = Birth(
            site=self._site,
            version=self._version,
            boot=self._journal.boot,
            epoch=self._journal.epoch,
            acknowledged=self._journal.acknowledged,
            last=self._journal.committed,
            revision=self._revision(),
            clock=reading.trust,
            at=reading.wall,
        )
        self.online = True
        self._publish(edge_topic(self._edge, EdgeTopic.STATE), birth, qos=1, retain=True)
        if self._health is not None:
            self.set_health(self._health)

    async def _wait_for_news(self) -> None:
        due = self._delivery.due_ms()
        patience = None if due is None else max(0.0, (due - self._now_ms()) / 1000)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._news.wait()
        if self._delivery.tick(self._now_ms()):
            log.info("central silent since entry %d: sending again", self._delivery.acknowledged)

    def _send(self) -> None:
        """Fill the window with what is committed: a fresh entry goes at once, a backlog in full batches."""
        while (first := self._delivery.next(self._journal.committed)) is not None:
            entries = self._journal.read(first, MAX_ENTRIES, MAX_BYTES - _ENVELOPE)
            if not entries or entries[0].sequence != first or self._link is None:
                self._tell("gap", f"entry {first} is not in the journal any more, central has not acknowledged it")
                return
            batch = Batch(
                edge=self._edge,
                epoch=self._journal.epoch,
                first=first,
                last=entries[-1].sequence,
                entries=tuple(Entry(hash=entry.hash, body=entry.body) for entry in entries),
            )
            mid = self._link.publish(edge_topic(self._edge, EdgeTopic.EVENTS), batch.model_dump_json().encode(), qos=1)
            if mid is None:
                return  # the connection is going: its loss is on the way to us
            self._batches.add(mid)
            self._delivery.sent(first, batch.last, self._now_ms())

    # --- what comes down ----------------------------------------------------------------------------------------------

    def _handle(self, event: Event) -> None:
        match event:
            case Message(topic, payload, retained):
                self._receive(topic, payload, retained=retained)
            case Receipt(mid, code, text):
                self._receipt(mid, code, text)
            case Lost():
                self._lost = event
        self._news.set()

    def _receive(self, topic: str, payload: bytes, *, retained: bool) -> None:
        receive = self._on_topic.get(topic)
        if receive is None:
            log.error("message on %s, which nobody here has asked for: ignored", topic)
            return
        if retained and topic in self._never_kept:
            # Kept by the broker, an order would be carried out anew after every start (security.md §5, C4).
            log.error("message kept by the broker on %s: ignored; clear it, and see which program left it", topic)
            return
        try:
            receive(payload)
        except ValidationError as problem:
            first = problem.errors()[0]
            log.error("message on %s cannot be read (%s at %s): ignored", topic, first["msg"], first["loc"])  # noqa: TRY400

    def _receipt(self, mid: int, code: int, text: str) -> None:
        is_batch = mid in self._batches
        self._batches.discard(mid)
        if code >= FAILED:
            self._tell(
                "refused", f"broker refuses what {self._edge} publishes ({text}): check its rights at the broker"
            )
        elif is_batch:
            self._tell("refused", None)
            self._tell("unheard", "central is not connected to the broker" if code == NO_SUBSCRIBERS else None)
        if is_batch and (code >= FAILED or code == NO_SUBSCRIBERS):
            self._delivery.refused(unheard=code == NO_SUBSCRIBERS)

    def _on_ack(self, payload: bytes) -> None:
        ack = Ack.model_validate_json(payload)
        if ack.epoch != self._journal.epoch:
            self._tell(
                "epoch",
                f"central acknowledges epoch {ack.epoch}, this journal is {self._journal.epoch}: ignored. Normal once "
                "after"
                " a new card; otherwise two edges share one id",
            )
            return
        self._tell("epoch", None)
        if self._journal.acknowledge(ack.through, ack.head_hash) or ack.through < self._journal.acknowledged:
            self._delivery.acknowledge(ack.through, self._now_ms())

    def _on_rewind(self, payload: bytes) -> None:
        rewind = Rewind.model_validate_json(payload)
        if rewind.epoch != self._journal.epoch or rewind.id in self._rewinds:
            return
        self._rewinds.append(rewind.id)
        log.warning("central asks for entries from %d on again", rewind.resume)
        self._delivery.rewind(self._journal.rewind(rewind.resume))

    def _on_command(self, payload: bytes) -> None:
        self._inbox.command(Command.model_validate_json(payload))

    # --- small things -------------------------------------------------------------------------------------------------

    def _publish(self, topic: str, message: BaseModel, *, qos: int, retain: bool = False) -> None:
        if self._link is not None:
            self._link.publish(topic, message.model_dump_json(by_alias=True).encode(), qos=qos, retain=retain)

    def _now_ms(self) -> int:
        """Real time: how long a broker and central take to answer has nothing to do with the day being played."""
        return round(asyncio.get_running_loop().time() * 1000)

    def _tell(self, about: str, problem: str | None) -> None:
        """Keep a problem for `problems`, and log when it comes and goes."""
        if problem is None:
            if self._problems.pop(about, None) is not None:
                log.info("%s to central: well again", about)
        elif self._problems.get(about) != problem:
            self._problems[about] = problem
            log.warning("%s", problem)

    def _lost_text(self, lost: Lost) -> str:
        broker = f"broker {self._broker.host}:{self._broker.port}"
        if lost.code == TAKEN_OVER:
            return f"{broker}: another client has come as {self._edge}; two edges share one id, or this one was cloned"
        return f"{broker}: connection lost ({lost.text})"

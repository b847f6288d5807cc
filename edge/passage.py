"""A card at a reader, from the read to the open barrier: gather, decide, record, act.

The rule is `protocol.decision.decide`; this is the shell around it. The passage is on the medium before the lane opens,
and nobody waits longer than 150 ms for a slow disk: then the lane opens first and a second entry says so (rulings 10).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from edge import record
from edge.barrier import Barrier
from edge.config import LaneConfig, ReaderBase
from edge.frames import Read
from edge.lane import Grant
from edge.record import Moment
from edge.store.access import AccessStore
from edge.store.journal import Appended, Journal
from edge.store.presence import PresenceChange
from protocol.clock import Clock
from protocol.decision import Granted, Verdict, decide
from protocol.identity import EventId, Identity, LaneId, ReaderId, SiteId
from protocol.journal import AnyBody, OpenedFirst, Outcome, Passage, ReaderChange, RemoteOpen, Stamp
from protocol.messages import Notice
from protocol.policy import DoorMode, ReaderPolicy, SitePolicy

log = logging.getLogger(__name__)

PATIENCE_S: Final = 0.150
"""How long a disk may keep a member waiting, in real time whatever clock is injected (rulings 10)."""
DEFAULT_PULSE_MS: Final = 300
_REMEMBERED: Final = 256

_K = TypeVar("_K")
_V = TypeVar("_V")


class Answered(NamedTuple):
    """One presentation and its answer."""

    verdict: Verdict
    sequence: int
    event_id: EventId
    opened_first: bool


class Passages:
    """All readers and lanes of the edge. Every method is called on the event loop, reads in the order they came."""

    def __init__(
        self,
        *,
        site: SiteId,
        clock: Clock,
        journal: Journal,
        access: AccessStore,
        lanes: Mapping[LaneId, LaneConfig],
        readers: Mapping[ReaderId, ReaderBase],
        is_online: Callable[[], bool],
        notify: Callable[[Notice], None],
    ) -> None:
        self._site = site
        self._clock = clock
        self._journal = journal
        self._access = access
        self._lanes = lanes
        self._readers = readers
        self._is_online = is_online
        self._notify = notify
        self.barriers: dict[LaneId, Barrier] = {}
        """Set by whoever composes: barriers report outcomes to `outcome`."""
        self._seen: dict[tuple[ReaderId, str], int] = {}
        self._open_grants: dict[tuple[ReaderId, str], int] = {}
        self._granted: dict[int, tuple[Moment, PresenceChange | None]] = {}
        self._modes: dict[LaneId, tuple[int, DoorMode]] = {}

    # --- a card -------------------------------------------------------------------------------------------------------

    async def present(self, reader: ReaderId, read: Read) -> Answered | None:
        """Answer one read. `None` when it belongs to a presentation that has its answer already."""
        lane = LaneId(self._readers[reader].lane)
        barrier = self.barriers[lane]
        barrier.settle()
        if self._is_repeated(reader, read, barrier):
            return None

        moment = self._gather(reader, read, lane)
        verdict = decide(
            moment.holder,
            reader=moment.reader,
            site=moment.site,
            now=moment.reading.wall,
            presence=moment.presence,
        )
        entry = record.passage(moment, verdict)
        appended = self._record(moment, verdict, entry)

        opened_first = moment.opened_first or not await _is_committed(appended)
        self._act(barrier, moment, verdict, appended.sequence)
        if opened_first and not moment.opened_first and isinstance(verdict, Granted):
            log.warning("entry %d: the disk is slow, lane %s opened before it answered", appended.sequence, lane)
            self._append(OpenedFirst(stamp=self._stamp(), of=appended.sequence))
        self._notify(record.notice(entry, self._journal.edge, appended.sequence))
        log.info("reader %s: %s %s, entry %d", reader, read.credential.masked, verdict.reason.value, appended.sequence)
        return Answered(verdict, appended.sequence, appended.event_id, opened_first)

    def _is_repeated(self, reader: ReaderId, read: Read, barrier: Barrier) -> bool:
        """The same card within the presence window, or while the grant it was given is open (hardware.md §2, §7)."""
        key = (reader, read.credential.canonical)
        now_ms = self._clock.read().mono_ms
        window_ms = self._readers[reader].presence_window_s * 1000
        last_ms = self._seen.get(key)
        _remember(self._seen, key, now_ms)
        if last_ms is not None and now_ms - last_ms < window_ms:
            return True
        granted = self._open_grants.get(key)
        return granted is not None and barrier.repeat(granted)

    def _gather(self, reader: ReaderId, read: Read, lane: LaneId) -> Moment:
        reading = self._clock.read()
        site, policy = self._site_policy(), self._reader_policy(reader, lane)
        credential = read.credential.canonical
        holder = self._journal.presence.with_punches(self._access.lookup(credential), self._journal.epoch)
        presence = self._journal.presence.around(holder, credential, policy, site, reading.wall)
        return Moment(
            read,
            holder,
            reading,
            self._journal.boot,
            site,
            policy,
            lane,
            presence,
            self._access.revision,
            offline=not self._is_online(),
            opened_first=self._lanes[lane].opens_first,
        )

    def _record(self, moment: Moment, verdict: Verdict, entry: Passage) -> Appended:
        own = Identity(self._journal.edge, self._journal.epoch, self._journal.last + 1)
        change = record.changes(moment, verdict, own)
        appended = self._append(entry, change)
        if isinstance(verdict, Granted):
            _remember(self._granted, appended.sequence, (moment, change))
        return appended

    def _act(self, barrier: Barrier, moment: Moment, verdict: Verdict, sequence: int) -> None:
        if isinstance(verdict, Granted):
            _remember(self._open_grants, (moment.reader.reader, moment.credential), sequence)
            barrier.grant(Grant(sequence, self._pulse_ms(barrier.lane, moment.reader.pulse_ms)))
        else:
            barrier.deny()

    # --- what else happens at a lane ----------------------------------------------------------------------------------

    def outcome(self, number: int, passed: bool) -> None:  # noqa: FBT001 – the barrier's callback
        """Write down whether somebody went through; if nobody did, the member may tap again at once (rulings 11)."""
        granted = self._granted.pop(number, None)
        if granted is None:
            return  # opened by command: no person, no visit
        moment, change = granted
        if not passed:
            key = (moment.reader.reader, moment.credential)
            self._seen.pop(key, None)
            self._open_grants.pop(key, None)
            book, own = self._journal.presence, self._journal.last + 1
            change = record.taken_back(moment, change, book, own, self._clock.read().wall) if change else None
        entry = Outcome(stamp=self._stamp(), lane=moment.lane, of=number, passed=passed)
        self._append(entry, None if passed else change)

    async def remote_open(self, lane: LaneId, command: str) -> None:
        """Open a lane once on command. Raises KeyError for a lane that is not here."""
        barrier = self.barriers[lane]
        appended = self._append(RemoteOpen(stamp=self._stamp(), lane=lane, command=command))
        await _is_committed(appended)
        barrier.grant(Grant(appended.sequence, self._pulse_ms(lane, DEFAULT_PULSE_MS)))

    def set_mode(self, lane: LaneId, mode: DoorMode) -> None:
        """Put a lane into a door mode until the next access list. Raises KeyError for a lane that is not here."""
        self._modes[self.barriers[lane].lane] = (self._access.revision, mode)

    def reader_changed(self, reader: ReaderId, state: Literal["lost", "back"], detail: str) -> None:
        """Write down that a reader fell silent or is back."""
        self._append(ReaderChange(stamp=self._stamp(), reader=reader, state=state, detail=detail))

    # --- gathering and recording --------------------------------------------------------------------------------------

    def _site_policy(self) -> SitePolicy:
        rules = self._access.policies
        return rules.site if rules else SitePolicy(self._site, ZoneInfo("UTC"))

    def _reader_policy(self, reader: ReaderId, lane: LaneId) -> ReaderPolicy:
        """What the access list says of a reader; of one it does not name, that nobody has a right there."""
        rules = self._access.policies
        policy = rules.readers.get(reader) if rules else None
        if policy is None:
            policy = ReaderPolicy(reader, lane, self._readers[reader].kind, rights={})
        revision, mode = self._modes.get(lane, (-1, policy.mode))
        return policy._replace(mode=mode) if revision == self._access.revision else policy

    def _pulse_ms(self, lane: LaneId, of_reader: int) -> int:
        relay = self._lanes[lane].relay
        return relay.pulse_ms if relay and relay.pulse_ms else of_reader

    def _stamp(self) -> Stamp:
        return record.stamp(self._clock.read(), self._site_policy(), self._journal.boot)

    def _append(self, entry: AnyBody, change: PresenceChange | None = None) -> Appended:
        body = entry.model_dump_json()
        return self._journal.append(lambda _sequence, _event: body, presence=change)


async def _is_committed(appended: Appended) -> bool:
    """Wait for the disk, but not for longer than anybody should have to; tell whether the entry is on it."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wrap_future(appended.committed)
    except TimeoutError:
        return False
    return True


def _remember(book: dict[_K, _V], key: _K, value: _V) -> None:
    """Put a value in, newest last, and let go of the oldest."""
    book.pop(key, None)
    book[key] = value
    if len(book) > _REMEMBERED:
        del book[next(iter(book))]

"""Keeps the access list current: deltas as they come, the full list when one is missing, for as long as it takes.

One task owns all of it, so nothing is applied twice or out of order. Decisions never wait: what takes long runs in a
worker thread, and the change of lists itself is a few file operations.
"""

import asyncio
import logging
import random
from collections import deque
from typing import Final

from pydantic import ValidationError

from edge.clock import pause
from edge.fetch import FetchError, Source, fetch
from edge.store.access import AccessStore, Gap, Refused
from edge.store.database import StoreError
from protocol.clock import Clock
from protocol.messages import Delta, Revision, Signed

log = logging.getLogger(__name__)

_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 30.0
_KEPT_DELTAS: Final = 1_000


class AccessSync:
    """Give it what arrives (`on_…`, loop thread) and let `run` work."""

    def __init__(self, store: AccessStore, source: Source, clock: Clock, rng: random.Random) -> None:
        self._store = store
        self._source = source
        self._clock = clock
        self._rng = rng
        self._deltas: deque[Delta] = deque(maxlen=_KEPT_DELTAS)
        self._newest = 0
        self._full_wanted = store.revision == 0
        self._news = asyncio.Event()
        self._news.set()
        self._trouble: str | None = None

    def on_revision(self, revision: Revision) -> None:
        """Central tells the newest revision: retained, so after each reconnect too."""
        self._newest = max(self._newest, revision.revision)
        self._news.set()

    def on_delta(self, signed: Signed) -> None:
        """A delta arrived. Unsigned or unreadable ones are logged and dropped; the revision will show the gap."""
        if not self._source.trusted.vouches("delta", self._store.site, signed.body.encode(), signed.signature):
            log.error("delta for site %s is not signed by central: dropped", self._store.site)
            return
        try:
            delta = Delta.model_validate_json(signed.body)
        except ValidationError as problem:
            log.error("delta cannot be read (%d problems): the full list is fetched", problem.error_count())  # noqa: TRY400
            self.reload()
            return
        if delta.to > self._store.revision:
            self._deltas.append(delta)
            self._newest = max(self._newest, delta.to)
            self._news.set()

    def reload(self) -> None:
        """Fetch the full list, whatever is in use."""
        self._full_wanted = True
        self._news.set()

    def problems(self) -> tuple[str, ...]:
        """What somebody has to look after, one line each."""
        return (self._trouble,) if self._trouble else ()

    async def run(self) -> None:
        """Work until cancelled; failures are told and tried again, with growing pauses."""
        wait = _FIRST_WAIT_S
        while True:
            await self._news.wait()
            self._news.clear()
            await self._apply_deltas()
            if not self._full_wanted and self._store.revision >= self._newest:
                continue
            if await self._fetch():
                wait = _FIRST_WAIT_S
                continue
            self._news.set()
            await pause(self._clock, wait * self._rng.uniform(0.8, 1.2))
            wait = min(wait * 2, _LONGEST_WAIT_S)

    async def _apply_deltas(self) -> None:
        while self._deltas and not self._full_wanted:
            delta = self._deltas.popleft()
            if delta.to <= self._store.revision:
                continue
            try:
                await asyncio.to_thread(self._store.apply, delta)
            except (Gap, StoreError, OSError) as problem:
                log.warning("%s: the full list is fetched", problem)
                self._full_wanted = True

    async def _fetch(self) -> bool:
        """Fetch and install the full list; tell whether the one in use is as new as central has."""
        target = self._store.draft()
        self._full_wanted = False  # a wish that comes while we fetch is a new one
        try:
            revision = await asyncio.to_thread(fetch, self._source, target)
            if revision > self._store.revision:
                candidate = await asyncio.to_thread(self._store.check, target)
                self._store.swap(candidate)
                await asyncio.to_thread(self._store.settle)
            else:
                target.unlink(missing_ok=True)
        except (FetchError, Refused, StoreError, OSError) as problem:
            if self._trouble is None:
                log.warning("%s; access list %d stays in use", problem, self._store.revision)
            self._trouble = str(problem)
            self._full_wanted = True
            target.unlink(missing_ok=True)
            return False
        self._trouble = None
        while self._deltas and self._deltas[0].to <= self._store.revision:
            self._deltas.popleft()
        if self._deltas:
            self._news.set()
        return self._store.revision >= self._newest or bool(self._deltas)

"""Tells the edges of each site what has changed: signed deltas, and the newest revision for whoever missed one."""

import asyncio
from typing import Final, Protocol

from central.access import service
from central.access.signing import Signer
from central.changes import Change, Units
from central.clock import first_of, sleep
from protocol.messages import Revision
from protocol.topics import SiteTopic, site_topic

_LOOK_AGAIN_SECONDS: Final = 1.0
MAX_DELTA_BYTES: Final = 60_000
"""A larger delta is not sent: the edges see the revision and fetch the list."""


class Publish(Protocol):
    """Hands a message to the broker; delivery is not promised, edges that miss one fetch."""

    def __call__(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish with QoS 1."""
        ...


class Publisher:
    """Publishes the access lists of all sites."""

    def __init__(self, units: Units, signer: Signer, publish: Publish) -> None:
        """Watch the changes of `units`; other processes' changes are seen by looking again every second."""
        self._units = units
        self._signer = signer
        self._publish = publish
        self._told: dict[str, int] = {}
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        units.listen(self._wake)

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            self._woken.clear()
            await self.publish_news()
            await self._next_look()

    def repeat(self) -> None:
        """Tell every site its revision again: the broker may have forgotten."""
        self._told.clear()
        self._woken.set()

    async def publish_news(self) -> None:
        """Publish what has changed since the last time."""
        for site, revision in (await self._units.read(service.revisions)).items():
            told = self._told.get(site)
            if told == revision:
                continue
            if told is not None and told < revision:
                delta = await self._units.read(service.delta, site, told, revision)
                envelope = self._signer.signed_delta(site, delta.model_dump_json(by_alias=True)).model_dump_json()
                if len(envelope) <= MAX_DELTA_BYTES:
                    self._publish(site_topic(site, SiteTopic.DELTAS), envelope.encode(), retain=False)
            note = Revision(revision=revision).model_dump_json().encode()
            self._publish(site_topic(site, SiteTopic.ACCESS), note, retain=True)
            self._told[site] = revision

    async def _next_look(self) -> None:
        await first_of(self._woken.wait, lambda: sleep(self._units.clock, _LOOK_AGAIN_SECONDS))

    def _wake(self, _changes: frozenset[Change]) -> None:
        self._loop.call_soon_threadsafe(self._woken.set)

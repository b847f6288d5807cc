"""The network side of an edge put together: the line to the broker, the access list, commands and health.

Nothing here is needed to open a door; all of it may be away for weeks.
"""

import asyncio
import random
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from pydantic import SecretStr

from edge.clock import pause
from edge.commands import Commands
from edge.config import EdgeConfig
from edge.fetch import Source
from edge.health import EVERY_S, health
from edge.link import Broker
from edge.passage import Passages
from edge.readers import Reader
from edge.store.access import AccessStore
from edge.store.journal import Journal
from edge.sync import AccessSync
from edge.trust import Trusted
from edge.uplink import Inbox, Uplink
from protocol.clock import Clock
from protocol.identity import EdgeId, SiteId
from protocol.messages import Command


class Network:
    """What an edge has to do with the world outside. Made on the event loop."""

    def __init__(self, config: EdgeConfig, *, clock: Clock, journal: Journal, access: AccessStore) -> None:
        self._clock = clock
        self._journal = journal
        self._access = access
        self._commands: asyncio.Queue[Command] = asyncio.Queue()
        rng = random.SystemRandom()
        source = Source(
            config.central.url, _plain(config.central.token), config.site, Trusted(config.central.public_key)
        )
        self.sync = AccessSync(access, source, clock, rng)
        self.uplink = Uplink(
            _broker(config),
            edge=EdgeId(config.edge),
            site=SiteId(config.site),
            version=_version(),
            journal=journal,
            revision=lambda: access.revision,
            clock=clock,
            rng=rng,
            inbox=Inbox(self._commands.put_nowait, self.sync.on_revision, self.sync.on_delta),
        )

    async def run(self, passages: Passages, readers: Sequence[Reader]) -> None:
        """Keep the line, the list, and central informed, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.uplink.run(), name="uplink")
            group.create_task(self.sync.run(), name="access list")
            group.create_task(self._obey(Commands(passages, self.sync.reload, self._clock)), name="commands")
            group.create_task(self._report(readers), name="health")

    async def _obey(self, commands: Commands) -> None:
        while True:
            self.uplink.publish_reply(await commands.carry_out(await self._commands.get()))

    async def _report(self, readers: Sequence[Reader]) -> None:
        while True:
            said = health(
                self._clock, self._journal, self._access, readers, (*self.uplink.problems(), *self.sync.problems())
            )
            self.uplink.set_health(said)
            await pause(self._clock, EVERY_S)


def _broker(config: EdgeConfig) -> Broker:
    broker = config.broker
    return Broker(
        broker.host,
        broker.port,
        broker.username or config.edge,
        _plain(broker.password),
        broker.tls,
        broker.ca_file,
    )


def _plain(secret: SecretStr | None) -> str:
    """A secret that `edge.config.load` has read."""
    return secret.get_secret_value() if secret else ""


def _version() -> str:
    try:
        return version("wellgate")
    except PackageNotFoundError:  # run from a checkout
        return "0"

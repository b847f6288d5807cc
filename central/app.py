"""Composition: what hangs together in a running central, from settings to sockets."""

import asyncio
import logging
import secrets
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web

from central import keys
from central.access import api as access_api, service as access
from central.access.publisher import Publisher
from central.access.signing import Signer
from central.access.snapshot import Snapshots
from central.broker import BrokerAddress
from central.changes import Reaction, Unit, Units
from central.clock import first_of, make_clock
from central.config import MywellnessSettings, Settings, SettingsError
from central.fleet import broker, service as fleet
from central.fleet.api import WRITE_ACCOUNTS
from central.fleet.broker import CENTRAL
from central.ingest import Ingest
from central.live.pages import Live
from central.migrate import opened
from central.mywellness.api import MYWELLNESS
from central.mywellness.client import MywellnessClient
from central.mywellness.rules import Mode, SyncPolicy
from central.mywellness.service import Mywellness
from central.mywellness.settings import ClientSettings, ForwardSettings
from central.mywellness.worker import Forwarder
from central.passages.days import Visits
from central.passages.rules import VisitPlan
from central.passages.service import StoredBatch, store_batch
from central.server import create_server
from central.supervisor import keep
from protocol.identity import EdgeId

_log = logging.getLogger(__name__)

Worker = Callable[[], Awaitable[None]]

_SHUTDOWN_SECONDS: Final = 3
_BROKER_PATIENCE_SECONDS: Final = 3


def forward_settings(settings: MywellnessSettings) -> ForwardSettings:
    """Return how the queue is worked off."""
    return ForwardSettings(
        zone=ZoneInfo(settings.zone),
        policy=SyncPolicy(
            mode=Mode(settings.selection),
            carrying=settings.carrying,
            email_required=settings.email_required,
            late_visit_limit=timedelta(days=settings.late_visit_days),
        ),
        calls_per_second=settings.calls_per_second or None,
        coalesce=timedelta(seconds=settings.coalesce_s),
        first_backoff=timedelta(seconds=settings.first_backoff_s),
    )


def client_settings(settings: MywellnessSettings) -> ClientSettings:
    """Return the way in to Mywellness."""
    return ClientSettings(
        base_url=settings.base_url,
        facility=settings.facility,
        api_key=settings.api_key.get_secret_value(),
        username=settings.username,
        password=settings.password.get_secret_value(),
        allow_plain=settings.allow_plain,
    )


class Central:
    """The parts that every command needs: database, clock, and services with their reactions."""

    def __init__(self, settings: Settings) -> None:
        """Open the database and bring it up to date."""
        self.settings = settings
        self.database, _ = opened(settings.database)
        self.mywellness = Mywellness(forward_settings(settings.mywellness)) if settings.mywellness else None
        reactions: list[Reaction] = [access.recompile]
        if self.mywellness is not None:
            reactions.append(self.mywellness.react)
        self.units = Units(self.database, make_clock(settings.clock_file), reactions)
        if settings.api_key is not None:
            self.units.run_sync(keys.ensure, "settings", settings.api_key.get_secret_value())

    def write_broker_files(self) -> None:
        """Write who may log in at the broker, and to which topics, where the settings say so."""
        folder, password = self.settings.broker_files, self.settings.broker_password
        if folder is not None and password is not None:
            broker.write_files(folder, self.database.sync_read(fleet.accounts), password)

    def close(self) -> None:
        """Close the database."""
        self.database.close()


async def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT; `say` gets the one line that tells that everything listens."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    central = Central(settings)
    try:
        central.write_broker_files()
        await _serve(central, stop, say)
    finally:
        central.close()


async def _serve(central: Central, stop: asyncio.Event, say: Callable[[str], None]) -> None:
    signer = Signer.from_folder(central.settings.data)
    live = Live(central.units, open_on_loopback=central.settings.live_open)
    routes = (*access_api.routes(central.units, Snapshots(signer)), *live.routes())
    server = create_server(central.units, routes)
    server[WRITE_ACCOUNTS] = central.write_broker_files
    if central.mywellness is not None:
        server[MYWELLNESS] = central.mywellness
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, *central.settings.address).start()
        except OSError as problem:
            why = problem.strerror or problem
            raise SettingsError(f"setting http: {central.settings.http} cannot be listened on: {why}") from problem
        ingest = _make_ingest(central)
        async with asyncio.TaskGroup() as tasks:
            workers = dict(_workers(central, signer, ingest))
            running = [tasks.create_task(keep(name, work), name=name) for name, work in workers.items()]
            host, port = runner.addresses[0][:2]
            say(f"READY http://{host}:{port} broker={await _broker_state(ingest, stop)}")
            await stop.wait()
            live.close()
            for task in running:
                task.cancel()
    finally:
        await runner.cleanup()


def _make_ingest(central: Central) -> Ingest | None:
    broker = central.settings.broker
    if broker is None:
        _log.warning("no broker is set: edges can fetch access lists, but what they send does not arrive")
        return None
    address = BrokerAddress.parse(broker.get_secret_value())
    address = address._replace(username=address.username or CENTRAL, password=central.settings.broker_password)
    visits: Visits = central.mywellness.plan_visits if central.mywellness else _no_visits

    def store(unit: Unit, edge: EdgeId, payload: bytes) -> StoredBatch:
        return store_batch(unit, edge, payload, visits)

    return Ingest(address, central.units, store)


def _no_visits(_unit: Unit, _plans: Sequence[VisitPlan]) -> None:
    """Without Mywellness visits are only kept."""


def _workers(central: Central, signer: Signer, ingest: Ingest | None) -> Iterator[tuple[str, Worker]]:
    """Make what runs beside HTTP: ingest and access lists over the broker, and the forwarder to Mywellness."""
    if ingest is not None:
        publisher = Publisher(central.units, signer, ingest.post)

        async def repeat() -> None:
            publisher.repeat()

        ingest.on_connected(repeat)
        yield "ingest", ingest.run
        yield "publisher", publisher.run
    settings = central.settings.mywellness
    if central.mywellness is not None and settings is not None:
        client = MywellnessClient(client_settings(settings), now=lambda: central.units.clock.read().wall)
        boot = secrets.token_hex(8)
        forwarder = Forwarder(central.units, central.mywellness, client, boot=boot, facility=settings.facility)
        yield "forwarder", forwarder.run


async def _broker_state(ingest: Ingest | None, stop: asyncio.Event) -> str:
    """Give the broker a moment; whether it is there or not, central goes on."""
    if ingest is None:
        return "none"
    connected = asyncio.Event()

    async def note() -> None:
        connected.set()

    ingest.on_connected(note)
    with suppress(TimeoutError):
        async with asyncio.timeout(_BROKER_PATIENCE_SECONDS):
            if not ingest.connected:
                await first_of(connected.wait, stop.wait)
    return "connected" if ingest.connected else "unreachable"

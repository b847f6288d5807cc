"""Composition: what hangs together in a running central, from settings to sockets."""

import asyncio
import logging
import secrets
import signal
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

from aiohttp import web

from central import keys
from central.access import api as access_api, service as access
from central.access.signing import Signer
from central.access.snapshot import Snapshots
from central.changes import Reaction, Units
from central.clock import make_clock
from central.config import MywellnessSettings, Settings
from central.database import Database
from central.fleet import broker, service as fleet
from central.migrate import migrate
from central.mywellness.client import MywellnessClient
from central.mywellness.rules import Mode, SyncPolicy
from central.mywellness.service import Mywellness
from central.mywellness.settings import ClientSettings, ForwardSettings
from central.mywellness.worker import Forwarder
from central.server import create_server
from central.supervisor import keep

_log = logging.getLogger(__name__)

Worker = Callable[[], Awaitable[None]]


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
        self.database = Database(settings.database)
        migrate(self.database)
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
    routes = access_api.routes(central.units, Snapshots(signer))
    runner = web.AppRunner(create_server(central.units, routes), access_log=None, shutdown_timeout=3)
    await runner.setup()
    try:
        site = web.TCPSite(runner, *central.settings.address)
        await site.start()
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(keep(name, work), name=name) for name, work in _workers(central)]
            host, port = runner.addresses[0][:2]
            say(f"READY http://{host}:{port}")
            await stop.wait()
            for task in running:
                task.cancel()
    finally:
        await runner.cleanup()


def _workers(central: Central) -> Iterator[tuple[str, Worker]]:
    """Make what runs beside HTTP: the forwarder to Mywellness."""
    settings = central.settings.mywellness
    if central.mywellness is not None and settings is not None:
        client = MywellnessClient(client_settings(settings), now=lambda: central.units.clock.read().wall)
        boot = secrets.token_hex(8)
        forwarder = Forwarder(central.units, central.mywellness, client, boot=boot, facility=settings.facility)
        yield "forwarder", forwarder.run

"""An edge as a process of its own, on pseudo terminals and pins that write down their edges."""

import asyncio
import contextlib
import os
import sqlite3
import sys
import tty
from collections.abc import AsyncIterator
from pathlib import Path

from deploy.demo.pins import factory_name
from edge.frames.encode import rdm6300_frame
from protocol.journal import BODY, Passage
from tests.edge.builders import access_list, holder

ROOT = Path(__file__).parents[2]
ANNA = 10_000_342
NOBODY = {
    "factory": factory_name(),
    "port": "1",
    "user": "edge-1",
    "password": "nobody listens",
    "public_key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
}
"""Settings of an edge without a network."""

SETTINGS = """
site = "F1"
edge = "edge-1"
data = "data"

[broker]
host = "127.0.0.1"
port = {port}
username = "{user}"
password = "{password}"

[central]
url = "http://127.0.0.1:1"
token = "nobody listens"
public_key = "{public_key}"

[gpio]
pin_factory = "{factory}"

[[lanes]]
id = "entrance"
relay = {{ pin = 17, pulse_ms = 200 }}
granted_lamp = {{ pin = 22 }}
denied_lamp = {{ pin = 23 }}

[[lanes]]
id = "exit"
relay = {{ pin = 18 }}
granted_lamp = {{ pin = 25 }}

[[readers]]
id = "RD-IN"
lane = "entrance"
protocol = "rdm6300"
port = "{folder}/reader-in"

[[readers]]
id = "RD-OUT"
lane = "exit"
protocol = "rdm6300"
port = "{folder}/reader-out"
kind = "OUT"
"""


class Site:
    """A folder with settings, an access list, two ports, and a file of pin edges."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.settings = folder / "site.toml"
        self.settings.write_text(SETTINGS.format(folder=folder, **{**NOBODY, **settings}))
        self.record = folder / "pins"
        self.record.touch()
        self.masters: dict[str, int] = {}
        self._slaves: dict[str, int] = {}
        for name in ("reader-in", "reader-out"):
            self.plug_in(name)
        (folder / "data").mkdir()
        access_list(folder / "data" / "access.db", revision=17, holders=[(str(ANNA), holder("M1001"))])

    def plug_in(self, name: str) -> None:
        self.masters[name], slave = os.openpty()
        tty.setraw(slave)
        self._slaves[name] = slave
        (self.folder / name).symlink_to(os.ttyname(slave))

    def pull_out(self, name: str) -> None:
        (self.folder / name).unlink()
        os.close(self._slaves.pop(name))
        os.close(self.masters.pop(name))

    def badge(self, name: str, number: int) -> None:
        os.write(self.masters[name], rdm6300_frame(number))

    def edges(self) -> list[str]:
        """What the pins did: `<pin> <level>`, in order."""
        return [line.rpartition(" ")[0] for line in self.record.read_text().splitlines()]

    def journal(self) -> list[object]:
        """The committed entries, as another process may read them."""
        uri = f"file:{self.folder}/data/journal.db?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
            rows = database.execute("SELECT body FROM entry ORDER BY sequence").fetchall()
        return [BODY.validate_json(body) for (body,) in rows]

    def passages(self) -> list[Passage]:
        return [entry for entry in self.journal() if isinstance(entry, Passage)]


class Running:
    """The agent's process with its one line of output."""

    def __init__(self, process: asyncio.subprocess.Process, ready: str, log: Path) -> None:
        self.process = process
        self.ready = ready
        self.log = log


@contextlib.asynccontextmanager
async def running(site: Site, gate: Path | None = None) -> AsyncIterator[Running]:
    log = site.folder / "log"
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "edge",
            "run",
            "--config",
            str(site.settings),
            cwd=ROOT,
            env={**os.environ, "WELLGATE_PINS": str(site.record), "WELLGATE_GATE": str(gate or "")},
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            ready = (await process.stdout.readline()).decode()
        assert ready.startswith("READY "), log.read_text()
        yield Running(process, ready, log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def finished(site: Site, command: str, *arguments: str, typed: str = "") -> tuple[int, str]:
    """Run a command to its end; return exit code and everything it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "edge",
        command,
        "--config",
        str(site.settings),
        *arguments,
        cwd=ROOT,
        env={**os.environ, "WELLGATE_PINS": str(site.record)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        output, _ = await process.communicate(typed.encode())
    assert process.returncode is not None
    return process.returncode, output.decode()

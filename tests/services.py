"""Real programs of the machine for tests: a broker and a database, each private, on loopback, gone with its owner."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from deploy.dev.services import CHROMIUM, LIBATOMIC, MOSQUITTO, POSTGRES, Service
from tests.plugin import MISSING_SERVICE

START_LIMIT = 20.0
"""Seconds a program may take to answer: a busy machine, not a slow program."""

CHROMIUM_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
)


class NotStarted(Exception):  # noqa: N818 – tells of a machine, is not handled
    """A program did not come up; the text carries its last words."""


def program(service: Service) -> Path:
    """Return the service's program, or skip the test with the reason that `--require-services` recognises."""
    found = service.find()
    if found is None:
        pytest.skip(f"{MISSING_SERVICE}{service.name}")
    return found


def free_port() -> int:
    """Return a loopback port that nobody used a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Say whether something listens on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Broker:
    """A private mosquitto: password file on, access control off. `kill` and `start` again for tests of cuts."""

    binary: Path
    folder: Path
    port: int
    username: str = "wellgate"
    password: str = "wellgate"
    users: Mapping[str, str] = field(default_factory=dict[str, str])
    settings: Sequence[str] = ()
    host: str = "127.0.0.1"
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What the broker has said so far."""
        path = self.folder / "mosquitto.log"
        return path.read_text() if path.exists() else ""

    def start(self) -> None:
        """Start, and return when the port answers. The port stays the same over restarts."""
        self._write_settings()
        with (self.folder / "mosquitto.log").open("ab") as log:
            command: list[str | Path] = [self.binary, "-c", self.folder / "mosquitto.conf"]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        _wait_until(
            lambda: answers(self.port), self._process, what=f"mosquitto on port {self.port}", log=lambda: self.log
        )

    def stop(self) -> None:
        """End it the polite way."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _write_settings(self) -> None:
        passwords = self.folder / "passwords"
        if not passwords.exists():
            passwords.touch(mode=0o600)
            tool = shutil.which("mosquitto_passwd") or str(self.binary.with_name("mosquitto_passwd"))
            for name, password in {self.username: self.password, **self.users}.items():
                subprocess.run([tool, "-b", passwords, name, password], check=True, capture_output=True)
        lines = [
            f"listener {self.port} {self.host}",
            "allow_anonymous false",
            f"password_file {passwords}",
            "persistence false",
            *(["user root"] if os.geteuid() == 0 else []),  # else it could not read a folder that is ours
            *self.settings,
        ]
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")


@contextmanager
def broker(*, users: Mapping[str, str] | None = None, settings: Sequence[str] = ()) -> Iterator[Broker]:
    """Run a private mosquitto; skip where there is none.

    `users` are further names with their passwords, `settings` further lines of mosquitto.conf.
    """
    binary = program(MOSQUITTO)
    with tempfile.TemporaryDirectory(prefix="wellgate-mosquitto-") as folder:
        one = Broker(binary, Path(folder), free_port(), users=users or {}, settings=settings)
        one.start()
        try:
            yield one
        finally:
            one.stop()


@dataclass(frozen=True, slots=True)
class Cluster:
    """A private PostgreSQL server, reached through a socket in its own folder; fsync is on, as in production."""

    folder: Path
    port: int = 5432  # names the socket file only, nothing listens on the network

    def url(self, database: str = "postgres") -> str:
        """Return the URL that SQLAlchemy and our programs take."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}&port={self.port}"

    def create(self, template: str = "template1") -> str:
        """Make a database like `template`, which is an empty one, and return its name."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._command(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop(self, database: str) -> None:
        """Remove a database, and whoever is still connected to it."""
        self._command(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def _command(self, sql: str) -> None:
        with psycopg.connect(host=str(self.folder), port=self.port, user="postgres", autocommit=True) as connection:
            connection.execute(sql.encode())


@contextmanager
def postgres() -> Iterator[Cluster]:
    """Run a private PostgreSQL from the machine's own binaries; skip where there are none.

    PostgreSQL refuses to be root: then it runs as the user `postgres` that Debian's package makes.
    """
    binaries = program(POSTGRES).parent
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="wellgate-postgres-") as name:
        folder = Path(name)
        if user:
            owner = pwd.getpwnam(user)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        groups: list[str] | None = [] if user else None
        data = folder / "data"
        initdb = f"{binaries}/initdb -D {data} -U postgres -A trust -E UTF8 --locale=C -N".split()
        made = subprocess.run(
            initdb,
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
            user=user,
            group=user,
            extra_groups=groups,
        )
        if made.returncode != 0:
            msg = f"initdb failed: {made.stderr}"
            raise NotStarted(msg)
        server = f"{binaries}/postgres -D {data} -k {folder} -c listen_addresses= -c shared_buffers=32MB".split()
        log = folder / "postgres.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                server,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=user,
                group=user,
                extra_groups=groups,
            )
        cluster = Cluster(folder)
        try:
            _wait_until(lambda: _accepts(cluster), process, what="PostgreSQL", log=log.read_text)
            yield cluster
        finally:
            process.send_signal(signal.SIGINT)  # fast shutdown: connections are cut, data are safe
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)
                process.wait()


def chromium() -> str:
    """Return the browser's path for Playwright's `executable_path`; skip where there is none."""
    program(LIBATOMIC)
    return str(program(CHROMIUM))


def _accepts(cluster: Cluster) -> bool:
    try:
        psycopg.connect(host=str(cluster.folder), port=cluster.port, user="postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _wait_until(
    is_up: Callable[[], bool], process: subprocess.Popen[bytes], *, what: str, log: Callable[[], str]
) -> None:
    """Wait for a program to answer; tell its last words if it ends or stays silent."""
    deadline = time.monotonic() + START_LIMIT
    while not is_up():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            msg = f"{what} did not come up within {START_LIMIT:.0f} s: {log()[-2000:]}"
            raise NotStarted(msg)
        time.sleep(0.02)

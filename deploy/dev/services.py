"""The programs of the machine that the tests want: which are here, and how the missing ones are got."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.dev.environment import Trouble, say

SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin")


@dataclass(frozen=True, slots=True)
class Service:
    """A program the tests start themselves, on loopback, in a folder of their own."""

    name: str
    package: str
    programs: tuple[str, ...]
    folders: tuple[str, ...] = SYSTEM_FOLDERS
    needed_for: str = "tests"

    def find(self) -> Path | None:
        """Return the program's path, where Debian puts it or in PATH; the newest version first."""
        for program in self.programs:
            for folder in self.folders:
                places = sorted(Path("/").glob(f"{folder.lstrip('/')}/{program}"), key=version_of, reverse=True)
                if places:
                    return places[0]
            found = shutil.which(program)
            if found:
                return Path(found).resolve()  # its sisters lie beside the real file, not beside a link
        return None


def version_of(path: Path) -> tuple[int, ...]:
    """Return the numbers in a path, so that 15 sorts after 9."""
    return tuple(int(part) for part in path.parts if part.isdigit())


MOSQUITTO = Service("mosquitto", "mosquitto", ("mosquitto",), needed_for="tests with a broker (the demo has its own)")
POSTGRES = Service("postgres", "postgresql", ("initdb",), ("/usr/lib/postgresql/*/bin",), "tests on PostgreSQL")
CHROMIUM = Service(
    "chromium", "chromium", ("chromium", "chromium-browser", "google-chrome"), needed_for="tests of pages"
)
LIBATOMIC = Service(
    "libatomic", "libatomic1", ("libatomic.so.1",), ("/usr/lib/*-linux-gnu", "/lib/*-linux-gnu"), "tests of pages"
)
"""A library of the program that drives the browser; a small Debian has none."""
ALL = (MOSQUITTO, POSTGRES, CHROMIUM, LIBATOMIC)


def apt_line(services: list[Service]) -> str:
    """Return the exact command that brings these services to a Debian machine."""
    return f"apt-get install -y --no-install-recommends {' '.join(service.package for service in services)}"


def missing() -> list[Service]:
    """Return the services this machine does not have."""
    return [service for service in ALL if service.find() is None]


def provide() -> None:
    """Install what is missing when we are root on a Debian machine.

    Raises Trouble with the exact line to run where we cannot.
    """
    wanted = missing()
    if not wanted:
        return
    names = ", ".join(service.name for service in wanted)
    line = apt_line(wanted)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        msg = f"missing: {names}. On Debian, as root: apt-get update && {line}"
        raise Trouble(msg)
    say(f"installing {names}: {line}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], [*line.split(), "-qq"]):
        done = subprocess.run(
            command, env=environment, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        if done.returncode != 0:
            msg = f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()[-2000:]}"
            raise Trouble(msg)
    still = missing()
    if still:
        msg = f"installed, but not found: {', '.join(service.name for service in still)}; is it in PATH?"
        raise Trouble(msg)

"""`./dev doctor`: what this machine has, one line each, and what to do about what it has not."""

import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.dev import environment, services
from deploy.dev.environment import Group

DEMO_PORTS = (8080, 8081)
ENOUGH_DISK = 2 * 1024**3
"""Bytes that the test environment, a demo and a day of journals need together, with room."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `next_step` is empty when it is fine."""

    name: str
    found: str
    next_step: str = ""
    required: bool = False


def run(root: Path) -> int:
    """Print the findings; return 1 if one stands in the way of `./dev demo` or `./dev test`."""
    findings = list(look(root))
    for finding in findings:
        print(f"{'missing' if finding.next_step else 'ok':<8} {finding.name:<12} {finding.found}")
        if finding.next_step:
            print(f"{'':<21} → {finding.next_step}")
    blocked = [finding.name for finding in findings if finding.required and finding.next_step]
    print(f"doctor: {'cannot run: ' + ', '.join(blocked) if blocked else './dev demo and ./dev test will run'}")
    return 1 if blocked else 0


def look(root: Path) -> Iterator[Finding]:
    """Yield everything worth knowing, cheapest question first."""
    yield Finding("python", f"{sys.version.split()[0]} at {sys.executable}", required=True)
    yield environment_found(root, Group.RUNTIME)
    yield environment_found(root, Group.TEST)
    for service in services.ALL:
        path = service.find()
        yield Finding(
            service.name,
            str(path or f"not found; for {service.needed_for}"),
            "" if path else f"as root: {services.apt_line([service])}",
        )
    shared = root.parent / "shared" / "data"
    yield Finding(
        "shared data",
        "there" if shared.is_dir() else "not there; tests that replay real logs are skipped",
        "" if shared.is_dir() else "nothing to do, unless you have it: put it beside the checkout as ../shared",
    )
    yield from ports()
    yield disk(root)


def environment_found(root: Path, group: Group) -> Finding:
    command = "./dev demo" if group is Group.RUNTIME else "./dev test"
    if environment.is_current(root, group):
        return Finding(f".venv {group}", "as the lock file asks")
    return Finding(f".venv {group}", "not made yet, or the lock file changed", f"{command} does it by itself")


def ports() -> Iterator[Finding]:
    """Yield whether the demo's usual ports are free; it takes others when told."""
    for port in DEMO_PORTS:
        with socket.socket() as probe:
            taken = probe.connect_ex(("127.0.0.1", port)) == 0
        yield Finding(
            f"port {port}",
            "in use" if taken else "free",
            "stop what uses it, or give the demo another one (./dev demo --help)" if taken else "",
        )


def disk(root: Path) -> Finding:
    free = shutil.disk_usage(root).free
    text = f"{free / 1024**3:.1f} GiB free"
    return Finding("disk", text, "" if free >= ENOUGH_DISK else "free at least 2 GiB", required=True)

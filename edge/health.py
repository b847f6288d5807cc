"""What an edge says of itself: a message for central every half minute, and a word to systemd when it is ready."""

import os
import shutil
import socket
from collections.abc import Iterable
from typing import Final

from edge.readers import Reader
from edge.store.access import AccessStore
from edge.store.journal import Journal
from protocol.clock import Clock
from protocol.messages import Health

EVERY_S: Final = 30.0


def health(
    clock: Clock, journal: Journal, access: AccessStore, readers: Iterable[Reader], problems: Iterable[str] = ()
) -> Health:
    """Look at everything once; `problems` are those of parts that are not asked here."""
    reading = clock.read()
    return Health(
        at=reading.wall,
        waiting=journal.committed - journal.acknowledged,
        revision=access.revision,
        clock=reading.trust,
        disk_free=shutil.disk_usage(journal.path.parent).free,
        readers={reader.id: reader.health() for reader in readers},
        problems=(*journal.problems(), *access.problems(), *problems),
    )


def tell_systemd(state: str) -> None:
    """Send one line such as `READY=1` to whoever started us, if that is systemd (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
        line.connect("\0" + address[1:] if address.startswith("@") else address)
        line.send(state.encode())

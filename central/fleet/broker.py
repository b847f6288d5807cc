"""What the broker must know: who may log in, and which topics are whose. Two files that mosquitto reads.

Every edge has exactly its own topics and those of its site (ruling 19); `central` has the other end of each.
"""

import base64
import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from protocol.topics import ROOT, EdgeTopic, SiteTopic, edge_topic, site_topic

CENTRAL: Final = "central"
"""Our own user name at the broker."""

PASSWORDS: Final = "passwords"
TOPICS: Final = "acl"

_ITERATIONS: Final = 101
"""mosquitto's own default. Passwords are 256 random bits: stretching adds nothing to them."""

_UP: Final = (EdgeTopic.EVENTS, EdgeTopic.STATE, EdgeTopic.HEALTH, EdgeTopic.REPLIES)
_DOWN: Final = (EdgeTopic.ACK, EdgeTopic.REWIND, EdgeTopic.COMMANDS)
_SITE_DOWN: Final = (SiteTopic.ACCESS, SiteTopic.DELTAS)


class Account(NamedTuple):
    """An edge's account at the broker."""

    edge: str
    site: str
    password_hash: str


def password_hash(password: str, salt: bytes | None = None) -> str:
    """Return a password as mosquitto 2 keeps it: `$7$iterations$salt$hash`, PBKDF2 with SHA-512."""
    salt = secrets.token_bytes(12) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def password_file(accounts: Iterable[Account], central_password: str) -> str:
    """Return the text of the password file."""
    lines = [f"{CENTRAL}:{password_hash(central_password)}"]
    lines += [f"{account.edge}:{account.password_hash}" for account in accounts]
    return "\n".join(lines) + "\n"


def topic_file(accounts: Iterable[Account]) -> str:
    """Return the text of the access control file. What stands in no line is refused."""
    lines = [f"user {CENTRAL}", f"topic write {ROOT}/#"]  # wider than its own: it clears what others left retained
    lines += [f"topic read {edge_topic('+', topic)}" for topic in _UP]
    lines += [f"topic read {site_topic('+', SiteTopic.PASSAGES)}"]
    for edge, site, _ in accounts:
        lines += ["", f"user {edge}"]
        lines += [f"topic write {edge_topic(edge, topic)}" for topic in _UP]
        lines += [f"topic read {edge_topic(edge, topic)}" for topic in _DOWN]
        lines += [f"topic read {site_topic(site, topic)}" for topic in _SITE_DOWN]
        lines += [f"topic readwrite {site_topic(site, SiteTopic.PASSAGES)}"]
    return "\n".join(lines) + "\n"


def write_files(folder: Path, accounts: Iterable[Account], central_password: str) -> None:
    """Write both files into `folder`, each whole or not at all; the broker takes them on SIGHUP."""
    accounts = sorted(accounts)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / PASSWORDS, password_file(accounts, central_password))
    _write(folder / TOPICS, topic_file(accounts))


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)

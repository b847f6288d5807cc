"""API keys of the staff: made once, shown once, kept as a hash."""

import hashlib
import secrets
from typing import Final, NamedTuple

import sqlalchemy as sa

from central.changes import Unit
from central.schema import api_key

PREFIX: Final = "wgk_"
"""Makes a key that has leaked into a log or a repository easy to find."""


class Key(NamedTuple):
    """The API key somebody asks with."""

    id: int
    name: str


def create(unit: Unit, name: str) -> str:
    """Make a key under a name for people, and return it: it is shown now, and never again."""
    key = PREFIX + secrets.token_urlsafe(32)
    unit.connection.execute(api_key.insert().values(name=name, hash=_hash(key), created_at=unit.now))
    return key


def ensure(unit: Unit, name: str, key: str) -> None:
    """See to it that a key given from outside (a setting) opens; nothing happens when it does already."""
    if key_of(unit.connection, key) is None:
        unit.connection.execute(api_key.insert().values(name=name, hash=_hash(key), created_at=unit.now))


def key_of(connection: sa.Connection, key: str) -> Key | None:
    """Return whose key this is, `None` when it is unknown or withdrawn."""
    found = sa.select(api_key.c.id, api_key.c.name).where(api_key.c.hash == _hash(key), api_key.c.revoked_at.is_(None))
    row = connection.execute(found).one_or_none()
    return None if row is None else Key(row.id, row.name)


def _hash(key: str) -> str:
    # Bytes of a header that are no UTF-8 arrive as escapes: a key nobody has, not a fault of ours.
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()

"""Use cases of edges: enrol, rotate secrets, revoke, list. A secret is shown once and kept as a hash only."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from central.changes import Unit
from central.errors import Invalid, NotFound, Refused
from central.fleet import broker, store
from central.schema import edge
from central.sites import service as sites


class Caller(NamedTuple):
    """The edge that asks, known by its token."""

    edge: str
    site: str


@dataclass(frozen=True, slots=True)
class Stream:
    """What central has of one journal of an edge."""

    epoch: str
    through: int


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge as staff see it. `waiting` is how many entries it says are not acknowledged, null before it spoke."""

    id: str
    site: str
    name: str
    created_at: datetime
    revoked_at: datetime | None
    online: bool
    last_heard: datetime | None
    version: str | None
    revision: int
    clock: str | None
    waiting: int | None
    health: dict[str, Any] | None
    streams: list[Stream]


@dataclass(frozen=True, slots=True)
class Enrolment:
    """An edge with its secrets: shown now, and never again."""

    edge: Edge
    token: str
    """For HTTP, `Authorization: Bearer …`."""
    broker_password: str
    """For MQTT; the user name is the edge's id."""


def enrol(unit: Unit, key: str, site: str, name: str = "") -> Enrolment:
    """Make a new edge of a site; refuses an id that is taken (`ID_IN_USE`) or would be central's own at the broker."""
    if key == broker.CENTRAL:
        raise Invalid("RESERVED_ID", f"{broker.CENTRAL!r} is our own name at the broker; choose another id")
    try:
        sites.get_site(unit.connection, site)
    except NotFound as missing:
        raise Invalid("NO_SUCH_SITE", f"create site {site!r} first") from missing
    if store.find(unit.connection, key) is not None:
        raise Refused("ID_IN_USE", f"there is an edge {key!r} already; rotate its secrets, or choose another id")
    token, password = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    row = {"id": key, "site": site, "name": name, "created_at": unit.now, **_hashes(token, password)}
    unit.connection.execute(edge.insert().values(**row))
    return Enrolment(get(unit.connection, key), token, password)


def rotate(unit: Unit, key: str) -> Enrolment:
    """Give an edge new secrets; the old ones end now. A revoked edge comes back with them."""
    get(unit.connection, key)
    token, password = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    store.update(unit.connection, key, {"revoked_at": None, **_hashes(token, password)})
    return Enrolment(get(unit.connection, key), token, password)


def revoke(unit: Unit, key: str) -> Edge:
    """Shut an edge out: its token is refused at once, its broker account with the next broker files."""
    if get(unit.connection, key).revoked_at is None:
        store.update(unit.connection, key, {"revoked_at": unit.now})
    return get(unit.connection, key)


def get(connection: sa.Connection, key: str) -> Edge:
    """Return an edge; raises `NotFound`."""
    found = store.find(connection, key)
    if found is None:
        raise NotFound("edge", key)
    return _edge(found, store.streams(connection, [key]))


def list_edges(
    connection: sa.Connection, *, after: str | None = None, limit: int | None = None, site: str | None = None
) -> list[Edge]:
    """Return edges by id, those of one site if given."""
    rows = store.edges(connection, after=after or "", limit=limit, site=site)
    streams = store.streams(connection, [row.id for row in rows])
    return [_edge(row, streams) for row in rows]


def edge_by_token(connection: sa.Connection, token: str) -> Caller | None:
    """Return which edge holds the token, `None` when none does or it is revoked."""
    digest = hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()  # as in `keys`
    found = sa.select(edge.c.id, edge.c.site).where(edge.c.token_hash == digest, edge.c.revoked_at.is_(None))
    row = connection.execute(found).one_or_none()
    return None if row is None else Caller(row.id, row.site)


def accounts(connection: sa.Connection) -> list[broker.Account]:
    """Return the broker accounts of all edges that are not revoked."""
    return [
        broker.Account(row.id, row.site, row.broker_hash) for row in store.edges(connection) if row.revoked_at is None
    ]


def _hashes(token: str, password: str) -> dict[str, str]:
    return {
        "token_hash": hashlib.sha256(token.encode()).hexdigest(),
        "broker_hash": broker.password_hash(password),
    }


def _edge(row: store.EdgeRow, streams: dict[str, list[tuple[str, int]]]) -> Edge:
    return Edge(
        id=row.id,
        site=row.site,
        name=row.name,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        online=row.online,
        last_heard=row.last_heard,
        version=row.version,
        revision=row.revision,
        clock=row.clock,
        waiting=(row.health or {}).get("waiting"),
        health=row.health,
        streams=[Stream(epoch, through) for epoch, through in streams.get(row.id, ())],
    )

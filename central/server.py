"""The HTTP side put together: which operations there are, and what describes them."""

from collections.abc import Iterable
from typing import Final

from aiohttp import web

from central import openapi
from central.changes import Units
from central.fleet import api as fleet
from central.http import MIDDLEWARES, UNITS
from central.memberships import api as memberships
from central.mywellness import api as mywellness
from central.operations import Guard, Operation, guarded
from central.passages import api as passages
from central.people import api as people
from central.people.service import PHOTO_LIMIT
from central.sites import api as sites
from protocol import VERSION

FEATURES: Final = (sites.op, people.op, memberships.op, fleet.op, passages.op, mywellness.op)


def create_server(units: Units, routes: Iterable[web.RouteDef] = ()) -> web.Application:
    """Return the application with all operations, and further routes; those say who may ask with `guarded`."""
    app = web.Application(middlewares=MIDDLEWARES, client_max_size=PHOTO_LIMIT + 1)
    app[UNITS] = units
    operations: list[Operation] = []
    for feature in FEATURES:
        feature.attach(app)
        operations += feature
    description: list[dict[str, object]] = []

    async def described(_request: web.Request) -> web.Response:
        if not description:  # made when first asked for: starting again after a crash must be quick
            description.append(openapi.describe(operations, title="wellgate", version=f"{VERSION}.0.0"))
        return web.json_response(description[0])

    async def healthy(_request: web.Request) -> web.Response:
        await units.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())
        return web.json_response({"status": "ok"})

    app.router.add_get("/api/openapi.json", guarded(Guard.OPEN, described))
    app.router.add_get("/healthz", guarded(Guard.OPEN, healthy))
    app.router.add_routes(routes)
    return app

"""Where an edge fetches its access list: its own token, its own site, nothing else."""

from typing import Final

from aiohttp import web

from central.access.snapshot import Snapshots
from central.changes import Units
from central.fleet import service as fleet

ACCESS_PATH: Final = "/edge/v1/access"


def routes(units: Units, snapshots: Snapshots) -> list[web.RouteDef]:
    """Return the routes of the access list."""

    async def access(request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        edge = await units.read(fleet.edge_by_token, token)
        if edge is None:
            raise web.HTTPUnauthorized(text="this edge token is unknown or revoked; enrol the edge again")
        snapshot = await units.read(snapshots.newest, edge.site, units.clock.read().wall)
        headers = {
            "X-Wellgate-Site": snapshot.site,
            "X-Wellgate-Revision": str(snapshot.revision),
            "X-Wellgate-Signature": snapshot.signature,
        }
        return web.Response(body=snapshot.body, headers=headers, content_type="application/zstd")

    return [web.get(ACCESS_PATH, access)]

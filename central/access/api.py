"""Where an edge fetches its access list: its own token, its own site, nothing else."""

from typing import Final

from aiohttp import web

from central.access.snapshot import Snapshots
from central.changes import Units
from central.http import EDGE
from central.operations import Guard, guarded

ACCESS_PATH: Final = "/edge/v1/access"


def routes(units: Units, snapshots: Snapshots) -> list[web.RouteDef]:
    """Return the routes of the access list."""

    async def access(request: web.Request) -> web.Response:
        snapshot = await units.read(snapshots.newest, request[EDGE].site, units.clock.read().wall)
        headers = {
            "X-Wellgate-Site": snapshot.site,
            "X-Wellgate-Revision": str(snapshot.revision),
            "X-Wellgate-Signature": snapshot.signature,
        }
        return web.Response(body=snapshot.body, headers=headers, content_type="application/zstd")

    return [web.get(ACCESS_PATH, guarded(Guard.EDGE, access))]

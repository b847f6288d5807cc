"""Orders from central: open a lane, change its mode, fetch the access list (A-55).

Late and repeated ones never come here: `edge.uplink` answers them.
"""

import logging
from collections.abc import Callable

from edge.passage import Passages
from protocol.identity import LaneId
from protocol.messages import Command, Open, Reload, Reply, SetMode

log = logging.getLogger(__name__)


class Commands:
    """Carries commands out."""

    def __init__(self, passages: Passages, reload: Callable[[], None]) -> None:
        self._passages = passages
        self._reload = reload

    async def carry_out(self, command: Command) -> Reply:
        """Do what is asked; return how it ended."""
        reply = await self._do(command)
        log.info("command %s (%s): %s %s", command.id, command.order.name, reply.outcome, reply.detail)
        return reply

    async def _do(self, command: Command) -> Reply:
        try:
            match command.order:
                case Open(lane=lane):
                    await self._passages.remote_open(LaneId(lane), command.id)
                case SetMode(lane=lane, mode=mode):
                    self._passages.set_mode(LaneId(lane), mode)
                case Reload():
                    self._reload()
        except KeyError as unknown:
            lanes = ", ".join(self._passages.barriers)
            return Reply(id=command.id, outcome="refused", detail=f"no lane {unknown} at this edge, only {lanes}")
        return Reply(id=command.id, outcome="done")

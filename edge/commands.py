"""Orders from central: open a lane, change its mode, fetch the access list. Late ones are not carried out (A-55)."""

import logging
from collections.abc import Callable
from typing import Final

from edge.passage import Passages
from protocol.clock import Clock, Trust
from protocol.identity import LaneId
from protocol.messages import Command, Open, Reload, Reply, SetMode

log = logging.getLogger(__name__)

_REMEMBERED: Final = 64


class Commands:
    """Carries out each command once; a repeated delivery gets the first one's reply."""

    def __init__(self, passages: Passages, clock: Clock, reload: Callable[[], None]) -> None:
        self._passages = passages
        self._clock = clock
        self._reload = reload
        self._replies: dict[str, Reply] = {}

    async def carry_out(self, command: Command) -> Reply:
        """Do what is asked, if it is not too late; an edge that does not know the time takes everything for late."""
        known = self._replies.get(command.id)
        if known is not None:
            return known
        reading = self._clock.read()
        if reading.trust is Trust.UNSET or reading.wall >= command.expires_at:
            reply = Reply(id=command.id, outcome="expired", detail=f"the edge's clock says {reading.wall.isoformat()}")
        else:
            reply = await self._do(command)
        log.info("command %s (%s): %s %s", command.id, command.order.name, reply.outcome, reply.detail)
        self._replies[command.id] = reply
        if len(self._replies) > _REMEMBERED:
            del self._replies[next(iter(self._replies))]
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

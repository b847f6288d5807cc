"""Orders from central: open a lane, change its mode, fetch the access list (A-55).

An order is carried out once and in time: one that comes again gets the answer it had, one that has expired is left.
"""

import logging
from collections.abc import Callable
from typing import Final

from edge.passage import Passages
from protocol.clock import Clock
from protocol.identity import LaneId
from protocol.messages import Command, Open, Reload, Reply, SetMode

log = logging.getLogger(__name__)

_REMEMBERED: Final = 256
"""More commands than can come within the life of one."""


class Commands:
    """Carries commands out, one after the other."""

    def __init__(self, passages: Passages, reload: Callable[[], None], clock: Clock) -> None:
        self._passages = passages
        self._reload = reload
        self._clock = clock
        self._answered: dict[str, Reply] = {}

    async def carry_out(self, command: Command) -> Reply:
        """Do what is asked, unless it was done before or it is too late; return how it ended."""
        if (before := self._answered.get(command.id)) is not None:
            log.info("command %s came again: %s", command.id, before.outcome)
            return before
        reply = self._too_late(command) or await self._do(command)
        log.info("command %s (%s): %s %s", command.id, command.order.name, reply.outcome, reply.detail)
        self._answered[command.id] = reply
        if len(self._answered) > _REMEMBERED:
            del self._answered[next(iter(self._answered))]
        return reply

    def _too_late(self, command: Command) -> Reply | None:
        """A command that waited somewhere must not open a door later (A-55); at its end it has expired."""
        now = self._clock.read().wall
        if now < command.expires_at:
            return None
        late_s = (now - command.expires_at).total_seconds()
        detail = f"expired {late_s:.1f} s ago by the clock of this edge; send it again if it still holds"
        return Reply(id=command.id, outcome="expired", detail=detail)

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

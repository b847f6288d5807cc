"""Keeps the tasks of central alive: one that falls is logged and started again, the others do not notice."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

_log = logging.getLogger(__name__)

_PAUSES: Final = (0.1, 0.5, 2.0, 10.0)
"""Seconds of real time before each new start; the last one from then on."""


async def keep(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` for as long as this task lives, again after each failure or end."""
    falls = 0
    while True:
        try:
            await work()
            _log.warning("%s ended by itself; starting it again", name)
        except Exception:  # noqa: BLE001 - whatever it was, the others go on
            _log.exception("%s failed; starting it again", name)
        await asyncio.sleep(_PAUSES[min(falls, len(_PAUSES) - 1)])
        falls += 1

"""Waiting for what another thread or process does."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Return when `condition` holds; raise TimeoutError when it does not for `seconds` of real time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 – nobody there who could set an event
            await asyncio.sleep(0.002)

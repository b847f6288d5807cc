"""Cards typed by hand, answered by a real agent: the site's own list and settings, mock pins, no device, no network.

The journal is a throw-away one: what is only tried must never reach central.
"""

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

from edge.app import Agent, opened_files
from edge.clock import make_clock
from edge.config import EdgeConfig
from edge.frames import Read
from edge.readers.simulated import SimulatedReader
from edge.relays.gpio import Pins
from edge.store.access import FILE
from protocol.credential import CredentialError, from_import
from protocol.decision import Granted
from protocol.identity import ReaderId


async def simulate(config: EdgeConfig, reader: ReaderId, cards: AsyncIterator[str], say: Callable[[str], None]) -> None:
    """Present each of `cards` (canonical, or decimal as printed) at `reader` and say what came of it."""
    clock = make_clock(config.clock.file if config.clock else None)
    with tempfile.TemporaryDirectory(prefix="wellgate-simulate-") as folder:
        _copy(config.data / FILE, Path(folder) / FILE)
        trial = config.model_copy(update={"data": Path(folder)})
        with opened_files(trial, clock, lambda _through: None) as files, Pins("mock", config.lanes, clock) as pins:
            agent = Agent(
                trial,
                clock=clock,
                files=files,
                pins=pins,
                readers=[SimulatedReader(ReaderId(one.id)) for one in config.readers],
                is_online=lambda: False,
                notify=lambda _notice: None,
            )
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(agent.run(stop), name="agent")
                await asyncio.sleep(0)
                async for card in cards:
                    say(await _answer(agent, reader, card))
                stop.set()


async def _answer(agent: Agent, reader: ReaderId, card: str) -> str:
    try:
        credential = from_import(card)
    except CredentialError as fault:
        return f"{reader} {card}: no card number: {fault}"
    answered = await agent.passages.present(reader, Read(credential, card))
    if answered is None:
        return f"{reader} {credential.masked} SAME presentation, answered already"
    verdict = answered.verdict
    if isinstance(verdict, Granted):
        visit = " new visit" if verdict.new_visit else ""
        return f"{reader} {credential.masked} GRANT {verdict.reason.value}{visit}"
    return f"{reader} {credential.masked} DENY {verdict.reason.value}"


def _copy(source: Path, target: Path) -> None:
    """Copy the access list in use, whatever its write-ahead log holds."""
    if not source.exists():
        return
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)

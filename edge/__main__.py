"""`wellgate-edge`: run an edge, check its settings, try cards without a device."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from edge import app
from edge.check import check
from edge.config import ConfigError, EdgeConfig, load
from edge.relays.gpio import PinsError
from edge.simulate import simulate
from edge.store.database import StoreError
from protocol.identity import ReaderId

log = logging.getLogger(__name__)

DEFAULT_CONFIG: Final = Path("/etc/wellgate/site.toml")
_CANNOT_START: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; return the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line per question to central helps nobody
    if options.command == "check":
        return _check(options.config)
    try:
        loaded = load(options.config)
        for warning in loaded.warnings:
            log.warning("%s", warning)
        if options.command == "simulate":
            return _simulate(loaded.config, options.reader, options.card)
        asyncio.run(app.run(loaded.config, _say))
    except OSError as fault:
        what = f"{fault.filename}: {fault.strerror}; check path, rights and room" if fault.filename else fault
        print(f"wellgate-edge cannot start: {what}", file=sys.stderr)
        return _CANNOT_START
    except (ConfigError, PinsError, StoreError, ValueError) as fault:
        print(f"wellgate-edge cannot start: {fault}", file=sys.stderr)
        return _CANNOT_START
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wellgate-edge", description="The access gateway of one site.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("run", "run until SIGTERM; prints one READY line when cards are answered"),
        ("check", "look at settings, clock, pins and ports, one line each; exit code 1 if something fails"),
        ("simulate", "answer cards from --card or standard input with the site's access list, without devices"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--config", type=Path, default=DEFAULT_CONFIG, metavar="site.toml")
        if name == "simulate":
            command.add_argument("--reader", help="id of the reader to present at (default: the first)")
            command.add_argument("--card", action="append", default=[], help="card number; may be given several times")
    return parser


def _check(path: Path) -> int:
    failed = False
    for state, text in check(path):
        print(f"{state:4} {text}")
        failed = failed or state == "FAIL"
    return int(failed)


def _simulate(config: EdgeConfig, reader: str | None, cards: Sequence[str]) -> int:
    known = [one.id for one in config.readers]
    if reader is not None and reader not in known:
        raise ConfigError(f"--reader {reader}: no such reader; known are {', '.join(known)}")
    typed = _given(cards) if cards else _typed()
    asyncio.run(simulate(config, ReaderId(reader or known[0]), typed, _say))
    return 0


async def _given(cards: Sequence[str]) -> AsyncIterator[str]:
    for card in cards:
        yield card


async def _typed() -> AsyncIterator[str]:
    while line := await asyncio.to_thread(sys.stdin.readline):
        if card := line.strip():
            yield card


def _say(line: str) -> None:
    print(line, flush=True)


def program() -> int:
    """Run as a program of its own: what it writes is for its own user only."""
    os.umask(0o077)
    return main()


if __name__ == "__main__":
    sys.exit(program())

"""`./dev demo`: a gym on this machine, from a card's bytes to Mywellness. `--log FILE` plays a real access log."""

import argparse
import asyncio
import json
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from central.clock import SystemClock
from deploy.demo import day as demo_day, replay
from deploy.demo.chaos import Chaos
from deploy.demo.program import NotReady
from deploy.demo.show import Show
from deploy.demo.world import World, answers, open_world

KEYS = ("lost", "duplicated", "inversions", "contradicted", "sent_twice", "wrong_times")
"""Figures of a summary that must be 0."""
_LOGS: Final = "with --keep the logs of all programs stay"
_PORT: Final = 8080
_OF_A_LOG: Final = ("chaos", "database", "zone", "rollover", "kills", "seed")
"""Options that mean nothing to the day, which is always the same."""


def main() -> int:
    """Parse, run, print; 0 when everything came out as it must."""
    parser = _parser()
    arguments = parser.parse_args()
    if misuse := _misuse(arguments):
        parser.error(misuse)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    folder = Path(tempfile.mkdtemp(prefix="wellgate-demo-"))
    try:
        summary = asyncio.run(_run(arguments, folder))
    except KeyboardInterrupt:
        return 0
    except TimeoutError as waited:
        print(f"demo: {str(waited) or 'something did not come in time'}; {_LOGS}", file=sys.stderr)
        return 1
    except OSError as problem:
        where = f"{problem.filename}: " if problem.filename else ""
        print(f"demo: {where}{problem.strerror or problem}", file=sys.stderr)
        return 2
    except ValueError as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 2
    except (RuntimeError, NotReady) as problem:
        print(f"demo: {problem}\ndemo: {_LOGS}", file=sys.stderr)
        return 1
    finally:
        if arguments.keep:
            print(f"files kept in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if arguments.json:
        print(json.dumps(summary, indent=2, ensure_ascii=False))
    return 1 if summary["failed"] else 0


def _misuse(arguments: argparse.Namespace) -> str:
    """Say which options do not go together; empty when all do."""
    if (arguments.log is None) != (arguments.members is None):
        return "give --log and --members together: a log says who came, the members say who may"
    idle = [f"--{name}" for name in _OF_A_LOG if getattr(arguments, name) != _parser().get_default(name)]
    if arguments.log is None and idle:
        return f"{', '.join(idle)}: only for a log; give --log and --members too"
    if arguments.port and answers(arguments.port):
        return f"--port {arguments.port} is in use; name another, or leave it out for a free one"
    return ""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as unknown:
        msg = f"no time zone is called {name!r}; write one like Europe/Stockholm"
        raise argparse.ArgumentTypeError(msg) from unknown
    return name


def _clock_time(text: str) -> str:
    try:
        return datetime.strptime(text, "%H:%M").strftime("%H:%M")  # noqa: DTZ007 - a time of day has no zone
    except ValueError as wrong:
        msg = f"{text!r} is no time of day; write one like 04:00"
        raise argparse.ArgumentTypeError(msg) from wrong


def _page_port(arguments: argparse.Namespace) -> int:
    """Where central's pages go: as asked, else where people look first, else (0) anywhere."""
    if arguments.port or arguments.once or answers(_PORT):
        return int(arguments.port)
    return _PORT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("./dev demo", description=__doc__)
    parser.add_argument(
        "--once", action="store_true", help="play, then stop; without it the gym stays open until Ctrl-C"
    )
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")
    parser.add_argument("--broker", choices=("mosquitto", "embedded"), help="default: mosquitto where there is one")
    parser.add_argument("--database", help="a PostgreSQL address; default: SQLite")
    parser.add_argument("--port", type=int, default=0, help="port of central's pages; default: 8080 or a free one")
    parser.add_argument("--log", type=Path, metavar="FILE", help="play this access log: time,direction,card")
    parser.add_argument("--members", type=Path, metavar="FILE", help="the members of that log")
    parser.add_argument("--zone", type=_zone, default="Europe/Stockholm", help="time zone of the log")
    parser.add_argument(
        "--rollover", type=_clock_time, default="00:00", metavar="HH:MM", help="when an open visit ends by itself"
    )
    parser.add_argument("--chaos", action="store_true", help="kill edge, broker and central at random while playing")
    parser.add_argument("--kills", type=int, default=32, help="kills of each of the three (default 32)")
    parser.add_argument("--seed", type=int, default=1, help="of the kills")
    parser.add_argument("--keep", action="store_true", help="keep databases and logs")
    return parser


async def _run(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    show = Show(quiet=arguments.json)
    if arguments.log is not None:
        return await _replay(arguments, folder, show)
    return await _day(arguments, folder, show)


async def _replay(arguments: argparse.Namespace, folder: Path, show: Show) -> dict[str, Any]:
    zone = ZoneInfo(arguments.zone)
    rows = replay.read_log(arguments.log, zone)
    plan = replay.plan(folder, rows, database=arguments.database, broker=arguments.broker)
    plan.http_port = _page_port(arguments)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    seeding: Callable[[World], Any] = lambda world: replay.seed(world, arguments.members)  # noqa: E731
    async with open_world(plan, seed=seeding, site={"rollover": arguments.rollover}) as world:
        show.opened(world, "playing a log")
        player = replay.Player(world)
        chaos = Chaos(world, player, len(rows), arguments.seed, arguments.kills) if arguments.chaos else None
        opened = loop.time()
        await replay.play(world, rows, player, tell=show.progress, settled=chaos.finish if chaos else None)
        played = loop.time()
        summary = await replay.summarise(world, player, zone)
        summary["phases"] = {
            "open": round(opened - begun, 1),
            "play": round(played - opened, 1),
            "check": round(loop.time() - played, 1),
        }
        summary["kills"] = chaos.report() if chaos else {}
        if chaos:
            summary["unknown_by_kill"] = await chaos.explain_unknown()
        summary["settings"] = world.told_settings()
        summary["seconds"] = round(loop.time() - begun, 1)
        unexplained = chaos.unexplained if chaos else summary["unknown"]
        summary["failed"] = [name for name in KEYS if summary[name]] + (["unknown"] if unexplained else [])
        show.summary(summary)
        if not arguments.once:
            await show.stay_open(world)
        return summary


async def _day(arguments: argparse.Namespace, folder: Path, show: Show) -> dict[str, Any]:
    today = SystemClock().read().wall.date()
    plan = demo_day.plan(folder, today, broker=arguments.broker, http_port=_page_port(arguments))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    seeding: Callable[[World], Any] = lambda world: demo_day.seed(world, today)  # noqa: E731
    async with open_world(plan, seed=seeding) as world:
        show.opened(world, "a day at the gym")
        summary = await demo_day.play(world, today, show, slowly=not arguments.once)
        summary["seconds"] = round(loop.time() - begun, 1)
        summary["failed"] = [name for name in (*KEYS, "unexpected", "unknown") if summary[name]]
        show.summary(summary)
        if not arguments.once:
            await show.stay_open(world)
        return summary


if __name__ == "__main__":
    sys.exit(main())

"""`wellgate-central sandbox`: the stand-in from the command line."""

import argparse
import asyncio
import sys
from pathlib import Path

from pydantic import ValidationError

from central.clock import make_clock
from central.mywellness.sandbox.app import create_app, serve
from central.mywellness.sandbox.clock import HasNow, WallOf
from central.mywellness.sandbox.ledger import Ledger, LedgerUnreadableError
from central.mywellness.sandbox.sandbox import Facility
from central.mywellness.sandbox.switches import RateLimit, Switches, changed

_UNUSABLE = 2


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add the `sandbox` command and its arguments."""
    parser = subparsers.add_parser("sandbox", help="run a stand-in Mywellness server to try the integration on")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8089, help="0 takes a free one and prints it")
    parser.add_argument("--ledger", type=Path, help="file that keeps what was recorded; without it, memory only")
    parser.add_argument("--clock-file", type=Path, help="follow the injected clock in this file")
    parser.add_argument("--api-key", default="sandbox-key")
    parser.add_argument("--username", default="sandbox@club.example")
    parser.add_argument("--password", default="sandbox-password")
    parser.add_argument(
        "--facility", action="append", metavar="SLUG[=NAME]", help="a club it serves; repeatable (default: mygym)"
    )
    parser.add_argument("--rate-limit", choices=[limit.value for limit in RateLimit], default=RateLimit.OFF.value)
    parser.add_argument("--rate-limit-calls", type=int, default=60, help="calls per window")
    parser.add_argument("--rate-limit-window-s", type=int, default=900, help="length of a window")
    parser.add_argument("--switch", action="append", default=[], metavar="NAME=POSITION", help="repeatable")
    return parser


def _switches(args: argparse.Namespace) -> Switches:
    wish: dict[str, object] = {
        "rate_limit": args.rate_limit,
        "rate_limit_calls": args.rate_limit_calls,
        "rate_limit_window_s": args.rate_limit_window_s,
    }
    for pair in args.switch:
        name, _, position = pair.partition("=")
        wish[name] = int(position) if position.isdigit() else position
    return changed(Switches(), wish)


async def run(args: argparse.Namespace, clock: HasNow) -> None:
    """Serve what the arguments describe until a signal comes.

    Raises `ValidationError` (switches), `LedgerUnreadableError`, `OSError` (ledger file or port).
    """
    switches = _switches(args)
    facilities = [Facility.named(*pair.split("=", 1)) for pair in args.facility or ["mygym=My Gym"]]
    app = create_app(Ledger(args.ledger), clock, switches, (args.api_key, args.username, args.password), facilities)
    await serve(app, args.host, args.port)


def main_sandbox(args: argparse.Namespace) -> int:
    """Run the command and return its exit code: 0, or 2 if the settings cannot be used."""
    try:
        asyncio.run(run(args, WallOf(make_clock(args.clock_file))))
    except (ValidationError, LedgerUnreadableError, OSError) as error:
        print(f"sandbox cannot start: {error}", file=sys.stderr)  # noqa: T201 - the command's answer
        return _UNUSABLE
    return 0

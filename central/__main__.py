"""`wellgate-central`: the commands of the central server. Each imports what it needs, so that each starts quickly."""

import argparse
import asyncio
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from central import config

if TYPE_CHECKING:
    from central.people.importing import Report

_UNUSABLE: Final = 2
"""Exit code when settings or arguments cannot be used."""
_WITHOUT_SANDBOX: Final = (["serve"], ["migrate"], ["import"], ["api-key"], ["broker-files"], ["public-key"])
"""Commands that start quicker by not loading what only the sandbox's options need."""
_INCOMPLETE: Final = 1
"""Exit code when some of what was asked for could not be done."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    args = _parser(with_sandbox=arguments[:1] not in _WITHOUT_SANDBOX).parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for chatty in ("alembic", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        return int(args.run(args))
    except config.SettingsError as problem:
        print(problem, file=sys.stderr)
        return _UNUSABLE
    except OSError as problem:
        where = problem.filename or "wellgate-central"
        print(f"{where}: {problem.strerror or problem}; check the path and our rights to it", file=sys.stderr)
        return _UNUSABLE


def _parser(*, with_sandbox: bool) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("wellgate-central", description="The central server of wellgate.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the server until it is told to stop")
    serve.set_defaults(run=_serve)
    migrate = commands.add_parser("migrate", help="bring the database up to date")
    migrate.set_defaults(run=_migrate)
    files = commands.add_parser("import", help="import from a file").add_subparsers(required=True, metavar="WHAT")
    members = files.add_parser("members", help="import members, their cards and subscriptions from a CSV file")
    members.add_argument("file", type=Path)
    members.add_argument("--dry-run", action="store_true", help="only say what would be done")
    members.add_argument("--product", help="the subscription they hold, when there are several")
    members.add_argument("--site", help="where they hold it, when it is sold at several")
    members.add_argument("--json", action="store_true", help="print the report as JSON")
    members.set_defaults(run=_import_members)
    keys = commands.add_parser("api-key", help="keys of the staff").add_subparsers(required=True, metavar="WHAT")
    key = keys.add_parser("create", help="make a key and print it, once")
    key.add_argument("name", help="for whom, or for what")
    key.set_defaults(run=_create_key)
    broker = commands.add_parser("broker-files", help="write the broker's password file and access control file")
    broker.add_argument("folder", type=Path)
    broker.set_defaults(run=_broker_files)
    public = commands.add_parser("public-key", help="print the key with which edges check access lists")
    public.set_defaults(run=_public_key)
    for command in (serve, migrate, members, key, broker, public):
        config.add_options(command)

    if with_sandbox:
        from central.mywellness.sandbox.cli import add_parser  # noqa: PLC0415

        add_parser(commands).set_defaults(run=_sandbox)
    return parser


def _settings(args: argparse.Namespace) -> config.Settings:
    return config.load(args, os.environ)


def _serve(args: argparse.Namespace) -> int:
    settings = _settings(args)
    from central.app import serve  # noqa: PLC0415

    asyncio.run(serve(settings, lambda line: print(line, flush=True)))
    return 0


def _migrate(args: argparse.Namespace) -> int:
    from central.migrate import HEAD, opened  # noqa: PLC0415

    database, done = opened(_settings(args).database)
    database.close()
    print(f"database is {'now' if done else 'already'} at step {HEAD}")
    return 0


def _import_members(args: argparse.Namespace) -> int:
    from central.app import Central  # noqa: PLC0415
    from central.people.importing import import_members  # noqa: PLC0415
    from central.people.rows import FileProblem  # noqa: PLC0415

    central = Central(_settings(args))
    try:
        with args.file.open(newline="", encoding="utf-8-sig") as file:
            report = import_members(central.units, file, product=args.product, site=args.site, dry_run=args.dry_run)
    except FileProblem as problem:
        print(f"{args.file}: {problem}", file=sys.stderr)
        return _UNUSABLE
    finally:
        central.close()
    print(_as_json(report) if args.json else _as_text(report, args.file))
    return _INCOMPLETE if report.troubles else 0


def _as_json(report: "Report") -> str:
    troubles = [trouble._asdict() for trouble in report.troubles]
    return json.dumps({**vars(report), "troubles": troubles}, indent=2, ensure_ascii=False)


def _as_text(report: "Report", file: Path) -> str:
    lines = [
        f"{file}:{trouble.line}: {trouble.field or 'row'}: {trouble.problem}; {trouble.do}"
        for trouble in report.troubles
    ]
    would = "would be " if report.dry_run else ""
    left_out = len({trouble.line for trouble in report.troubles})
    counts = f"{report.created} {would}created, {report.updated} {would}updated, {report.unchanged} unchanged"
    return "\n".join([*lines, f"{counts}, {left_out} left out"])


def _create_key(args: argparse.Namespace) -> int:
    from central import keys  # noqa: PLC0415
    from central.app import Central  # noqa: PLC0415

    central = Central(_settings(args))
    print(central.units.run_sync(keys.create, args.name))
    central.close()
    return 0


def _broker_files(args: argparse.Namespace) -> int:
    settings = _settings(args).model_copy(update={"broker_files": args.folder})
    if settings.broker_password is None:
        raise config.SettingsError("give --broker with our own password, or --broker-password-file")
    from central.app import Central  # noqa: PLC0415

    central = Central(settings)
    try:
        central.write_broker_files()
    finally:
        central.close()
    return 0


def _public_key(args: argparse.Namespace) -> int:
    from central.access.signing import Signer  # noqa: PLC0415

    print(Signer.from_folder(_settings(args).data).public_key)
    return 0


def _sandbox(args: argparse.Namespace) -> int:
    from central.mywellness.sandbox.cli import main_sandbox  # noqa: PLC0415

    return main_sandbox(args)


def program() -> int:
    """Run as a program of its own: what it writes is for its own user only."""
    os.umask(0o077)
    return main()


if __name__ == "__main__":
    sys.exit(program())

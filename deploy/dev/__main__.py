"""`./dev COMMAND`: parse, prepare the environment, hand over."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from deploy.dev import check, doctor, environment, lock, services
from deploy.dev.environment import Group, Trouble

ROOT = Path(__file__).resolve().parents[2]

USAGE = """\
usage: ./dev COMMAND [arguments]

  demo    a gym on this machine: broker, central, sandbox, two edges      (--once --json, --log FILE …)
  test    the tests; what needs a missing service is skipped              (--all: nothing may be; pytest arguments)
  check   ruff, mypy, pyright, import contracts, unused dependencies      (--fix: let ruff repair first)
  bench   times as ratios to floors of the same run
  trace   which requirement is proven by which test                       (--json)
  doctor  what this machine has, what is missing, what to do next
  lock    write requirements/*.txt anew from pyproject.toml
"""

OPTIONS_THAT_FORBID_WORKERS = (
    "-n",
    "--numprocesses",
    "-s",
    "--pdb",
    "--collect-only",
    "--co",
    "--fixtures",
    "--markers",
)


def run_module(group: Group, module: str, arguments: list[str]) -> int:
    """Become `python -m module arguments` in the environment that holds `group`; does not return."""
    python = environment.ready(ROOT, group)
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execve(python, [str(python), "-m", module, *arguments], environment.variables(ROOT))  # noqa: S606 – no shell is wanted


def demo(arguments: list[str]) -> int:
    return run_module(Group.RUNTIME, "deploy.demo", arguments)


def bench(arguments: list[str]) -> int:
    return run_module(Group.TEST, "tests.bench", arguments)


def trace(arguments: list[str]) -> int:
    return run_module(Group.TEST, "tests.trace", arguments)


def test(arguments: list[str]) -> int:
    """Run pytest; with `--all` also the checks, and every service must be there."""
    if "--all" not in arguments:
        return run_module(Group.TEST, "pytest", pytest_arguments(arguments))
    services.provide()
    checked = check.run(ROOT, environment.ready(ROOT, Group.TEST))
    rest = [argument for argument in arguments if argument != "--all"]
    command: list[str | Path] = [
        environment.ready(ROOT, Group.TEST),
        "-m",
        "pytest",
        "--require-services",
        *pytest_arguments(rest),
    ]
    tested = environment.call(command, ROOT)
    if checked:
        print("dev: the tests are done, but ./dev check is red (see above)", file=sys.stderr)
    return tested or checked


def pytest_arguments(arguments: list[str]) -> list[str]:
    """Return pytest's arguments: two workers unless the caller looks at one process."""
    for argument in arguments:
        path = argument.partition("::")[0]
        if ("/" in path or path.endswith(".py")) and not path.startswith("-") and not (ROOT / path).exists():
            msg = f"there is no {path} here"  # pytest's own words get lost between its workers
            raise Trouble(msg)
    alone = any(argument.split("=")[0] in OPTIONS_THAT_FORBID_WORKERS for argument in arguments)
    return ["-q", *([] if alone else ["-n", "2", "--dist", "loadgroup", "--max-worker-restart", "0"]), *arguments]


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "demo": demo,
    "test": test,
    "check": lambda arguments: check.run(ROOT, environment.ready(ROOT, Group.TEST), fix="--fix" in arguments),
    "bench": bench,
    "trace": trace,
    "doctor": lambda _: doctor.run(ROOT),
    "lock": lambda _: lock.run(ROOT, environment.ready(ROOT, Group.RUNTIME)),
    "deps": lambda arguments: environment.deps(ROOT, arguments),
}


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code; 2 is a wrong command, 3 a machine that lacks something."""
    if not arguments or arguments[0] in {"help", "-h", "--help"}:
        print(USAGE, end="")
        return 0
    command = COMMANDS.get(arguments[0])
    if command is None:
        print(f"dev: no command {arguments[0]!r}; one of: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        return command(arguments[1:])
    except Trouble as trouble:
        print(f"dev: {trouble}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`./dev check`: every quality gate, side by side, one line each."""

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from deploy.dev.environment import variables

PACKAGES = ("protocol", "edge", "central", "deploy", "tests")


@dataclass(frozen=True, slots=True)
class Gate:
    """One tool and how it is called."""

    name: str
    command: list[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a gate answered, and after how many seconds."""

    gate: Gate
    code: int
    output: str
    seconds: float


def gates(root: Path, python: Path) -> list[Gate]:
    """Return the gates; the slow ones first, so that they share the processors with the quick ones."""
    folder = python.parent
    packages = [name for name in PACKAGES if (root / name / "__init__.py").exists()]
    return [
        Gate("pyright", [str(folder / "pyright"), "--warnings", *packages]),
        Gate("mypy", [str(folder / "mypy"), *packages]),
        Gate("ruff check", [str(folder / "ruff"), "check", "--quiet", "."]),
        Gate("ruff format", [str(folder / "ruff"), "format", "--check", "--quiet", "."]),
        Gate("import contracts", [str(folder / "lint-imports"), "--no-cache"]),
        Gate("deptry", [str(folder / "deptry"), "."]),
    ]


def run(root: Path, python: Path, *, fix: bool = False) -> int:
    """Run all gates at once, print what failed and a table; return 0 when all are green."""
    if fix:
        for words in (["check", "--fix", "--quiet", "."], ["format", "--quiet", "."]):
            subprocess.run([str(python.parent / "ruff"), *words], cwd=root, env=variables(root), check=False)
    started = time.monotonic()
    wanted = gates(root, python)
    with ThreadPoolExecutor(len(wanted)) as pool:
        outcomes = list(pool.map(lambda gate: judge(gate, root), wanted))
    for outcome in outcomes:
        if outcome.code != 0:
            print(f"── {outcome.gate.name} ──\n{outcome.output.strip()}\n")
    for outcome in outcomes:
        print(f"{'ok  ' if outcome.code == 0 else 'FAIL'}  {outcome.gate.name:<17} {outcome.seconds:5.1f} s")
    failed = sum(outcome.code != 0 for outcome in outcomes)
    verdict = "all green" if not failed else f"{failed} of {len(outcomes)} red"
    print(f"check: {verdict} in {time.monotonic() - started:.1f} s", flush=True)
    return 1 if failed else 0


def judge(gate: Gate, root: Path) -> Outcome:
    """Run one gate to its end."""
    started = time.monotonic()
    done = subprocess.run(
        gate.command,
        cwd=root,
        env=variables(root),
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return Outcome(gate, done.returncode, done.stdout, time.monotonic() - started)

"""python -m tests.bench [--quick] [--only NAME …] [--json]: the table on standard error, JSON on standard output."""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.bench import append, decision, delivery, door
from tests.bench.measure import FEWEST_ROUNDS, Effort, Figure, Machine, Outcome, Skipped, machine

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / ".bench"
"""Lists that take long to write are kept here between runs; the rest goes with the run."""

SECTIONS: Final[dict[str, Callable[[Effort, Path], Iterator[Outcome]]]] = {
    "decision": decision.run,
    "door": door.run,
    "append": append.run,
    "delivery": delivery.run,
}


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and return 1 when a target with a gate is missed."""
    parser = argparse.ArgumentParser(prog="./dev bench", description="Times as ratios to floors of the same run.")
    parser.add_argument("--quick", action="store_true", help="sizes that show only that it runs")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="this section; may be given more than once")
    parser.add_argument("--rounds", type=int, default=FEWEST_ROUNDS, help="interleaved rounds (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    options = parser.parse_args(arguments)
    effort = Effort(rounds=2 if options.quick else max(FEWEST_ROUNDS, options.rounds), quick=options.quick)
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 150)
    before, started = os.getloadavg(), time.perf_counter()
    taken = measured(effort, options.only or list(SECTIONS), console)
    here = machine(before)
    console.print(_table(taken, effort, here, time.perf_counter() - started))
    if options.json:
        json.dump(as_json(taken, effort, here), sys.stdout, indent=1, ensure_ascii=False)
        print()
    return int(any(isinstance(one, Figure) and one.target and one.target.gate and not one.met for one in taken))


def measured(effort: Effort, sections: list[str], console: Console | None = None) -> list[Outcome]:
    """Take the figures of some sections."""
    FOLDER.mkdir(exist_ok=True)
    taken: list[Outcome] = []
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="run-") as name:
        for section in sections:
            if console is not None:
                console.print(f"measuring {section} …", style="dim")
            folder = FOLDER if section == "decision" else Path(name)
            taken += SECTIONS[section](effort, folder)
    return taken


def as_json(taken: list[Outcome], effort: Effort, here: Machine) -> dict[str, object]:
    """What a program reads: every figure with its range, target and verdict."""
    figures = [
        {
            "id": one.id,
            "what": one.what,
            "unit": one.unit,
            "median": one.value,
            "low": one.low,
            "high": one.high,
            "target": str(one.target) if one.target else None,
            "gate": bool(one.target and one.target.gate),
            "met": one.met,
            "times": one.detail,
        }
        for one in taken
        if isinstance(one, Figure)
    ]
    skipped = [one._asdict() for one in taken if isinstance(one, Skipped)]
    return {
        "rounds": effort.rounds,
        "quick": effort.quick,
        "machine": here._asdict(),
        "figures": figures,
        "skipped": skipped,
    }


def _table(taken: list[Outcome], effort: Effort, here: Machine, seconds: float) -> Table:
    table = Table(
        title=f"{effort.rounds} interleaved rounds" + (", quick: values mean little" * effort.quick),
        caption=f"{here.processor}, {here.cores} cores, {here.memory_gib:g} GiB, Linux {here.kernel},"
        f" Python {here.python}, SQLite {here.sqlite}; load average before"
        f" {' '.join(f'{load:.2f}' for load in here.load_before)}, after"
        f" {' '.join(f'{load:.2f}' for load in here.load_after)}; took {seconds:.0f} s",
    )
    for heading, side in (
        ("", "left"),
        ("what", "left"),
        ("median", "right"),
        ("range", "right"),
        ("target", "right"),
        ("", "left"),
        ("product : floor", "left"),
    ):
        table.add_column(heading, justify=side)  # type: ignore[arg-type]
    for one in taken:
        match one:
            case Figure():
                verdict = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[one.met]
                gate = " ●" if one.target and one.target.gate else ""
                table.add_row(
                    one.id,
                    one.what,
                    f"{one.value:.3g} {one.unit}",
                    f"{one.low:.3g}…{one.high:.3g}",
                    f"{one.target}{gate}" if one.target else "",
                    verdict,
                    one.detail,
                )
            case Skipped():
                table.add_row(one.id, one.what, "skipped", "", "", "", one.why)
    return table


if __name__ == "__main__":
    sys.exit(main())

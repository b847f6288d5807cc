"""`./dev demo --log`: a small log whose every row is a boundary, played as a year is, with and without kills.

The figures are counted by hand from `tests/vectors/log`: first and last days of freeze and charge, a card with leading
zeros, both sides of a change to summer time, an exit of somebody who may not enter, an unknown card.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.dev.services import MOSQUITTO
from tests.services import program

pytestmark = [pytest.mark.timeout(180)]
ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / "tests" / "vectors" / "log"


def played(*options: str) -> dict[str, Any]:
    """Run the command to its end and return its summary; its exit code must say that all is well."""
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "deploy.demo",
        "--log",
        LOG / "log.csv",
        "--members",
        LOG / "members.csv",
    ]
    done = subprocess.run(
        [*command, "--once", "--json", *options], cwd=ROOT, capture_output=True, text=True, check=False, timeout=170
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


@pytest.mark.parametrize("broker", ["mosquitto", "embedded"])
def test_each_boundary_row_is_answered_counted_and_sent_as_it_must_be(broker: str) -> None:
    if broker == "mosquitto":
        program(MOSQUITTO)
    summary = played("--broker", broker)
    figures = {name: summary[name] for name in ("passages", "granted", "denied", "visits", "re_entries")}
    assert figures == {"passages": 13, "granted": 9, "denied": 4, "visits": 5, "re_entries": 1}
    assert summary["reasons"] == {"FROZEN": 2, "NOT_CHARGED": 1, "UNKNOWN_CREDENTIAL": 1}
    assert summary["visits_to_mywellness"] == 4
    assert summary["visits_not_sent"] == {"incomplete": 1}
    spotless = ("lost", "duplicated", "inversions", "contradicted", "sent_twice", "wrong_times", "unknown", "retaps")
    assert [summary[name] for name in spotless] == [0] * len(spotless)


def test_kills_of_everything_change_no_figure_but_the_second_taps(folder: Path) -> None:
    assert folder.exists()
    summary = played("--chaos", "--kills", "3", "--seed", "7")
    assert summary["kills"]["programs"] == {"edge": 3, "broker": 3, "central": 3}
    assert summary["passages"] >= 13
    assert summary["visits"] == 5
    assert summary["denied"] >= 4
    assert summary["visits_to_mywellness"] <= 4 <= summary["visits_to_mywellness"] + summary["unknown"]
    assert summary["unknown"] <= 3
    assert [summary[name] for name in ("lost", "duplicated", "inversions", "sent_twice")] == [0, 0, 0, 0]


def test_a_log_with_a_broken_row_is_refused_with_its_line(tmp_path: Path) -> None:
    broken = tmp_path / "log.csv"
    broken.write_text("time,direction,card\n2015-03-05 10:00:00,IN,12345\n2015-03-05 10:00:05,UP,12345\n")
    command: list[str | Path] = [sys.executable, "-m", "deploy.demo", "--log", broken, "--members", LOG / "members.csv"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "line 3: direction 'UP' is neither IN nor OUT" in done.stderr
    assert "Traceback" not in done.stderr

"""`./dev demo` called wrongly: one line that says what to do, before anything is started; never a traceback."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

LOG = ROOT / "tests" / "vectors" / "log"
HEADER = "time,direction,card"


def refused(*options: str | Path) -> str:
    """Run the demo, which must refuse with exit code 2, and return its last line."""
    command = [sys.executable, "-m", "deploy.demo", "--once", "--json", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--log", "log.csv"], ["--log and --members together"], id="a log without members"),
        pytest.param(["--chaos"], ["--chaos", "give --log"], id="chaos without a log"),
        pytest.param(["--database", "postgresql://x/y"], ["--database", "give --log"], id="a database for the day"),
        pytest.param(["--zone", "Mars/Base"], ["'Mars/Base'", "Europe/Stockholm"], id="no such zone"),
        pytest.param(["--rollover", "25:00"], ["'25:00'", "04:00"], id="no such time of day"),
        pytest.param(
            ["--log", "nowhere.csv", "--members", "nowhere.csv"], ["nowhere.csv", "No such file"], id="no such file"
        ),
    ],
)
def test_options_that_cannot_be_used_are_explained(options: list[str], said: list[str]) -> None:
    line = refused(*options)
    assert [word for word in said if word not in line] == []


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"--port {port} is in use" in refused("--port", str(port))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        pytest.param([], "has no rows", id="empty"),
        pytest.param(["yesterday,IN,12"], "line 2: time 'yesterday' is none", id="no time"),
        pytest.param(["2026-01-31 08:00:00,IN,12", "half a row"], "line 3: time 'half a row'", id="half a row"),
        pytest.param(["2026-01-31 08:00:00,IN"], "line 2: card", id="no card"),
        pytest.param(["2026-01-31 08:00:00,UP,12"], "line 2: direction 'UP'", id="no direction"),
    ],
)
def test_a_broken_log_is_told_by_its_line(tmp_path: Path, rows: list[str], said: str) -> None:
    log = tmp_path / "log.csv"
    log.write_text("\n".join([HEADER, *rows]) + "\n")
    assert said in refused("--log", log, "--members", LOG / "members.csv")


def test_a_members_file_with_a_wrong_column_is_told_by_the_import(tmp_path: Path) -> None:
    members = tmp_path / "members.csv"
    members.write_text((LOG / "members.csv").read_text().replace("first_name", "forename", 1))
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "deploy.demo",
        "--once",
        "--log",
        LOG / "log.csv",
        "--members",
        members,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "column 'forename' is unknown" in done.stderr
    assert "Traceback" not in done.stderr

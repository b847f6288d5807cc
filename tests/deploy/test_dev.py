"""`./dev` on machines that lack something: it says what, and what to do next."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.dev import __main__ as dev, environment, services
from deploy.dev.environment import Group, Trouble
from tests.conftest import ROOT

WORKERS = ["-n", "2", "--dist", "loadgroup", "--max-worker-restart", "0"]


def run_dev(folder: Path, *arguments: str, path: str) -> subprocess.CompletedProcess[str]:
    """Run `./dev` of a folder in an environment with nothing but a PATH."""
    return subprocess.run(
        [folder / "dev", *arguments],
        env={"PATH": path, "HOME": str(folder)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def program(folder: Path, name: str, script: str) -> None:
    """Write an executable shell script."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout's `./dev` beside a `bin` with a Python that cannot make environments, for a user who is not root."""
    shutil.copy(ROOT / "dev", tmp_path / "dev")
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("__pycache__"))
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("dirname", "sh"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    program(tools, "id", "echo 1000")
    program(tools, "python3", f'case "$*" in *ensurepip*) exit 1 ;; esac; exec {sys.executable} "$@"')
    return tmp_path


def test_a_python_without_venv_and_no_root_prints_the_exact_apt_line(bare: Path) -> None:
    without_system_python = (bare / "dev").read_text().replace("/usr/local/bin/python3 /usr/bin/python3", "")
    (bare / "dev").write_text(without_system_python)
    answer = run_dev(bare, "test", path=str(bare / "bin"))
    assert answer.returncode == 3
    assert "apt-get install -y python3 python3-venv" in answer.stderr


def test_a_python_named_by_the_user_is_taken(bare: Path) -> None:
    program(bare / "bin", "mine", f'exec {sys.executable} "$@"')
    (bare / "dev").write_text((bare / "dev").read_text().replace("/usr/local/bin/python3 /usr/bin/python3", ""))
    answer = subprocess.run(
        [bare / "dev", "help"],
        env={"PATH": str(bare / "bin"), "WELLGATE_PYTHON": str(bare / "bin" / "mine")},
        check=False,
        capture_output=True,
        text=True,
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith("usage: ./dev COMMAND")


def test_a_closed_standard_input_does_no_harm() -> None:
    answer = subprocess.run(
        ["/bin/sh", "-c", f"exec {ROOT}/dev help <&-"], check=False, capture_output=True, text=True, env=os.environ
    )
    assert (answer.returncode, answer.stderr) == (0, "")


def test_a_wrong_command_names_the_right_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert dev.main(["tset"]) == 2
    assert "no command 'tset'; one of: demo, test" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        pytest.param([], ["-q", *WORKERS], id="the whole suite runs on two workers"),
        pytest.param(["-k", "lane"], ["-q", *WORKERS, "-k", "lane"], id="a selection too"),
        pytest.param(["--pdb"], ["-q", "--pdb"], id="a debugger needs one process"),
        pytest.param(["-n", "0"], ["-q", "-n", "0"], id="the caller's number of workers stands"),
    ],
)
def test_arguments_for_pytest(given: list[str], passed: list[str]) -> None:
    assert dev.pytest_arguments(given) == passed


def test_a_test_file_that_does_not_exist_is_named() -> None:
    with pytest.raises(Trouble, match=r"there is no tests/no_such\.py here"):
        dev.pytest_arguments(["tests/no_such.py::test_x"])


def test_all_without_root_prints_the_apt_line_for_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "ALL", (services.Service("heron", "heron-server", ("no-such-program",)),))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Trouble, match=r"missing: heron.*apt-get install -y --no-install-recommends heron-server"):
        services.provide()


def test_the_newest_of_several_versions_is_found(tmp_path: Path) -> None:
    for version in ("9", "15"):
        folder = tmp_path / version / "bin"
        folder.mkdir(parents=True)
        program(folder, "some-database", "exit 0")
    service = services.Service("some", "some", ("some-database",), (f"{tmp_path}/*/bin",))
    assert service.find() == tmp_path / "15" / "bin" / "some-database"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with lock files and a working environment that nothing was installed into."""
    (tmp_path / "requirements").mkdir()
    for group in Group:
        (tmp_path / "requirements" / f"{group}.txt").write_text(f"# {group}\n")
    environment.python_in(tmp_path).parent.mkdir(parents=True)
    environment.python_in(tmp_path).symlink_to(sys.executable)
    return tmp_path


def test_an_environment_is_current_until_its_lock_file_changes(checkout: Path) -> None:
    assert not environment.is_current(checkout, Group.TEST)
    environment.remember(checkout, Group.TEST)
    assert environment.is_current(checkout, Group.TEST)
    environment.lock_file(checkout, Group.TEST).write_text("# another version\n")
    assert not environment.is_current(checkout, Group.TEST)


def test_the_test_set_serves_for_running_but_not_the_other_way_round(checkout: Path) -> None:
    environment.remember(checkout, Group.TEST)
    assert environment.is_current(checkout, Group.RUNTIME)
    environment.remember(checkout, Group.RUNTIME)
    assert not environment.is_current(checkout, Group.TEST)


def test_an_environment_whose_python_went_away_is_not_current(checkout: Path) -> None:
    environment.remember(checkout, Group.RUNTIME)
    environment.python_in(checkout).unlink()
    environment.python_in(checkout).symlink_to(checkout / "gone")
    assert not environment.is_current(checkout, Group.RUNTIME)


def test_locked_versions_of_the_runtime_set_are_those_of_the_test_set() -> None:
    runtime, test = (pinned(environment.lock_file(ROOT, group)) for group in (Group.RUNTIME, Group.TEST))
    assert runtime <= test
    assert runtime


@pytest.mark.parametrize("name", ["uv.txt", "runtime.txt", "test.txt"])
def test_lock_files_pin_and_hash_everything_and_name_no_index(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    entries = text.replace(" \\\n", " ").splitlines()
    packages = [entry for entry in entries if not entry.startswith("#")]
    assert packages
    assert all("==" in entry and "--hash=sha256:" in entry for entry in packages)
    assert "://" not in text


def pinned(lock: Path) -> set[str]:
    """Return the `name==version` of a lock file."""
    return {line.split()[0] for line in lock.read_text().splitlines() if "==" in line.split(";")[0]}

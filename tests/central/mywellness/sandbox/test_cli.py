"""`wellgate-central sandbox`: the arguments, in a real process."""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from central.mywellness.sandbox import add_parser, main_sandbox
from tests.central.mywellness.sandbox.raw import EVA, Raw, StillClock

PROGRAM = """
import argparse, sys
from central.mywellness.sandbox import add_parser, main_sandbox
from tests.central.mywellness.sandbox.raw import StillClock
parser = argparse.ArgumentParser()
add_parser(parser.add_subparsers())
sys.exit(main_sandbox(parser.parse_args(["sandbox", *sys.argv[1:]]), StillClock()))
"""


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the command and give the URL that it prints."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "--port", "0", *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().rpartition(" ")[2].strip()
        finally:
            process.terminate()
            process.wait(timeout=10)


async def test_the_command_serves_with_its_settings_and_ends_well_on_a_signal(tmp_path: Path) -> None:
    """Key, club, limit and a switch are taken; SIGTERM ends it with 0."""
    ledger = tmp_path / "ledger.jsonl"
    arguments = ["--api-key", "KEY-FROM-TECHNOGYM", "--username", "integration@club.example"]
    arguments += ["--password", "a-password-of-nobody", "--facility", "mygym=My Gym", "--ledger", str(ledger)]
    arguments += ["--rate-limit", "http_429", "--rate-limit-calls", "2", "--switch", "visit_max_age_h=24"]
    with started(*arguments) as (process, url):
        async with Raw(url) as raw:
            await raw.log_in()
            assert (await raw.create(EVA)).data["result"] == "Created"
            assert (await raw.create(EVA)).status == 429
            assert (await raw.standin("switches"))["visit_max_age_h"] == 24
    assert process.returncode == 0
    assert ledger.read_text().count("M-1042") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--switch", "token_mode=double"], "token_mode", id="unknown position"),
        pytest.param(["--ledger", "/nowhere/at/all/ledger.jsonl"], "/nowhere/at/all", id="no such folder"),
    ],
)
def test_unusable_settings_end_with_2_and_one_message(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names what cannot be used."""
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    assert main_sandbox(parser.parse_args(["sandbox", "--port", "0", *arguments]), StillClock()) == 2
    assert words in capsys.readouterr().err

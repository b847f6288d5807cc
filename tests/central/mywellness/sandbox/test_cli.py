"""`wellgate-central sandbox`: the arguments, in a real process."""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from central.mywellness.sandbox import add_parser, main_sandbox
from protocol.clock import RECORD_SIZE, Reading, Trust, write_record
from tests.central.mywellness.sandbox.raw import EVA, Raw

PROGRAM = """
import argparse, sys
from central.mywellness.sandbox import add_parser, main_sandbox
parser = argparse.ArgumentParser()
add_parser(parser.add_subparsers())
sys.exit(main_sandbox(parser.parse_args(["sandbox", *sys.argv[1:]])))
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


async def test_the_command_follows_an_injected_clock(tmp_path: Path) -> None:
    """Rulings 1: whoever writes the clock's file moves the sandbox's time, token expiry included."""
    hands = tmp_path / "clock"

    def put(hour: int, minute: int) -> None:
        record = bytearray(RECORD_SIZE)
        write_record(record, Reading(datetime(2026, 3, 10, hour, minute, tzinfo=UTC), 0, Trust.TRUSTED))
        # In place: the sandbox has mapped this very file.
        with hands.open("r+b" if hands.exists() else "wb") as file:
            file.write(record)

    put(8, 0)
    arguments = ["--api-key", "KEY-FROM-TECHNOGYM", "--username", "integration@club.example"]
    with started(*arguments, "--password", "a-password-of-nobody", "--clock-file", str(hands)) as (_, url):
        async with Raw(url) as raw:
            await raw.log_in()
            assert (await raw.standin("calls"))["calls"][0]["at"] == "2026-03-10T08:00:00+00:00"
            put(8, 30)
            assert (await raw.create(EVA)).error["details"] == "TokenNotValid"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--switch", "token_mode=double"], "token_mode", id="unknown position"),
        pytest.param(["--ledger", "/nowhere/at/all/ledger.jsonl"], "/nowhere/at/all", id="no such folder"),
        pytest.param(["--clock-file", "/nowhere/at/all/clock"], "/nowhere/at/all/clock", id="no such clock"),
    ],
)
def test_unusable_settings_end_with_2_and_one_message(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names what cannot be used."""
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    assert main_sandbox(parser.parse_args(["sandbox", "--port", "0", *arguments])) == 2
    assert words in capsys.readouterr().err

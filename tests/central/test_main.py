"""The commands as somebody types them: real processes on a database of their own."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.services import Broker

MEMBERS = (
    "number,card,first_name,last_name,birth_date,gender,email,start,bound_through,charged_through,auto_renew,"
    "frozen_from,frozen_to,allow_sync,allow_activity_sync\n"
    "M1001,10000342,Evelina,Ek,1987-02-10,F,e@example.org,2025-06-01,2026-05-31,2026-03-31,1,,,1,1\n"
    "M1002,10000343,Bo,Ask,1990-13-01,M,,2025-06-01,,,0,,,1,1\n"
)


def command(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "central", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


@contextmanager
def served(*arguments: str | Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run `serve` on a free port; gives the process and its ready line."""
    whole = [sys.executable, "-m", "central", "serve", "--http", "127.0.0.1:0", *arguments]
    process = subprocess.Popen(whole, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def ask(ready: str, path: str, key: str, body: object = None) -> httpx.Response:
    url = ready.split()[1] + path
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(trust_env=False, headers=headers) as client:
        return client.get(url) if body is None else client.post(url, json=body)


def test_a_server_is_set_up_seeded_and_told_to_stop(tmp_path: Path, database_url: str) -> None:
    where = ("--database", database_url, "--data", tmp_path / "data")
    key = command("api-key", "create", "desk", *where).stdout.strip()
    with served(*where) as (process, ready):
        assert ready.startswith("READY http://127.0.0.1:")
        site = {"id": "F1", "name": "One", "zone": "Europe/Stockholm"}
        assert ask(ready, "/api/sites", key, site).status_code == 201
        product = {"id": "P-GYM", "number": "1", "name": "Gym", "sites": ["F1"]}
        assert ask(ready, "/api/products", key, product).status_code == 201
        (tmp_path / "members.csv").write_text(MEMBERS)

        imported = command("import", "members", tmp_path / "members.csv", "--json", *where)

        report = json.loads(imported.stdout)
        assert (imported.returncode, report["created"], len(report["troubles"])) == (1, 1, 1)
        assert [each["number"] for each in ask(ready, "/api/members", key).json()["items"]] == ["M1001"]
        enrolment = ask(ready, "/api/edges", key, {"id": "edge-1", "site": "F1"}).json()
        assert ask(ready, "/edge/v1/access", enrolment["token"]).headers["X-Wellgate-Site"] == "F1"
        assert ask(ready, "/edge/v1/access", key).status_code == 401
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_wrong_row_is_told_on_one_line_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "members.csv").write_text(MEMBERS)
    where = ("--data", tmp_path)
    with served(*where, "--api-key", "k" * 40) as (_, ready):
        ask(ready, "/api/sites", "k" * 40, {"id": "F1", "name": "One", "zone": "Europe/Stockholm"})
        ask(ready, "/api/products", "k" * 40, {"id": "P", "number": "1", "name": "Gym", "sites": ["F1"]})
    told = command("import", "members", tmp_path / "members.csv", "--dry-run", *where)
    assert told.stdout.splitlines() == [
        f"{tmp_path}/members.csv:3: birth_date: '1990-13-01' is no day; write it as 2026-03-10",
        "1 would be created, 0 would be updated, 0 unchanged, 1 left out",
    ]


@pytest.mark.service("mosquitto")
def test_the_server_says_whether_it_has_reached_the_broker_and_goes_on_without(
    tmp_path: Path, mosquitto: Broker
) -> None:
    url = f"mqtt://{mosquitto.username}:{mosquitto.password}@{mosquitto.host}:{mosquitto.port}"
    with served("--data", tmp_path, "--broker", url) as (_, ready):
        assert ready.rstrip().endswith("broker=connected")
    mosquitto.stop()
    with served("--data", tmp_path, "--broker", url) as (_, ready):
        assert ready.rstrip().endswith("broker=unreachable")
        assert ask(ready, "/healthz", "none").status_code == 200


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["serve", "--http", "8080"], "HOST:PORT", id="setting"),
        pytest.param(["broker-files", "files"], "give --broker with our own password", id="no password of ours"),
        pytest.param(["import", "members", "missing.csv"], "missing.csv", id="no file"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path, arguments: list[str], says: str) -> None:
    told = command(*arguments, "--data", tmp_path)
    assert told.returncode == 2
    assert says in told.stderr
    assert "Traceback" not in told.stderr


def test_broker_files_and_the_public_key_come_from_the_data_folder(tmp_path: Path) -> None:
    told = command("broker-files", tmp_path / "b", "--data", tmp_path, "--broker", "mqtt://central:pw@localhost")
    assert told.returncode == 0, told.stderr
    assert sorted(os.listdir(tmp_path / "b")) == ["acl", "passwords"]  # noqa: PTH208 - names only
    keys = {command("public-key", "--data", tmp_path).stdout for _ in range(2)}
    assert len(keys) == 1
    assert len(keys.pop().strip()) == 44


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--database", "nonsense"], "postgresql://user:password@host/name", id="no address"),
        pytest.param(["--database", "mysql://h/n"], "sqlite:///path/to/file.db", id="another engine"),
        pytest.param(
            ["--database", "postgresql://u:secret@127.0.0.1:1/x"], "u:***@127.0.0.1:1/x", id="PostgreSQL down"
        ),
        pytest.param(["--data", "{file}/data"], "{file}", id="the data folder is a file"),
        pytest.param(["--database", "sqlite:///{file}"], "is not a database", id="another file"),
        pytest.param(["--http", "127.0.0.1:{port}"], "127.0.0.1:{port} cannot be listened on", id="port in use"),
    ],
)
def test_a_server_that_cannot_start_says_why_in_one_line(tmp_path: Path, options: list[str], said: str) -> None:
    file = tmp_path / "file"
    file.write_text("no database, " * 100)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        known = {"file": file, "port": taken.getsockname()[1]}
        done = command("serve", "--data", tmp_path / "data", *(one.format(**known) for one in options))
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert said.format(**known) in last
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_signing_key_that_is_none_is_not_replaced_but_told(tmp_path: Path) -> None:
    (tmp_path / "signing.key").write_text("short")
    done = command("public-key", "--data", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{tmp_path / 'signing.key'} is no key of ours")
    assert (tmp_path / "signing.key").read_text() == "short"


@pytest.mark.service("mosquitto")
def test_a_password_that_the_broker_refuses_is_told_once_not_at_every_attempt(
    tmp_path: Path, mosquitto: Broker
) -> None:
    url = f"mqtt://{mosquitto.username}:guessed@{mosquitto.host}:{mosquitto.port}"
    log = tmp_path / "log"
    with log.open("w") as said:
        command_line: list[str | Path] = [
            "-m",
            "central",
            "serve",
            "--http",
            "127.0.0.1:0",
            "--data",
            tmp_path / "data",
            "--broker",
            url,
        ]
        process = subprocess.Popen([sys.executable, *command_line], stdout=subprocess.DEVNULL, stderr=said)
        try:
            never = threading.Event()
            for _ in range(600):
                if mosquitto.log.count("not authori") >= 3 or never.wait(0.05):
                    break
        finally:
            process.terminate()
            process.wait(10)
    assert mosquitto.log.count("not authori") >= 3
    (line,) = [line for line in log.read_text().splitlines() if "central.broker" in line]
    assert "check the user and the password" in line

"""What an edge says of itself."""

import socket
from pathlib import Path

import pytest

from edge.health import health, tell_systemd
from edge.readers.simulated import SimulatedReader
from protocol.clock import Trust
from protocol.identity import ReaderId
from tests.edge.builders import holder
from tests.edge.door import door


async def test_health_counts_what_waits_and_names_what_is_wrong(tmp_path: Path) -> None:
    async with door(tmp_path, holders=[("10000342", holder())]) as at:
        await at.tap("10000342")
        await at.committed()
        said = health(at.clock, at.journal, at.access, [SimulatedReader(ReaderId("RD-IN"))])
    assert (said.waiting, said.revision, said.clock) == (1, 1, Trust.TRUSTED)
    assert said.disk_free > 0
    assert said.readers["RD-IN"].connected


async def test_an_edge_without_an_access_list_says_so(tmp_path: Path) -> None:
    async with door(tmp_path, with_list=False) as at:
        said = health(at.clock, at.journal, at.access, [])
    assert any("no access list yet" in problem for problem in said.problems)


def test_systemd_is_told_at_its_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        tell_systemd("READY=1")
        assert systemd.recv(100) == b"READY=1"

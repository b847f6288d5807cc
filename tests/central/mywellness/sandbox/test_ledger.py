"""The ledger on disk: durable before the answer, complete after a restart, honest about damage."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from central.mywellness.sandbox import Facility, Ledger, LedgerUnreadableError, Switches, create_app, running
from tests.central.mywellness.sandbox.raw import (
    API_KEY,
    EVA,
    OLA,
    PASSWORD,
    SUBSCRIBE,
    USERNAME,
    VISIT,
    Raw,
    StillClock,
)


def sandbox(path: Path) -> web.Application:
    """Return a sandbox on this ledger file."""
    return create_app(
        Ledger(path), StillClock(), Switches(), (API_KEY, USERNAME, PASSWORD), [Facility.named("mygym", "My Gym")]
    )


async def live_a_day(raw: Raw) -> dict[str, str]:
    """Log in, create two, subscribe, visit twice, delete one; return Eva's ids."""
    await raw.log_in()
    eva, ola = (await raw.create(EVA)).data, (await raw.create(OLA)).data
    await raw.on_person(eva, "SaveMembership", SUBSCRIBE)
    await raw.on_person(eva, "Update", {"city": "Åre", "groups": [7]})
    await raw.visit(eva, VISIT)
    await raw.visit(ola, VISIT)
    await raw.on_person(ola, "Delete", {})
    return eva


async def test_a_restarted_sandbox_knows_everything_and_goes_on(tmp_path: Path) -> None:
    """Same ledger before and after; the person still matches, only the session is gone."""
    path = tmp_path / "ledger.jsonl"
    async with running(sandbox(path), "127.0.0.1", 0) as url, Raw(url) as raw:
        eva = await live_a_day(raw)
        before = await raw.ledger()
    async with running(sandbox(path), "127.0.0.1", 0) as url, Raw(url) as raw:
        assert await raw.ledger() == before
        raw.token = "from-before"
        assert (await raw.visit(eva, VISIT)).error["details"] == "TokenNotValid"
        await raw.log_in()
        assert (await raw.create(EVA)).data == eva | {"result": "MatchFound"}
        assert (await raw.create(OLA)).data["result"] == "Created"


async def test_every_record_is_in_the_file_when_its_answer_arrives(tmp_path: Path) -> None:
    """Another reader of the file sees the visit at once."""
    path = tmp_path / "ledger.jsonl"
    async with running(sandbox(path), "127.0.0.1", 0) as url, Raw(url) as raw:
        await raw.log_in()
        eva = (await raw.create(EVA)).data
        for count in (1, 2, 3):
            await raw.visit(eva, VISIT)
            assert path.read_bytes().count(b'"kind":"visit_recorded"') == count


async def test_a_half_written_last_line_is_dropped_and_the_next_record_starts_a_new_one(tmp_path: Path) -> None:
    """The machine stopped in the middle of a line that was never answered."""
    path = tmp_path / "ledger.jsonl"
    async with running(sandbox(path), "127.0.0.1", 0) as url, Raw(url) as raw:
        await live_a_day(raw)
        before = await raw.ledger()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"at":"2026-11-21T06:42:10Z","fac')
    async with running(sandbox(path), "127.0.0.1", 0) as url, Raw(url) as raw:
        assert await raw.ledger() == before
        assert path.read_bytes() == whole


def test_a_damaged_line_is_named_with_its_number(tmp_path: Path) -> None:
    """The message says where and what to do."""
    path = tmp_path / "ledger.jsonl"
    path.write_text('{"kind":"nothing"}\n')
    with pytest.raises(LedgerUnreadableError, match=r"ledger\.jsonl line 1 .* restore the file"):
        Ledger(path)


async def test_reset_empties_the_file(tmp_path: Path) -> None:
    """A restart after a reset finds nobody."""
    path = tmp_path / "ledger.jsonl"
    async with running(sandbox(path), "127.0.0.1", 0) as url, Raw(url) as raw:
        await live_a_day(raw)
        await raw.standin("reset", method="POST")
        assert path.read_bytes() == b""
        await raw.log_in()
        await raw.create(EVA)
    assert path.read_bytes().count(b"\n") == 1


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes: the kernel then takes a write only in part."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_record_the_disk_takes_only_half_of_never_happened(tmp_path: Path) -> None:
    """The call fails with a 500, the file keeps its whole lines, and the next visit is recorded as ever."""
    path = tmp_path / "ledger.jsonl"
    async with running(sandbox(path), "127.0.0.1", 0) as url, Raw(url) as raw:
        await raw.log_in()
        eva = (await raw.create(EVA)).data
        whole = path.read_bytes()
        with file_size_limit(len(whole) + 20):
            assert (await raw.visit(eva, VISIT)).status == 500
        assert path.read_bytes() == whole
        assert (await raw.ledger())["visits"] == []
        assert (await raw.visit(eva, VISIT)).data["result"] == "Success"
        assert (await raw.ledger())["counters"]["visits_counted"] == 1
    assert path.read_bytes().count(b"\n") == 2

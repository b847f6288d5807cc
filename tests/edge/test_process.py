"""The agent as a process: real ports (pseudo terminals), pins that write down their edges, no broker and no central."""

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.demo.hands import ClockHands
from deploy.demo.pins import factory_name
from protocol.journal import ReaderChange
from tests.edge.process import ANNA, Site, finished, running
from tests.edge.waiting import until


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.req("A-06")
async def test_with_broker_and_central_unreachable_a_member_is_let_in_and_the_event_says_offline(site: Site) -> None:
    async with running(site) as agent:
        assert "readers=2/2 lanes=2 revision=17" in agent.ready
        site.badge("reader-in", ANNA)
        await until(lambda: "17 0" in site.edges())
        assert site.edges()[:2] == ["17 1", "22 1"]
        (entry,) = site.passages()
    assert (entry.granted, entry.reason, entry.person, entry.offline) == (True, "OK", "M1001", True)


async def test_an_unknown_card_gets_the_red_lamp_and_an_exit_opens_for_it(site: Site) -> None:
    async with running(site):
        site.badge("reader-in", 99_999_999)
        await until(lambda: site.edges() == ["23 1"])
        site.badge("reader-out", 99_999_999)
        await until(lambda: "18 1" in site.edges())
        denied, out = site.passages()
    assert (denied.reason, denied.raw[:10]) == ("UNKNOWN_CREDENTIAL", "0005F5E0FF")
    assert out.granted


async def test_on_sigterm_the_agent_closes_its_lanes_and_ends_in_order(site: Site) -> None:
    async with running(site) as agent:
        site.badge("reader-in", ANNA)
        await until(lambda: "17 1" in site.edges())
        agent.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await agent.process.wait() == 0
        log = agent.log.read_text()
    assert [edge for edge in site.edges() if edge.startswith("17")] == ["17 1", "17 0"]
    assert "22 0" in site.edges()
    assert "Traceback" not in log


async def test_a_reader_pulled_out_and_put_back_is_two_entries_two_lines_and_works_again(site: Site) -> None:
    async with running(site) as agent:
        site.pull_out("reader-in")
        await until(lambda: any(isinstance(entry, ReaderChange) for entry in site.journal()))
        site.plug_in("reader-in")
        await until(lambda: len(site.journal()) == 2)
        site.badge("reader-in", ANNA)
        await until(lambda: "17 1" in site.edges())
        lost, back, _ = site.journal()
        told = [line for line in agent.log.read_text().splitlines() if "edge.readers" in line]
    assert isinstance(lost, ReaderChange)
    assert isinstance(back, ReaderChange)
    assert (lost.reader, lost.state, back.state) == ("RD-IN", "lost", "back")
    assert len(told) == 2


async def test_after_a_kill_the_visit_goes_on_and_numbers_go_on(site: Site) -> None:
    async with running(site) as agent:
        site.badge("reader-in", ANNA)
        await until(lambda: "17 1" in site.edges())
        agent.process.kill()
        await agent.process.wait()
    async with running(site):
        site.badge("reader-in", ANNA)
        await until(lambda: len(site.passages()) == 2)
        first, second = site.passages()
    assert first.new_visit
    assert not second.new_visit
    assert second.visit is not None
    assert first.stamp.boot != second.stamp.boot


async def test_killed_between_commit_and_pulse_the_passage_is_kept_and_the_barrier_never_moved(site: Site) -> None:
    gate = site.folder / "gate"
    gate.write_bytes(b"\x01" + bytes(15))
    async with running(site, gate) as agent:
        site.badge("reader-in", ANNA)
        await until(lambda: gate.read_bytes()[1] == 1)
        agent.process.kill()
        await agent.process.wait()
    assert site.edges() == []
    gate.write_bytes(bytes(16))
    async with running(site, gate):
        (kept,) = site.passages()
        assert kept.granted
        site.badge("reader-in", ANNA)
        await until(lambda: "17 1" in site.edges())
        assert len(site.passages()) == 2


async def test_with_an_injected_clock_a_pulse_lasts_until_that_clock_has_moved(site: Site) -> None:
    hands = ClockHands(site.folder / "clock", datetime(2026, 3, 10, 8, 0, tzinfo=UTC))
    site.settings.write_text(f'{site.settings.read_text()}\n[clock]\nfile = "clock"\n')
    async with running(site):
        site.badge("reader-in", ANNA)
        await until(lambda: "17 1" in site.edges())
        await asyncio.sleep(0.7)  # much longer than the pulse of 200 ms, and than its guard allows
        hands.advance_seconds(0.199)
        await asyncio.sleep(0.1)
        assert "17 0" not in site.edges()
        hands.advance_seconds(0.001)
        await until(lambda: "17 0" in site.edges())
        (entry,) = site.passages()
    assert entry.stamp.local.isoformat() == "2026-03-10T09:00:00+01:00"


async def test_pins_that_do_not_work_stop_the_start_with_the_setting_named(site: Site) -> None:
    site.settings.write_text(site.settings.read_text().replace(factory_name(), "lgpio"))
    code, output = await finished(site, "run")
    assert code == 2
    assert "cannot start: gpio.pin_factory" in output
    assert "Traceback" not in output


async def test_a_second_agent_on_the_same_data_folder_does_not_start(site: Site) -> None:
    async with running(site):
        code, output = await finished(site, "run")
    assert code == 2
    assert f"data folder {site.folder / 'data'} is in use by another wellgate-edge" in output


# --- check and simulate -----------------------------------------------------------------------------------------------


async def test_check_says_ok_of_everything_in_one_line_each(site: Site) -> None:
    code, output = await finished(site, "check")
    lines = output.splitlines()
    assert code == 0, output
    for part in ("settings", "clock", "data", "pins", "reader RD-IN", "reader RD-OUT", "access list 17"):
        assert len([line for line in lines if line[5:].startswith(part)]) == 1, output
    assert not any(line.startswith("FAIL") for line in lines)


async def test_check_fails_for_a_port_that_is_not_there(site: Site) -> None:
    site.pull_out("reader-out")
    code, output = await finished(site, "check")
    assert code == 1
    (line,) = [line for line in output.splitlines() if line.startswith("FAIL")]
    assert "reader RD-OUT" in line
    assert "check cable, power" in line


async def test_check_fails_for_a_journal_that_is_no_database(site: Site) -> None:
    (site.folder / "data" / "journal.db").write_text("no database, " * 1000)
    code, output = await finished(site, "check")
    assert code == 1
    (line,) = [line for line in output.splitlines() if line.startswith("FAIL")]
    assert "journal.db is not a readable database" in line
    assert "Keep a copy" in line


async def test_check_fails_for_a_data_folder_that_is_a_file(site: Site) -> None:
    site.settings.write_text(site.settings.read_text().replace('data = "data"', 'data = "site.toml"'))
    code, output = await finished(site, "check")
    assert code == 1
    assert "site.toml is no folder" in output


async def test_check_and_run_name_a_clock_file_that_is_not_there(site: Site) -> None:
    with site.settings.open("a") as settings:
        settings.write('[clock]\nfile = "nowhere"\n')
    for command, expected in (("check", 1), ("run", 2)):
        code, output = await finished(site, command)
        assert code == expected
        assert f"clock.file: {site.folder / 'nowhere'} cannot be read" in output
        assert "Traceback" not in output


async def test_check_tells_a_wrong_setting_with_its_key(site: Site) -> None:
    site.settings.write_text(site.settings.read_text().replace("pulse_ms", "puls_ms"))
    code, output = await finished(site, "check")
    assert code == 1
    assert "lanes[0].relay.puls_ms: unknown key; did you mean 'pulse_ms'?" in output


async def test_simulate_answers_cards_with_the_sites_list_and_leaves_no_trace(site: Site) -> None:
    code, output = await finished(site, "simulate", "--card", str(ANNA), "--card", "99999999", "--card", "x?")
    assert code == 0, output
    said = [line for line in output.splitlines() if line.startswith("RD-IN")]
    assert said[0].endswith("GRANT OK new visit")
    assert said[1].endswith("DENY UNKNOWN_CREDENTIAL")
    assert "no card number" in said[2]
    assert not (site.folder / "data" / "journal.db").exists()
    assert site.edges() == []


async def test_simulate_takes_cards_from_standard_input_at_a_named_reader(site: Site) -> None:
    code, output = await finished(site, "simulate", "--reader", "RD-OUT", typed=f"{ANNA}\n\n")
    assert code == 0, output
    assert any(line.startswith("RD-OUT") and line.endswith("GRANT OK") for line in output.splitlines())


async def test_simulate_refuses_a_reader_it_does_not_know(site: Site) -> None:
    code, output = await finished(site, "simulate", "--reader", "RD-UP", "--card", "1")
    assert code == 2
    assert "known are RD-IN, RD-OUT" in output

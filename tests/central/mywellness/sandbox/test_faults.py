"""Contract §1.15, "Faults": each kind, and what the ledger knows afterwards."""

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.central.mywellness.sandbox.raw import EVA, LOGIN_BODY, LOGIN_PATH, VISIT, Raw

CUT = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


async def visits(club: Raw) -> list[dict[str, Any]]:
    """Return the ledger's visits."""
    found: list[dict[str, Any]] = (await club.ledger())["visits"]
    return found


async def until_inflight(club: Raw, *, committed: bool) -> list[dict[str, Any]]:
    """Ask until a call hangs on this side of the commit, at most some five seconds."""
    for _ in range(500):
        calls: list[dict[str, Any]] = await club.standin("inflight")
        if [call["committed"] for call in calls] == [committed]:
            return calls
        await asyncio.sleep(0.01)
    pytest.fail("no call came to hang")


async def until_nothing_is_inflight(club: Raw) -> None:
    """Ask until no call hangs, at most some five seconds."""
    for _ in range(500):
        if not await club.standin("inflight"):
            return
        await asyncio.sleep(0.01)
    pytest.fail("the call still hangs")


async def test_token_not_valid_ends_the_session_until_a_new_login(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.15: `TokenNotValid` mid-session; the same token does not come back to life."""
    await club.arm("token_not_valid")
    for _ in range(2):
        reply = await club.visit(eva, VISIT)
        assert (reply.status, reply.error["details"]) == (200, "TokenNotValid")
    await club.log_in()
    assert (await club.visit(eva, VISIT)).data["result"] == "Success"
    assert len(await visits(club)) == 1


async def test_unauthorized_empty_is_a_401_without_a_body(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.15: 401 empty body."""
    await club.arm("unauthorized_empty")
    reply = await club.send(f"/mygym/core/user/{eva['userId']}/Visit", VISIT | {"token": club.token})
    assert (reply.status, reply.text) == (401, "")
    assert await visits(club) == []


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_server_error_answers_a_page_and_records_nothing(club: Raw, eva: dict[str, str], status: int) -> None:
    """Contract §1.15: 5xx."""
    await club.arm("server_error", status=status)
    reply = await club.visit(eva, VISIT)
    assert (reply.status, reply.content_type) == (status, "text/html")
    assert await visits(club) == []


async def test_html_200_looks_fine_by_its_status_and_is_no_json(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.15: HTML body with 200."""
    await club.arm("html_200")
    reply = await club.visit(eva, VISIT)
    assert (reply.status, reply.content_type) == (200, "text/html")
    assert await visits(club) == []


@pytest.mark.parametrize(("kind", "recorded"), [("cut_before_commit", 0), ("cut_after_commit", 1)])
async def test_a_cut_leaves_no_answer_and_the_ledger_knows_which_side_it_fell(
    club: Raw, eva: dict[str, str], kind: str, recorded: int
) -> None:
    """Contract §1.15: timeout *after* commit (the double-visit case), and its harmless sister."""
    await club.arm(kind)
    with pytest.raises(CUT):
        await club.visit(eva, VISIT)
    assert len(await visits(club)) == recorded
    last = (await club.standin("calls"))["calls"][-1]
    assert (last["stage"], last["committed"], last["fault"]) == ("cut", bool(recorded), kind)


@pytest.mark.parametrize(("kind", "recorded"), [("hang_before_commit", 0), ("hang_after_commit", 1)])
async def test_a_hanging_call_is_in_flight_until_it_is_released(
    club: Raw, eva: dict[str, str], kind: str, recorded: int
) -> None:
    """Contract §1.15: slow answer, timeout after commit; held for as long as a crash test needs."""
    await club.arm(kind)
    async with asyncio.TaskGroup() as group:
        hanging = group.create_task(club.visit(eva, VISIT))
        calls = await until_inflight(club, committed=bool(recorded))
        assert [(call["action"], call["body"]["visitDate"]) for call in calls] == [("Visit", VISIT["visitDate"])]
        assert len(await visits(club)) == recorded
        assert not hanging.done()
        await club.standin("release", method="POST")
    assert hanging.result().data["result"] == "Success"
    assert len(await visits(club)) == 1
    assert await club.standin("inflight") == []


@pytest.mark.parametrize(("kind", "recorded"), [("hang_before_commit", 0), ("hang_after_commit", 1)])
async def test_a_hanging_call_ends_when_its_client_goes_away(
    club: Raw, eva: dict[str, str], kind: str, recorded: int
) -> None:
    """Contract §1.15: the caller was killed between request and answer."""
    await club.arm(kind)
    body = VISIT | {"token": club.token}
    async with Raw(club.url) as killed:
        lost = asyncio.create_task(killed.send(f"/mygym/core/user/{eva['userId']}/Visit", body))
        await until_inflight(club, committed=bool(recorded))
        lost.cancel()
        await asyncio.wait([lost], timeout=5)
    await until_nothing_is_inflight(club)
    assert len(await visits(club)) == recorded


async def test_slow_answers_late_and_all_the_same(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.15: slow answer."""
    await club.arm("slow", delay_ms=150)
    loop = asyncio.get_running_loop()
    begin = loop.time()
    assert (await club.visit(eva, VISIT)).data["result"] == "Success"
    assert loop.time() - begin >= 0.15


async def test_missing_token_leaves_the_rest_of_the_answer(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.15: missing `token`."""
    await club.arm("missing_token")
    reply = await club.visit(eva, VISIT)
    assert "token" not in reply.json
    assert reply.data["result"] == "Success"
    assert len(await visits(club)) == 1


async def test_account_locked_waits_for_a_login_and_gives_no_token(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.15: account locked; §1.3, `accountLockedInfo.blockedFor`."""
    await club.arm("account_locked")
    assert (await club.visit(eva, VISIT)).data["result"] == "Success"
    reply = await club.send(LOGIN_PATH, LOGIN_BODY)
    assert reply.data["accountLockedInfo"]["blockedFor"] > 0
    assert "token" not in reply.json
    assert "token" in (await club.send(LOGIN_PATH, LOGIN_BODY)).json


@pytest.mark.parametrize(("kind", "status"), [("rate_403", 403), ("rate_429", 429)])
async def test_a_rate_refusal_can_be_injected_without_a_limit(
    club: Raw, eva: dict[str, str], kind: str, status: int
) -> None:
    """Contract §1.13, §1.15 `rate_limit`."""
    await club.arm(kind)
    reply = await club.visit(eva, VISIT)
    assert reply.status == status
    assert "errors" in reply.json
    assert await visits(club) == []


async def test_match_conflict_answers_two_candidates_and_records_nobody(club: Raw) -> None:
    """Contract §1.4: several candidates, a person must choose."""
    await club.arm("match_conflict")
    data = (await club.create(EVA)).data
    assert data["result"] == "UserEmailAndDataMatchFound"
    assert len(data["matchedUsers"]) == 2
    assert "permanentToken" not in data
    assert (await club.ledger())["persons"] == []


async def test_duplicate_commits_the_call_twice_and_answers_once(club: Raw, eva: dict[str, str]) -> None:
    """Contract §1.8: visits are not idempotent; a repeating proxy would show it."""
    await club.arm("duplicate")
    assert (await club.visit(eva, VISIT)).data["result"] == "Success"
    assert [visit["visitDate"] for visit in await visits(club)] == [VISIT["visitDate"]] * 2


async def test_a_fault_strikes_the_next_matching_calls_and_no_others(club: Raw, eva: dict[str, str]) -> None:
    """A fault has an action (in any case), a number of calls to spare and a number to strike."""
    await club.arm("server_error", action="visit", skip=1, count=2, status=503)
    assert (await club.on_person(eva, "Update", {"city": "Umeå"})).status == 200
    assert [(await club.visit(eva, VISIT)).status for _ in range(4)] == [200, 503, 503, 200]
    assert await club.standin("faults") == []


async def test_faults_strike_in_the_order_they_were_armed_and_can_be_disarmed(club: Raw, eva: dict[str, str]) -> None:
    """One fault per call, first come first served."""
    await club.arm("server_error")
    await club.arm("rate_429")
    assert [(await club.visit(eva, VISIT)).status for _ in range(2)] == [500, 429]
    await club.arm("rate_403", count=5)
    await club.standin("faults", method="DELETE")
    assert (await club.visit(eva, VISIT)).status == 200


@pytest.mark.parametrize(
    "wish", [{"kind": "flood"}, {"count": 1}, {"kind": "slow", "count": 0}, {"kind": "server_error", "status": 404}]
)
async def test_a_fault_that_cannot_be_read_is_a_400(raw: Raw, wish: dict[str, object]) -> None:
    """The invented prefix is strict."""
    assert (await raw.send("/_standin/faults", wish)).status == 400
    assert await raw.standin("faults") == []

"""The invented prefix: recorded calls, ledger, reset, and the page (contract §1.15, last paragraph)."""

import asyncio

import pytest

from tests.central.mywellness.sandbox.raw import EVA, OLA, PASSWORD, SUBSCRIBE, VISIT, Raw


@pytest.mark.req("D-60")
async def test_calls_are_recorded_and_errors_delays_duplicates_and_match_conflicts_can_be_injected(raw: Raw) -> None:
    """D-60: a local stand-in records calls and injects each of the four; nothing leaves this machine."""
    assert raw.url.startswith("http://127.0.0.1:")
    await raw.log_in()
    # Errors.
    await raw.arm("server_error", action="CreateFacilityUserFromThirdParty", status=500)
    assert (await raw.create(EVA)).status == 500
    # Match conflicts.
    await raw.arm("match_conflict")
    assert (await raw.create(EVA)).data["result"] == "UserEmailAndDataMatchFound"
    eva = (await raw.create(EVA)).data
    # Delays.
    await raw.arm("slow", delay_ms=20)
    await raw.visit(eva, VISIT)
    # Duplicates.
    await raw.arm("duplicate")
    await raw.visit(eva, {"visitDate": "2026-11-22 08:00:00 +01:00"})
    calls = (await raw.standin("calls"))["calls"]
    assert [(call["action"], call["fault"], call["status"]) for call in calls] == [
        ("AccessIntegration", None, 200),
        ("CreateFacilityUserFromThirdParty", "server_error", 500),
        ("CreateFacilityUserFromThirdParty", "match_conflict", 200),
        ("CreateFacilityUserFromThirdParty", None, 200),
        ("Visit", "slow", 200),
        ("Visit", "duplicate", 200),
    ]
    assert calls[4]["body"]["visitDate"] == VISIT["visitDate"]
    assert [visit["visitDate"] for visit in (await raw.ledger())["visits"]] == [
        "2026-11-21 07:42:10 +01:00",
        "2026-11-22 08:00:00 +01:00",
        "2026-11-22 08:00:00 +01:00",
    ]


async def test_a_recorded_call_has_number_time_path_body_and_answer(club: Raw) -> None:
    """Everything but the secrets, as it came and as it went."""
    await club.create(EVA)
    call = (await club.standin("calls"))["calls"][-1]
    assert (call["number"], call["at"], call["stage"]) == (2, "2026-11-21T06:42:10+00:00", "answered")
    assert call["path"] == f"/mygym/core/facility/{club.facility_id}/CreateFacilityUserFromThirdParty"
    assert {name: call["body"][name] for name in EVA} == EVA
    assert call["answer"]["data"]["result"] == "Created"


async def test_no_token_key_or_password_can_be_read_from_the_recorded_calls(club: Raw) -> None:
    """Masked on the way in and on the way out."""
    shown = club.token
    created = (await club.create(EVA)).data
    await club.get(created["permanentToken"])
    text = str(await club.standin("calls"))
    for secret in (shown, club.token, PASSWORD, created["permanentToken"]):
        assert secret not in text
        assert f"…{secret[-4:]}" in text


async def test_calls_can_be_read_from_a_number_on(club: Raw) -> None:
    """`after` and `limit`; the last number is told for the next question."""
    for _ in range(3):
        await club.create(EVA)
    newer = await club.standin("calls?after=2")
    assert (newer["last"], [call["number"] for call in newer["calls"]]) == (4, [3, 4])
    assert [call["number"] for call in (await club.standin("calls?after=1&limit=1"))["calls"]] == [2]
    assert (await club.standin("calls?after=4"))["calls"] == []
    assert (await club.send("/_standin/calls?after=soon", method="GET")).status == 400


async def test_the_ledger_counts_what_was_recorded(club: Raw, eva: dict[str, str]) -> None:
    """One counter per kind of record; refused calls count nowhere."""
    await club.create(OLA)
    await club.on_person(eva, "Update", {"city": "Luleå"})
    await club.on_person(eva, "SaveMembership", SUBSCRIBE)
    await club.visit(eva, VISIT)
    await club.visit(eva, {"visitDate": "yesterday"})
    await club.on_person(eva, "Delete", {})
    assert (await club.ledger())["counters"] == {
        "person_created": 2,
        "person_updated": 1,
        "membership_saved": 1,
        "visit_recorded": 1,
        "visits_counted": 1,
        "person_deleted": 1,
    }


async def test_reset_forgets_all_but_the_switches_and_never_counts_calls_backwards(
    club: Raw, eva: dict[str, str]
) -> None:
    """After a reset the old token is nobody's, and `after` goes on where it was."""
    await club.switch(visit_dup="collapses")
    await club.arm("server_error", count=9)
    await club.standin("reset", method="POST")
    ledger = await club.ledger()
    assert (ledger["persons"], ledger["counters"]) == ([], {})
    assert (await club.standin("calls")) == {"last": 2, "calls": []}
    assert (await club.create(EVA)).error["details"] == "TokenNotValid"
    assert [call["number"] for call in (await club.standin("calls?after=2"))["calls"]] == [3]
    assert (await club.standin("switches"))["visit_dup"] == "collapses"


async def test_the_invented_prefix_needs_no_key_and_shares_nothing_with_mywellness(raw: Raw) -> None:
    """Contract §1.15: nobody may mistake it for Technogym's contract."""
    assert (await raw.send("/_standin/ledger", method="GET", headers={})).status == 200
    unknown = await raw.send("/_standin/extras/picture", {})
    assert (unknown.status, unknown.content_type) == (404, "application/json")
    assert (await raw.standin("calls"))["calls"] == []


async def test_the_page_shows_people_visits_calls_switches_and_faults(club: Raw, eva: dict[str, str]) -> None:
    """A page for people, without a single address outside."""
    await club.on_person(eva, "SaveMembership", SUBSCRIBE)
    await club.visit(eva, VISIT)
    await club.switch(visit_dup="collapses")
    await club.create({})
    await club.arm("cut_after_commit", action="Visit", count=3)
    page = await club.send("/", method="GET", headers={})
    assert (page.status, page.content_type) == (200, "text/html")
    for words in (
        "M-1042",
        "Eva Lind",
        "Gold 12 m",
        VISIT["visitDate"],
        "SaveMembership",
        "Required FirstName",
        '<li class="moved">visit dup <b>collapses</b>',
        "<b>cut_after_commit</b> Visit, 3 to come",
    ):
        assert words in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'; script-src 'self'")
    assert (await club.send("/_standin/page.css", method="GET")).content_type == "text/css"
    assert (await club.send("/_standin/page.js", method="GET")).content_type == "text/javascript"


async def test_the_page_shows_what_members_wrote_as_text(club: Raw) -> None:
    """A name is never markup."""
    await club.create(EVA | {"firstName": "<script>alert(1)</script>"})
    page = await club.send("/", method="GET")
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text


async def test_an_empty_page_says_so(raw: Raw) -> None:
    """Nothing happened yet, and the page says that in words."""
    page = await raw.send("/", method="GET")
    for words in (
        "Nobody has been created yet.",
        "Nobody has come yet.",
        "No call has come yet.",
        "No fault is armed.",
    ):
        assert words in page.text


async def test_the_page_shows_calls_in_every_state(club: Raw, eva: dict[str, str]) -> None:
    """Cut, refused, empty, not found, deleted: each has its words."""
    await club.arm("unauthorized_empty")
    await club.send("/mygym/core/user/1/Visit", {})
    await club.call("/mygym/core/user/1/Nothing", {})
    await club.on_person(eva, "SaveMembership", {"operation": "Froze"})
    await club.on_person(eva, "SaveMembership", {"operation": "UnSubscribe"})
    await club.on_person(eva, "Delete", {})
    await club.get(eva["permanentToken"])
    page = (await club.send("/", method="GET")).text
    for words in ("401 (empty)", "404 (HTML page)", "200 not found", "deleted", "frozen", "ended"):
        assert words in page


async def test_the_page_shows_a_waiting_call_and_whether_it_is_recorded(club: Raw, eva: dict[str, str]) -> None:
    """In flight, as the crash tests see it."""
    await club.arm("hang_after_commit")
    async with asyncio.TaskGroup() as group:
        hanging = group.create_task(club.visit(eva, VISIT))
        for _ in range(500):
            if await club.standin("inflight"):
                break
            await asyncio.sleep(0.01)
        page = (await club.send("/", method="GET")).text
        await club.standin("release", method="POST")
    assert "waiting, recorded" in page
    assert hanging.result().status == 200

"""From a card to Mywellness: the core scenarios of requirements §2, each told over real processes, on both engines."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.story import ONE_EDGE, TWO_EDGES, subscribe, told

pytestmark = [pytest.mark.timeout(120)]


async def test_e1_a_new_member_is_created_once_and_subscribed(folder: Path, database: str | None) -> None:
    async with told(folder, database) as story:
        await story.settles()

        (create,) = await story.calls("CreateFacilityUserFromThirdParty")
        sent = {name: create["body"][name] for name in ("firstName", "lastName", "dateOfBirth", "gender", "email")}
        assert sent == {
            "firstName": "Evelina",
            "lastName": "Lind",
            "dateOfBirth": "1990-05-15",
            "gender": "F",
            "email": "evelina@example.org",
        }
        assert create["body"]["externalId"] == "M1001"
        (membership,) = await story.calls("SaveMembership")
        assert membership["body"]["operation"] == "Subscribe"
        assert membership["body"]["startOn"] == "2025-06-01"
        assert membership["body"]["memberSince"] == "2019-01-15"
        link = await story.link()
        assert (link["state"], link["missing"]) == ("Enabled", [])
        assert link["facility_user_id"]


async def test_e2_a_badge_becomes_one_passage_one_visit_one_call(folder: Path, database: str | None) -> None:
    async with told(folder, database) as story:
        await story.settles()
        story.at("03-10 09:00")
        assert await story.shows("RD-IN")
        await story.settles(passages=1)

        (passage,) = await story.passages()
        assert (passage["granted"], passage["reason"], passage["new_visit"]) == (True, "OK", True)
        (visit,) = await story.visits()
        assert visit["id"] == passage["id"]
        assert await story.visit_times() == ["2026-03-10 09:00:00 +01:00"]


async def test_e3_a_second_entry_without_exit_is_no_new_visit(folder: Path, database: str | None) -> None:
    async with told(folder, database) as story:
        story.at("03-10 09:00")
        await story.shows("RD-IN")
        story.at("03-10 17:00")
        assert await story.shows("RD-IN")
        await story.settles(passages=2)

        assert [each["new_visit"] for each in await story.passages()] == [True, False]
        assert await story.visit_times() == ["2026-03-10 09:00:00 +01:00"]


async def test_e4_an_exit_ends_the_visit_and_the_next_entry_is_a_second_one(folder: Path, database: str | None) -> None:
    async with told(folder, database) as story:
        for time, reader in (("09:00", "RD-IN"), ("10:00", "RD-OUT"), ("17:00", "RD-IN")):
            story.at(f"03-10 {time}")
            assert await story.shows(reader)
        await story.settles(passages=3)

        assert len(await story.visits()) == 2
        assert await story.visit_times() == ["2026-03-10 09:00:00 +01:00", "2026-03-10 17:00:00 +01:00"]


async def test_e5_a_freeze_is_told_once_and_closes_the_door(folder: Path, database: str | None) -> None:
    async with told(folder, database) as story:
        await story.settles()
        (held,) = [each for each in await held_by(story.world.api) if each["start"] == "2025-06-01"]
        wish = {"from": "2026-03-05", "to": "2026-03-20"}
        await story.world.api("POST", f"/api/subscriptions/{held['id']}/freezes", wish)
        await story.lists_arrive()
        story.at("03-10 09:00")
        assert not await story.shows("RD-IN")
        await story.settles(passages=1)

        operations = [call["body"]["operation"] for call in await story.calls("SaveMembership")]
        assert operations == ["Subscribe", "Froze"]
        (passage,) = await story.passages()
        assert (passage["reason"], await story.visits(), await story.visit_times()) == ("FROZEN", [], [])
        assert (await story.link())["state"] == "Enabled"


async def test_e6_a_morning_without_broker_and_a_power_cut_lose_nothing(folder: Path, database: str | None) -> None:
    async with told(folder, database) as story:
        await story.settles()
        story.at("03-10 08:00")
        await story.world.broker.kill()
        for time, reader in (("09:00", "RD-IN"), ("09:30", "RD-OUT")):
            story.at(f"03-10 {time}")
            assert await story.shows(reader)
        story.at("03-10 10:00")
        agent = story.world.edges["edge-a"].program
        await agent.kill()
        await agent.start()
        await agent.ready()
        story.at("03-10 11:00")
        assert await story.shows("RD-IN")
        story.at("03-10 12:00")
        await story.world.broker.start()
        await story.settles(passages=3)

        passages = await story.passages()
        assert [each["offline"] for each in passages] == [True, True, True]
        assert len({each["id"] for each in passages}) == 3
        assert len(await story.visits()) == 2
        assert await story.visit_times() == ["2026-03-10 09:00:00 +01:00", "2026-03-10 11:00:00 +01:00"]


async def test_e7_two_doors_and_a_late_one_make_one_visit_and_one_call(folder: Path, database: str | None) -> None:
    async with told(folder, database, edges=TWO_EDGES, cables=True) as story:
        await story.settles()
        door_a = story.world.edges["edge-a"]
        assert door_a.cable is not None
        door_a.cable.pull()
        story.at("03-10 09:00")
        assert await story.shows("RD-IN")
        story.at("03-10 09:30")
        assert await story.shows("RD-IN-B")
        await story.settles(passages=1)
        assert await story.visit_times() == ["2026-03-10 09:30:00 +01:00"]
        door_a.cable.plug()
        story.at("03-10 09:40")
        await story.settles(passages=2)

        first, second = await story.passages()
        assert (first["edge"], first["new_visit"]) == ("edge-a", True)
        assert (second["edge"], second["new_visit"]) == ("edge-b", False)
        assert first["edge_new_visit"]
        assert second["edge_new_visit"]
        (visit,) = await story.visits()
        assert visit["opened_at"] == first["at"]
        assert await story.visit_times() == ["2026-03-10 09:30:00 +01:00"]


async def test_e8_the_last_charged_day_is_whole_and_membership_stays(folder: Path, database: str | None) -> None:
    async with told(folder, database, schedule=False) as story:
        await story.settles()
        told_before = len(await story.calls("SaveMembership"))
        story.at("03-31 23:59:59")
        assert await story.shows("RD-IN")
        story.at("04-01 00:00")
        assert not await story.shows("RD-IN")
        await story.night_passes("04-01")
        await story.settles(passages=2)

        assert [each["reason"] for each in await story.passages()] == ["OK", "NOT_CHARGED"]
        assert len(await story.calls("SaveMembership")) == told_before
        link = await story.link()
        assert (link["state"], link["membership"]["ended"]) == ("Enabled", False)


async def test_e9_without_activity_consent_the_visit_stays_here(folder: Path, database: str | None) -> None:
    async with told(folder, database) as story:
        await story.settles()
        await story.changes(allow_activity_sync=False, phone="+46701234567")
        story.at("03-10 09:00")
        assert await story.shows("RD-IN")
        await story.settles(passages=1)

        assert len(await story.visits()) == 1
        assert await story.visit_times() == []
        (update,) = await story.calls("Update")
        assert update["body"]["phoneNumber"] == "+46701234567"


async def test_e10_an_incomplete_member_waits_and_earlier_visits_are_not_sent(
    folder: Path, database: str | None
) -> None:
    async with told(folder, database, gender=None) as story:
        story.at("03-10 09:05")
        assert await story.shows("RD-IN")
        await story.settles(passages=1)
        link = await story.link()
        assert (link["state"], link["missing"]) == ("New", ["gender"])
        assert await story.calls() == []
        story.at("03-10 11:00")
        await story.changes(gender="female")
        await story.settles(passages=1)

        assert len(await story.calls("CreateFacilityUserFromThirdParty")) == 1
        assert await story.visit_times() == []
        assert (await story.link())["state"] == "Enabled"


async def test_e11_the_membership_that_is_told_is_the_furthest_not_frozen(folder: Path, database: str | None) -> None:
    async with told(folder, database, subscription=False) as story:
        ends = {"a": "2026-06-30", "b": "2027-06-30", "c": "2026-09-30"}
        for name, end in ends.items():
            held = await subscribe(story.world, bound_through=end, charged_through=end, auto_renew=False)
            if name == "b":
                wish = {"from": "2026-03-01", "to": None}
                await story.world.api("POST", f"/api/subscriptions/{held}/freezes", wish)
        await story.settles()

        link = await story.link()
        assert link["membership"]["end"] == "2026-09-30"
        assert (link["membership"]["frozen"], link["state"]) == (False, "Enabled")
        assert (await story.calls("SaveMembership"))[-1]["body"]["expiresOn"] == "2026-09-30"


async def test_e14_a_suspended_link_sends_nothing_and_catches_up_once(folder: Path, database: str | None) -> None:
    async with told(folder, database) as story:
        await story.settles()
        before = len(await story.calls())
        await story.world.api("POST", "/api/members/M1001/mywellness", {"operation": "suspend"})
        await story.changes(phone="+46701234567")
        story.at("03-10 09:00")
        assert await story.shows("RD-IN")
        await story.settles(passages=1)
        assert len(await story.calls()) == before
        assert (await story.link())["state"] == "Suspended"
        await story.world.api("POST", "/api/members/M1001/mywellness", {"operation": "enable"})
        await story.settles()

        (update,) = await story.calls("Update")
        assert update["body"]["phoneNumber"] == "+46701234567"
        assert (await story.visit_times(), (await story.link())["state"]) == ([], "Enabled")


async def test_e16_a_member_who_opts_out_still_gets_in_and_nothing_is_sent(folder: Path, database: str | None) -> None:
    async with told(folder, database, edges=ONE_EDGE) as story:
        await story.settles()
        before = len(await story.calls())
        await story.changes(allow_sync=False)
        story.at("03-10 09:00")
        assert await story.shows("RD-IN")
        await story.settles(passages=1)

        assert len(await story.calls()) == before
        link = await story.link()
        assert (link["state"], link["reason"]) == ("Suspended", "member_opt_out")


async def held_by(ask: Callable[..., Any]) -> list[dict[str, Any]]:
    """Return Evelina's subscriptions."""
    page = await ask("GET", "/api/subscriptions?person=M1001")
    return list(page["items"])

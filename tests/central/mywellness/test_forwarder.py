"""The forwarder against the sandbox, over HTTP and on both databases: what is sent of a member, and in which order."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
import sqlalchemy as sa

from central.memberships import service as memberships
from central.mywellness.sandbox.events import PersonUpdated
from central.mywellness.states import LinkContext, LinkEvent, LinkState, SuspendReason, available
from central.schema import QueueState, link, person, queue
from protocol.decision import Reason
from tests.central.mywellness.gym import PATIENT, Gym
from tests.central.passages.builders import denied, local

HOME = {"street": "Storgatan 1", "postcode": "11122", "city": "Stockholm", "phone": "+468123", "mobile": "+467012"}
NINE = "2026-03-10 09:00:00 +01:00"


@pytest.mark.req("D-14")
async def test_a_new_member_is_created_then_told_the_rest_and_then_subscribed(gym: Gym) -> None:
    gym.joins(**HOME)
    gym.later(seconds=30)
    await gym.sends()
    gym.later(seconds=30)
    await gym.sends()
    assert gym.actions() == ["look up", "create", "update", "membership"]
    _, create, update, membership = (call.body for call in gym.calls())
    assert {name: value for name, value in create.items() if name != "token"} == {
        "firstName": "Evelina",
        "lastName": "M1001",
        "gender": "F",
        "dateOfBirth": "1990-05-15",
        "email": "M1001@example.com",
        "externalId": "M1001",
    }
    optional = ("address1", "zipCode", "city", "phoneNumber", "mobilePhoneNumber")
    assert [update[name] for name in optional] == ["Storgatan 1", "11122", "Stockholm", "+468123", "+467012"]
    told = ("operation", "startOn", "memberSince")
    assert [membership[name] for name in told] == ["Subscribe", "2025-06-01", "2019-01-15"]


async def test_the_ids_of_a_new_member_are_kept_with_the_link(gym: Gym) -> None:
    await gym.member()
    (held,) = gym.sandbox.ledger.people.values()
    kept = gym.link()
    assert (kept.facility_user_id, kept.user_id, kept.permanent_token) == (
        held.facility_user_id,
        held.user_id,
        held.permanent_token,
    )


@pytest.mark.req("D-12")
async def test_a_subscription_that_starts_tomorrow_creates_the_person_tomorrow_night(gym: Gym) -> None:
    gym.subscribes(start=date(2026, 3, 11))
    gym.completes()
    gym.later(seconds=30)
    await gym.sends()
    assert gym.calls() == []
    gym.clock.set(local("2026-03-11 00:05"))
    async with gym.forwarding():
        await gym.until(lambda: gym.link().state is LinkState.NEW)
        gym.later(seconds=31)
        await gym.until(lambda: "create" in gym.actions())
    assert len(gym.sandbox.ledger.people) == 1


@pytest.mark.req("D-02")
async def test_a_change_made_at_mywellness_never_comes_back_and_is_overwritten(gym: Gym) -> None:
    await gym.member(**HOME)
    ident = gym.link().facility_user_id or ""
    theirs = {"phoneNumber": "999"}
    gym.sandbox.ledger.record(PersonUpdated(at=gym.clock.wall, facility_user_id=ident, details=theirs, groups=None))
    gym.changes(city="Solna")
    gym.later(seconds=30)
    await gym.sends()
    assert [row.phone for row in gym.asks(sa.select(person.c.phone).where(person.c.id == "M1001"))] == ["+468123"]
    assert gym.sandbox.ledger.people[ident].details["phoneNumber"] == "+468123"


@pytest.mark.req("D-15")
async def test_a_lost_link_is_found_again_by_our_id_without_a_create(gym: Gym) -> None:
    await gym.member()
    before = gym.link().facility_user_id
    gym.does(lambda unit: unit.connection.execute(link.delete()))
    gym.changes(city="Solna")
    gym.later(seconds=30)
    await gym.sends()
    assert gym.actions()[0] == "look up"
    assert "create" not in gym.actions()
    assert gym.link().facility_user_id == before
    assert len(gym.sandbox.ledger.people) == 1


@pytest.mark.req("D-18")
async def test_three_edits_within_ten_seconds_make_one_update_with_the_last_values(gym: Gym) -> None:
    await gym.member()
    for phone in ("1", "2", "3"):
        gym.changes(phone=phone)
        assert gym.link().state is LinkState.TO_UPDATE
        await gym.sends()
        gym.later(seconds=5)
    gym.later(seconds=20)
    await gym.sends()
    assert [call.body["phoneNumber"] for call in gym.calls()] == ["3"]
    assert gym.link().state is LinkState.ENABLED


@pytest.mark.req("D-21")
async def test_a_save_without_effect_sends_nothing_and_a_freeze_sends_one_call(gym: Gym) -> None:
    sub = await gym.member()
    gym.does(memberships.change, sub, {"charged_through": date(2026, 4, 30)})
    gym.later(seconds=30)
    await gym.sends()
    assert gym.calls() == []
    gym.does(memberships.freeze, sub, date(2026, 3, 5), date(2026, 3, 20))
    gym.later(seconds=30)
    await gym.sends()
    assert [call.body["operation"] for call in gym.calls()] == ["Froze"]


@pytest.mark.req("D-24")
async def test_the_day_after_the_last_one_an_end_is_sent_once(gym: Gym) -> None:
    sub = await gym.member()
    gym.does(memberships.change, sub, {"auto_renew": False})
    gym.later(seconds=30)
    await gym.sends()
    gym.forgets_calls()
    for day in ("2026-05-31", "2026-06-01", "2026-06-02"):
        gym.night(f"{day} 00:05")
        gym.later(seconds=30)
        await gym.sends()
    (call,) = gym.calls()
    assert (call.body["operation"], call.body["expiresOn"]) == ("UnSubscribe", "2026-05-31")
    assert call.at.date() == date(2026, 5, 31)  # shortly after midnight in Stockholm, still the day before in UTC


@pytest.mark.req("D-25")
async def test_a_freeze_is_sent_on_the_day_it_begins(gym: Gym) -> None:
    sub = await gym.member()
    gym.does(memberships.freeze, sub, date(2026, 3, 15), date(2026, 3, 20))
    gym.later(seconds=30)
    await gym.sends()
    for day in ("03-14", "03-15", "03-16"):
        gym.night(f"2026-{day} 00:05")
        gym.later(seconds=30)
        await gym.sends()
        expected = [] if day == "03-14" else ["Froze"]
        assert [call.body["operation"] for call in gym.calls()] == expected


@pytest.mark.req("D-13")
async def test_who_is_no_member_any_more_is_ended_once_sends_no_visits_and_resumes_the_same_link(gym: Gym) -> None:
    sub = await gym.member()
    ident = gym.link().facility_user_id
    gym.does(memberships.change, sub, {"auto_renew": False, "bound_through": date(2026, 3, 31)})
    gym.later(seconds=30)
    await gym.sends()
    gym.forgets_calls()
    gym.night("2026-04-01 00:05")
    gym.later(seconds=30)
    await gym.sends()
    gym.clock.set(local("2026-04-05 12:00"))
    gym.enters("2026-04-05 11:00")
    await gym.sends()
    assert gym.visits() == [(QueueState.SKIPPED, "not_selected")]
    gym.clock.set(local("2026-05-01 12:00"))
    gym.subscribes(start=date(2026, 5, 1), charged_through=date(2026, 5, 31))
    gym.later(seconds=30)
    await gym.sends()
    assert [call.body["operation"] for call in gym.calls()] == ["UnSubscribe", "Subscribe"]
    assert {call.path.split("/")[4] for call in gym.calls()} == {ident}


# --- who is held back -------------------------------------------------------------------------------------------------


@pytest.mark.req("D-08")
async def test_without_a_birth_date_nobody_is_sent_until_it_is_filled_in(gym: Gym) -> None:
    gym.joins(birth_date=None)
    gym.later(seconds=30)
    await gym.sends()
    assert gym.calls() == []
    assert (gym.link().state, gym.link().missing) == (LinkState.NEW, ("birth_date",))
    gym.changes(birth_date=date(1990, 5, 15))
    gym.later(seconds=30)
    await gym.sends()
    assert gym.actions() == ["look up", "create", "membership"]
    assert (gym.link().state, gym.link().missing) == (LinkState.ENABLED, ())


@pytest.mark.req("D-09")
async def test_whether_an_e_mail_is_required_is_a_setting(gym: Gym) -> None:
    gym.joins(email=None)
    gym.later(seconds=30)
    await gym.sends()
    assert (gym.calls(), gym.link().missing) == ([], ("email",))
    gym.mywellness.settings = replace(PATIENT, policy=replace(PATIENT.policy, email_required=False))
    gym.night("2026-03-11 00:05")
    gym.later(seconds=30)
    await gym.sends()
    (create,) = gym.calls("CreateFacilityUserFromThirdParty")
    assert "email" not in create.body


@pytest.mark.req("D-10")
async def test_whoever_opts_out_is_not_sent_any_more_not_even_a_visit(gym: Gym) -> None:
    await gym.member()
    gym.changes(allow_sync=False)
    gym.changes(phone="+468999")
    gym.enters("2026-03-10 08:55")
    gym.later(seconds=60)
    await gym.sends()
    assert gym.calls() == []
    assert (gym.link().state, gym.link().reason) == (LinkState.SUSPENDED, SuspendReason.MEMBER_OPT_OUT)


async def test_opting_out_also_stops_what_was_queued_before(gym: Gym) -> None:
    await gym.member()
    gym.changes(phone="+468999")
    gym.enters("2026-03-10 08:55")
    gym.changes(allow_sync=False)
    gym.later(seconds=60)
    await gym.sends()
    assert gym.calls() == []
    assert [state for _, state, _ in gym.queued()[-2:]] == [QueueState.SKIPPED, QueueState.SKIPPED]


@pytest.mark.req("D-11")
async def test_who_keeps_activities_private_sends_no_visit_but_a_new_phone(gym: Gym) -> None:
    await gym.member()
    gym.changes(allow_activity_sync=False)
    gym.clock.set(local("2026-03-10 09:30"))
    gym.enters("2026-03-10 09:00")
    gym.changes(phone="+468999")
    gym.later(seconds=30)
    await gym.sends()
    (update,) = gym.calls()
    assert (update.action, update.body["phoneNumber"]) == ("Update", "+468999")
    assert gym.visits() == [(QueueState.SKIPPED, "activity_opted_out")]


@pytest.mark.req("D-31")
async def test_a_suspended_link_gathers_changes_and_enabling_sends_them_but_no_visit(gym: Gym) -> None:
    await gym.member()
    gym.operates(LinkEvent.SUSPEND)
    gym.changes(phone="+468999")
    gym.clock.set(local("2026-03-10 09:30"))
    gym.enters("2026-03-10 09:00")
    gym.later(seconds=60)
    await gym.sends()
    assert gym.calls() == []
    assert gym.link().pending
    offered = available(gym.link().state, context=LinkContext(has_remote=True))
    assert set(offered) & {LinkEvent.ENABLE, LinkEvent.SUSPEND, LinkEvent.SYNCHRONISE} == {LinkEvent.ENABLE}
    assert gym.operates(LinkEvent.ENABLE) is LinkState.TO_UPDATE
    await gym.sends()
    gym.later(hours=1)
    await gym.sends()
    (update,) = gym.calls()
    assert (update.action, update.body["phoneNumber"]) == ("Update", "+468999")
    assert gym.link().state is LinkState.ENABLED


# --- visits -----------------------------------------------------------------------------------------------------------


@pytest.mark.req("D-45")
async def test_of_a_day_with_a_re_entry_and_a_denial_exactly_one_visit_is_sent(gym: Gym) -> None:
    await gym.member()
    gym.clock.set(local("2026-03-10 18:30"))
    gym.enters("2026-03-10 09:00")
    gym.enters("2026-03-10 17:00")
    gym.edge.add(denied("2026-03-10 18:00", Reason.FROZEN))
    gym.arrives()
    await gym.sends()
    assert [call.body["visitDate"] for call in gym.calls()] == [NINE]


@pytest.mark.req("D-48")
async def test_visits_of_an_edge_that_was_offline_are_sent_in_order_with_their_true_times(gym: Gym) -> None:
    await gym.member()
    gym.clock.set(local("2026-03-10 12:00"))
    gym.reads("2026-03-10 09:00", offline=True)
    gym.reads("2026-03-10 10:00", "RD-OUT", offline=True)
    gym.reads("2026-03-10 11:00", offline=True)
    gym.arrives()
    await gym.sends()
    assert gym.times() == [NINE, "2026-03-10 11:00:00 +01:00"]


@pytest.mark.req("D-47")
async def test_a_visit_made_before_the_data_were_complete_is_never_sent(gym: Gym) -> None:
    gym.joins(gender=None)
    gym.clock.set(local("2026-03-10 09:05"))
    gym.enters("2026-03-10 09:05")
    gym.clock.set(local("2026-03-10 11:00"))
    gym.changes(gender="female")
    gym.later(seconds=30)
    await gym.sends()
    gym.later(days=1)
    await gym.sends()
    assert "create" in gym.actions()
    assert gym.times() == []
    assert gym.visits() == [(QueueState.SKIPPED, "incomplete")]


@pytest.mark.req("D-47")
async def test_a_visit_made_while_the_creation_is_pending_is_sent_after_it(gym: Gym) -> None:
    gym.clock.set(local("2026-03-10 09:00"))
    gym.joins()
    url = gym.client_settings
    gym.client_settings = replace(url, base_url="http://127.0.0.1:9")  # nobody listens there
    gym.clock.set(local("2026-03-10 09:05"))
    gym.enters("2026-03-10 09:05")
    async with gym.forwarding():
        await gym.until(lambda: gym.alarms() == ["mywellness_down"])
    gym.client_settings = url
    gym.clock.set(local("2026-03-10 10:00"))
    await gym.sends()
    assert [name for name in gym.actions() if name != "membership"] == ["look up", "create", "visit"]
    assert gym.times() == ["2026-03-10 09:05:00 +01:00"]
    assert gym.alarms() == []


async def test_a_visit_of_someone_selected_that_day_creates_the_person_even_if_no_longer_selected(gym: Gym) -> None:
    gym.clock.set(local("2026-04-02 12:00"))
    gym.subscribes(auto_renew=False, bound_through=None, charged_through=date(2026, 3, 31))
    gym.completes()
    gym.enters("2026-03-31 20:00")
    await gym.sends()
    assert gym.actions() == ["look up", "create", "visit"]
    assert gym.times() == ["2026-03-31 20:00:00 +02:00"]


@pytest.mark.req("D-01")
async def test_a_full_day_makes_no_other_calls_than_persons_memberships_and_visits(gym: Gym) -> None:
    gym.enters("2026-03-10 07:00")
    sub = gym.joins(**HOME)
    gym.later(seconds=30)
    await gym.sends()
    gym.enters("2026-03-10 08:00", "RD-OUT")
    gym.enters("2026-03-10 08:30")
    gym.changes(phone="+468999")
    gym.does(memberships.freeze, sub, date(2026, 3, 10), date(2026, 3, 20))
    gym.later(seconds=30)
    await gym.sends()
    gym.night("2026-03-11 00:05")
    gym.later(seconds=30)
    await gym.sends()
    gym.operates(LinkEvent.DELETE)
    await gym.sends()
    kinds = {
        "AccessIntegration": "authentication",
        "GetFacilityUserByExternalID": "person",
        "CreateFacilityUserFromThirdParty": "person",
        "Update": "person",
        "Delete": "person",
        "SaveMembership": "membership",
        "Visit": "entry",
    }
    assert {kinds[call.action] for call in gym.sandbox.calls.after(0)} == set(kinds.values())
    assert len(gym.times()) == 1


async def test_a_row_names_the_process_that_sent_it(gym: Gym) -> None:
    await gym.member()
    gym.enters("2026-03-10 08:55")
    await gym.sends("boot-7")
    assert gym.visits() == [(QueueState.DONE, "")]
    assert [row.sender for row in gym.asks(sa.select(queue.c.sender).where(queue.c.action == "visit"))] == ["boot-7"]

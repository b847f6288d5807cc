"""Passages and what belongs to them, as the API lists them."""

import pytest

from central.changes import Units
from central.database import Database
from protocol.decision import Reason
from tests.central.api import Api
from tests.central.passages.builders import Central, Writer, denied, reader_change, seed

UNKNOWN = "em40:0005F5E0FF"  # card 99999999


@pytest.fixture
def central(database: Database) -> Central:
    seed(database)
    return Central(database)


@pytest.fixture
def day(central: Central) -> Central:
    """Five passages, two of them new visits."""
    edge = Writer()
    edge.read("2026-03-10 09:00")
    edge.read("2026-03-10 10:00", "RD-OUT")
    edge.read("2026-03-10 17:00")
    edge.add(denied("2026-03-10 18:00", Reason.UNKNOWN_CREDENTIAL, person=None, credential=UNKNOWN, raw="99999999"))
    edge.add(denied("2026-03-11 09:00", person="M1002"))
    central.deliver(edge)
    return central


@pytest.mark.req("A-46")
async def test_of_five_passages_the_filter_only_visits_leaves_two(day: Central, api: Api) -> None:
    everything = await api.get("/api/passages")
    visits = await api.get("/api/passages?only_visits=true")
    assert len(everything["items"]) == 5
    assert [one["at"] for one in visits["items"]] == ["2026-03-10T17:00:00+01:00", "2026-03-10T09:00:00+01:00"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("first=2026-03-11", 1),
        ("last=2026-03-10", 4),
        ("first=2026-03-10&last=2026-03-10&only_denied=true", 1),
        ("person=M1001", 3),
        ("person=M1001&reader=RD-OUT", 1),
        (f"credential={UNKNOWN}", 1),
        ("site=F1", 5),
        ("site=F2", 0),
    ],
)
async def test_passages_are_found_by_day_person_card_reader_and_site(
    day: Central, api: Api, query: str, count: int
) -> None:
    assert len((await api.get(f"/api/passages?{query}"))["items"]) == count


async def test_pages_join_without_gap_or_repetition(day: Central, api: Api) -> None:
    seen: list[str] = []
    path = "/api/passages?limit=2"
    answer = await api.get(path)
    while True:
        seen += [one["at"][:16] for one in answer["items"]]
        if answer["next"] is None:
            break
        answer = await api.get(f"{path}&after={answer['next'].replace('+', '%2B')}")
    assert seen == ["2026-03-11T09:00", "2026-03-10T18:00", "2026-03-10T17:00", "2026-03-10T10:00", "2026-03-10T09:00"]
    await api.get("/api/passages?after=nonsense", status=422)


async def test_a_passage_says_in_words_why_it_was_refused(day: Central, api: Api) -> None:
    (one,) = (await api.get("/api/passages?first=2026-03-11"))["items"]
    assert (one["reason"], one["words"], one["name"]) == ("FROZEN", "membership is frozen", "Evelina")


async def test_visits_are_listed_with_their_times(day: Central, api: Api) -> None:
    found = (await api.get("/api/visits?person=M1001"))["items"]
    assert [(one["opened_at"][11:16], (one["closed_at"] or "")[11:16]) for one in found] == [
        ("17:00", ""),
        ("09:00", "10:00"),
    ]


async def test_an_unknown_card_is_kept_as_the_reader_sent_it(day: Central, api: Api) -> None:
    assert await api.get("/api/unknown-credentials") == [
        {
            "credential": UNKNOWN,
            "raw": "99999999",
            "last_at": "2026-03-10T17:00:00Z",
            "reader": "RD-IN",
            "times": 1,
        }
    ]


async def test_quarantine_and_alarms_are_listed(central: Central, api: Api, units: Units) -> None:
    edge = Writer()
    edge.add("not json")
    edge.add(reader_change("2026-03-10 09:00", "lost"))
    edge.add(reader_change("2026-03-10 09:05", "back"))
    central.deliver(edge)
    (kept,) = (await api.get("/api/quarantine"))["items"]
    assert (kept["edge"], kept["sequence"], kept["raw"]) == ("edge-a", 1, "not json")
    assert [one["kind"] for one in (await api.get("/api/alarms"))["items"]] == ["unreadable_entry"]
    everything = await api.get("/api/alarms?open_only=false&limit=1")
    assert [one["kind"] for one in everything["items"]] == ["reader_lost"]
    older = await api.get(f"/api/alarms?open_only=false&after={everything['next']}")
    assert [one["kind"] for one in older["items"]] == ["unreadable_entry"]

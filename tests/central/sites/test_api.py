"""Sites, readers, schedules and rights over HTTP, down to the verdict at a reader."""

import pytest

from central.database import Database
from protocol.decision import Reason
from tests.central.api import Api, gym, product
from tests.central.door import reason_at

EVELINA = "em40:00009897D6"  # card 10000342


@pytest.fixture
async def morning(api: Api) -> Api:
    """The gym, where P-GYM gives the right MORNING, Mon–Fri 06:00–12:00."""
    await gym(api)
    weekly = {day: [["06:00", "12:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
    await api.post("/api/schedules", {"id": "MORNING", "name": "Morning", "weekly": weekly})
    right = {"id": "ER-MORNING", "name": "Mornings", "readers": ["RD-IN"], "schedule": "MORNING"}
    await api.post("/api/entry-rights", right)
    await api.patch("/api/products/P-GYM", {"entry_right": "ER-MORNING"})
    return api


@pytest.mark.req("A-14")
async def test_schedules_set_over_the_api_decide_at_the_reader(morning: Api, database: Database) -> None:
    before_noon, noon = "2026-03-10T11:59:59", "2026-03-10T12:00:00"
    assert reason_at(database, "RD-IN", EVELINA, before_noon) is Reason.OK
    assert reason_at(database, "RD-IN", EVELINA, noon) is Reason.OUTSIDE_SCHEDULE

    await morning.ask("PUT", "/api/schedules/MORNING/exceptions/2026-03-10", [], status=200)

    assert reason_at(database, "RD-IN", EVELINA, before_noon) is Reason.OUTSIDE_SCHEDULE
    assert reason_at(database, "RD-IN", EVELINA, "2026-03-11T11:59:59") is Reason.OK

    await morning.patch("/api/products/P-GYM", {"entry_right": "ER-GYM"})  # daily 06:00–22:00, on the DST Sunday

    assert reason_at(database, "RD-IN", EVELINA, "2026-03-29T05:59:59") is Reason.OUTSIDE_SCHEDULE
    assert reason_at(database, "RD-IN", EVELINA, "2026-03-29T06:00:00") is Reason.OK


async def test_an_exception_that_is_removed_lets_the_week_hold_again(morning: Api, database: Database) -> None:
    day = "/api/schedules/MORNING/exceptions/2026-03-10"
    await morning.ask("PUT", day, [["14:00", "16:00"]], status=200)
    assert reason_at(database, "RD-IN", EVELINA, "2026-03-10T15:00:00") is Reason.OK
    await morning.ask("DELETE", day, status=200)
    assert reason_at(database, "RD-IN", EVELINA, "2026-03-10T15:00:00") is Reason.OUTSIDE_SCHEDULE


async def test_a_schedule_comes_back_as_it_was_given(api: Api) -> None:
    wish = {"id": "S", "name": "S", "weekly": {"sun": [["00:00", "24:00"]]}, "exceptions": {"2026-12-24": []}}
    shown = await api.post("/api/schedules", wish)

    assert shown["weekly"]["sun"] == [["00:00", "24:00"]]
    assert shown["weekly"]["mon"] == []
    assert shown["exceptions"] == {"2026-12-24": []}


@pytest.mark.parametrize(
    "hours",
    [
        pytest.param([["12:00", "06:00"]], id="ends before it starts"),
        pytest.param([["06:00", "06:00"]], id="ends as it starts"),
        pytest.param([["6:00", "12:00"]], id="no leading zero"),
        pytest.param([[21600, 43200]], id="seconds"),
        pytest.param([["06:00"]], id="no end"),
    ],
)
async def test_an_interval_must_go_forward_in_hours_and_minutes(api: Api, hours: object) -> None:
    problem = await api.post("/api/schedules", {"id": "S", "name": "S", "weekly": {"mon": hours}}, status=422)
    assert problem["errors"][0]["field"].startswith("weekly.mon")


async def test_a_reader_that_loses_a_right_refuses_at_once(api: Api, database: Database) -> None:
    await gym(api)
    assert reason_at(database, "RD-IN", EVELINA, "2026-03-10T09:00:00") is Reason.OK
    await api.patch("/api/entry-rights/ER-GYM", {"readers": ["RD-OUT"]})
    assert reason_at(database, "RD-IN", EVELINA, "2026-03-10T09:00:00") is Reason.NO_RIGHT_AT_READER


async def test_a_reader_changes_only_in_what_is_named(api: Api) -> None:
    await gym(api)
    before = {reader["id"]: reader for reader in await api.get("/api/sites/F1/readers")}["RD-IN"]
    after = await api.patch("/api/readers/RD-IN", {"min_interval": 60, "mode": "locked"})
    assert after == {**before, "min_interval": 60, "mode": "locked"}


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        pytest.param("sites", {"id": "F1", "name": "x", "zone": "UTC"}, 409, "ID_IN_USE", id="site again"),
        pytest.param("sites/F9/lanes", {"id": "L9", "name": "x"}, 404, "NOT_FOUND", id="lane of no site"),
        pytest.param(
            "sites/F2/readers",
            {"id": "R9", "name": "x", "lane": "L1", "kind": "IN"},
            422,
            "LANE_NOT_AT_SITE",
            id="reader at another site's lane",
        ),
        pytest.param(
            "entry-rights", {"id": "E9", "name": "x", "readers": ["R9"]}, 422, "NO_SUCH_READER", id="right to no reader"
        ),
        pytest.param(
            "entry-rights",
            {"id": "E9", "name": "x", "readers": [], "schedule": "S9"},
            422,
            "NO_SUCH_SCHEDULE",
            id="right with no such schedule",
        ),
        pytest.param("products", product("P9", sites=["F9"]), 422, "NO_SUCH_SITE", id="product at no site"),
        pytest.param("products", product("P9", entry_right="E9"), 422, "NO_SUCH_RIGHT", id="product with no right"),
    ],
)
async def test_what_does_not_fit_together_is_refused(api: Api, path: str, body: object, status: int, code: str) -> None:
    await gym(api)
    assert (await api.post(f"/api/{path}", body, status=status))["code"] == code


async def test_a_site_keeps_its_rollover_in_hours_and_minutes(api: Api) -> None:
    wish = {"id": "F1", "name": "One", "zone": "Europe/Stockholm", "rollover": "04:00"}
    assert (await api.post("/api/sites", wish))["rollover"] == "04:00"
    assert (await api.patch("/api/sites/F1", {"rollover": "00:00"}))["rollover"] == "00:00"

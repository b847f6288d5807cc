"""Importing members: whole rows or none, repeatable, and every row that is left out is named."""

import io
from pathlib import Path

import pytest
import sqlalchemy as sa

from central.changes import Unit, Units
from central.database import Database
from central.memberships import products, service as memberships
from central.memberships.model import ProductType, ProductValues
from central.people import credentials, service as people
from central.people.importing import Report, import_members, person_id
from central.people.rows import COLUMNS, FileProblem
from central.schema import change_event, person
from central.sites import service as sites
from protocol.decision import Reason
from protocol.entitlement import CredentialStatus
from protocol.policy import ReaderKind
from tests.central.door import reason_at

HEADING = ",".join(COLUMNS)
GOOD = "M1001,10000342,Evelina,Ek,1987-02-10,F,e@example.org,2025-06-01,2026-05-31,2026-03-31,1,,,1,1"
FROZEN = "M1002,10000343,Bo,Ask,,M,,2025-06-01,,2026-03-31,0,2026-03-05,2026-03-20,1,0"


@pytest.fixture(autouse=True)
def gym(units: Units) -> None:
    """A site, a reader and a product: what a file of members needs."""

    def build(unit: Unit) -> None:
        sites.create_site(unit, "F1", {"name": "One", "zone": "Europe/Stockholm"})
        sites.create_lane(unit, "F1", "L1", "Main")
        sites.create_reader(unit, "F1", "RD-IN", {"lane": "L1", "name": "In", "kind": ReaderKind.IN})
        sites.create_right(unit, "ER", "Gym", ["RD-IN"])
        products.create(unit, "P-GYM", {**subscription("1"), "entry_right": "ER"})

    units.run_sync(build)


def subscription(number: str) -> ProductValues:
    return {"number": number, "name": "Gym", "type": ProductType.SUBSCRIPTION, "sites": ["F1"]}


def run(units: Units, *rows: str, heading: str = HEADING, dry_run: bool = False) -> Report:
    return import_members(units, io.StringIO("\n".join([heading, *rows])), dry_run=dry_run)


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.created, report.updated, report.unchanged, len(report.troubles)


def test_imported_members_pass_the_door_as_their_rows_say(units: Units, database: Database) -> None:
    assert counts(run(units, GOOD, FROZEN)) == (2, 0, 0, 0)

    evelina, bo = "em40:00009897D6", "em40:00009897D7"
    assert reason_at(database, "RD-IN", evelina, "2026-03-31T09:00:00") is Reason.OK
    assert reason_at(database, "RD-IN", evelina, "2026-04-01T09:00:00") is Reason.NOT_CHARGED
    assert reason_at(database, "RD-IN", bo, "2026-03-20T09:00:00") is Reason.FROZEN
    assert reason_at(database, "RD-IN", bo, "2026-03-21T09:00:00") is Reason.OK
    member = database.sync_read(people.get, person_id("M1002"))
    assert (member.number, member.gender, member.allow_sync, member.allow_activity_sync) == (
        "M1002",
        "male",
        True,
        False,
    )


def test_the_same_file_again_changes_nothing(units: Units, database: Database) -> None:
    run(units, GOOD, FROZEN)
    events = _events(database)
    assert counts(run(units, GOOD, FROZEN)) == (0, 0, 2, 0)
    assert _events(database) == events


def test_a_newer_file_changes_what_differs_and_keeps_what_it_leaves_empty(units: Units, database: Database) -> None:
    run(units, GOOD, FROZEN)
    newer = "M1001,10000342,Evelina,Ek-Sand,,,,2025-06-01,2026-05-31,2026-04-30,1,,,1,1"
    assert counts(run(units, newer, FROZEN)) == (0, 1, 1, 0)

    member = database.sync_read(people.get, person_id("M1001"))
    (held,) = database.sync_read(memberships.list_subscriptions, persons=[member.id])
    assert (member.last_name, str(member.birth_date), member.email) == ("Ek-Sand", "1987-02-10", "e@example.org")
    assert str(held.charged_through) == "2026-04-30"


def test_a_member_known_by_number_keeps_the_id_of_reception(units: Units, database: Database) -> None:
    units.run_sync(people.create, {"number": "M1001", "first_name": "Eva"}, key="desk-1")
    assert counts(run(units, GOOD)) == (0, 1, 0, 0)
    assert database.sync_read(people.get, "desk-1").first_name == "Evelina"


def test_a_card_that_reception_has_blocked_stays_blocked(units: Units, database: Database) -> None:
    run(units, GOOD)
    card = credentials.read("10000342")
    units.run_sync(credentials.set_status, person_id("M1001"), card, CredentialStatus.BLOCKED)
    run(units, GOOD)
    assert reason_at(database, "RD-IN", card.canonical, "2026-03-10T09:00:00") is Reason.CREDENTIAL_BLOCKED


def test_a_dry_run_reports_the_same_and_leaves_nothing(units: Units, database: Database) -> None:
    events = _events(database)
    assert counts(run(units, GOOD, FROZEN, dry_run=True)) == (2, 0, 0, 0)
    assert database.sync_read(people.list_persons) == []
    assert _events(database) == events


@pytest.mark.parametrize(
    ("wrong", "field", "says"),
    [
        pytest.param(GOOD.replace("1987-02-10", "10.2.1987"), "birth_date", "2026-03-10", id="a day in another form"),
        pytest.param(GOOD.replace("1987-02-10", "2025-02-29"), "birth_date", "no day", id="a day that never was"),
        pytest.param(GOOD.replace(",F,", ",W,"), "gender", "F, M", id="an unknown gender"),
        pytest.param(GOOD.replace("10000342", "12ab"), "card", "decimal digits", id="no card number"),
        pytest.param(GOOD.replace("e@example.org", "example.org"), "email", "no e-mail", id="no address"),
        pytest.param(GOOD.replace("M1001,", ",", 1), "number", "customer number", id="no number"),
        pytest.param(GOOD.replace("2026-05-31", "2025-05-31"), "bound_through", "before the start", id="bound early"),
        pytest.param(GOOD.replace(",1,,,1,1", ",yes,,,1,1"), "auto_renew", "1, 0", id="yes for 1"),
        pytest.param(
            GOOD.replace(",1,,,1,1", ",1,,2026-03-20,1,1"), "frozen_from", "first day", id="freeze without start"
        ),
        pytest.param(
            GOOD.replace(",1,,,1,1", ",1,2026-03-20,2026-03-05,1,1"), "frozen_to", "swap", id="freeze reversed"
        ),
        pytest.param(GOOD.replace("2025-06-01", ""), "start", "give the start", id="no start"),
        pytest.param(GOOD + ",1", "", "commas", id="one field too many"),
        pytest.param(GOOD[:-2], "", "commas", id="one field too few"),
        pytest.param(
            "M1009" + GOOD[5:].replace("10000342", "10000343"), "card", "return it there", id="another's card"
        ),
    ],
)
def test_a_wrong_row_is_named_and_left_out_whole_and_the_others_come_in(
    units: Units, database: Database, wrong: str, field: str, says: str
) -> None:
    report = run(units, FROZEN, wrong)

    assert counts(report) == (1, 0, 0, 1)
    (trouble,) = report.troubles
    assert (trouble.line, trouble.field) == (3, field)
    assert says in f"{trouble.problem}; {trouble.do}"
    everybody = database.sync_read(lambda connection: connection.scalars(sa.select(person.c.number)).all())
    assert everybody == ["M1002"]


def test_a_row_left_out_leaves_no_event(units: Units, database: Database) -> None:
    run(units, FROZEN)
    events = _events(database)
    run(units, "M1009" + GOOD[5:].replace("10000342", "10000343"))
    assert _events(database) == events


def test_a_number_that_stands_twice_comes_in_once(units: Units) -> None:
    report = run(units, GOOD, GOOD)
    assert counts(report) == (1, 0, 0, 1)
    assert report.troubles[0].problem == "customer number M1001 stands in line 2 already"


@pytest.mark.parametrize(
    ("heading", "says"),
    [
        pytest.param(HEADING.replace("email,", ""), "column email is missing; add it", id="missing"),
        pytest.param(HEADING + ",shoe_size", "column 'shoe_size' is unknown; remove it", id="unknown"),
        pytest.param(HEADING.replace("birth_date", "birthdate"), "did you mean birth_date?", id="misspelt"),
        pytest.param(HEADING + ",email", "column email is there twice; remove one", id="twice"),
        pytest.param(HEADING.replace(",", ";"), "column number is missing", id="semicolons"),
    ],
)
def test_a_heading_that_does_not_fit_stops_the_import(
    units: Units, database: Database, heading: str, says: str
) -> None:
    with pytest.raises(FileProblem, match="line 1") as refusal:
        run(units, GOOD, heading=heading)
    assert says in str(refusal.value)
    assert database.sync_read(people.list_persons) == []


def test_with_two_subscription_products_the_import_asks_which(units: Units) -> None:
    units.run_sync(products.create, "P-SPA", subscription("2"))
    with pytest.raises(FileProblem, match="there are: P-GYM, P-SPA"):
        run(units, GOOD)


def test_the_reference_gym_comes_in_whole(units: Units, database: Database, shared: Path) -> None:
    with (shared / "data" / "gym_members.csv").open(encoding="utf-8") as file:
        report = import_members(units, file)
    assert counts(report) == (400, 0, 0, 0)
    assert len(database.sync_read(people.ids_by_number)) == 400


def _events(database: Database) -> int:
    count = sa.select(sa.func.count()).select_from(change_event)
    return database.sync_read(lambda connection: int(connection.scalar(count) or 0))

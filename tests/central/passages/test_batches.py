"""A stream is stored in order, once, whole; what nobody can read is kept and holds nobody up."""

import json

import pytest
import sqlalchemy as sa

from central.alarms import list_alarms
from central.database import Database
from central.passages.service import current_ack
from central.schema import edge, entry, passage, quarantine
from protocol.decision import Reason
from protocol.identity import EdgeId, Epoch
from protocol.journal import MAX_BYTES, Entry, chain
from tests.central.passages.builders import (
    Central,
    Writer,
    denied,
    local,
    minutes,
    opened_first,
    outcome,
    reader_change,
    seed,
    taken,
)

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def central(database: Database) -> Central:
    seed(database)
    return Central(database)


def written(count: int, edge: str = "edge-a", epoch: str = "00000000000000aa") -> Writer:
    writer = Writer(edge, epoch)
    for at in minutes("2026-03-10 09:00", count):
        writer.read(at)
    return writer


def alarms(central: Central) -> list[tuple[str, str, int]]:
    found = central.database.sync_read(list_alarms, open_only=False)
    return [(one.kind, one.subject, one.times) for one in found]


def stored(central: Central) -> list[int]:
    return [int(str(row[0])) for row in central.rows(sa.select(entry.c.sequence).order_by(entry.c.sequence))]


def test_a_batch_is_acknowledged_up_to_its_last_entry_with_the_hash_of_that_entry(central: Central) -> None:
    writer = written(3)
    ack = central.store(writer.batch()).ack
    assert ack is not None
    assert (ack.epoch, ack.through, ack.head_hash) == (writer.epoch, 3, writer.entries[-1].hash)
    assert stored(central) == [1, 2, 3]


def test_a_batch_that_overlaps_gives_its_tail(central: Central) -> None:
    writer = written(5)
    central.store(writer.batch(1, 3))
    answer = central.store(writer.batch(2, 5))
    assert answer.ack is not None
    assert answer.ack.through == 5
    assert answer.passages == (writer.event(4), writer.event(5))
    assert stored(central) == [1, 2, 3, 4, 5]


def test_a_batch_behind_a_gap_stores_nothing_and_gets_the_ack_again(central: Central) -> None:
    writer = written(5)
    first = central.store(writer.batch(1, 2))
    answer = central.store(writer.batch(4, 5))
    assert (answer.ack, answer.resume, answer.passages) == (first.ack, 3, ())
    assert stored(central) == [1, 2]


def test_the_same_identity_with_other_content_goes_to_quarantine_and_replaces_nothing(central: Central) -> None:
    original, clone = written(2), Writer()
    clone.read("2026-03-10 09:00")
    clone.read("2026-03-10 11:11", person="M1002")
    central.store(original.batch())
    answer = central.store(clone.batch())
    central.store(clone.batch())
    assert answer.ack is not None
    assert answer.ack.head_hash == original.entries[-1].hash
    assert central.rows(sa.select(quarantine.c.sequence, quarantine.c.raw)) == [(2, clone.entries[1].body.encode())]
    assert alarms(central) == [("other_hash", "edge-a", 2)]
    assert len(central.passages()) == 2


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param('{"type":"lift"}', "does not match any of the expected tags", id="an entry of another version"),
        pytest.param("not json", "Invalid JSON", id="not JSON"),
        pytest.param("\x00", "Invalid JSON", id="a character no PostgreSQL text holds"),
        pytest.param(taken("2026-03-10 09:01", site="F2").model_dump_json(), "names site F2", id="another site"),
        pytest.param(
            taken("2026-03-10 09:01", person="x" * 65).model_dump_json(), "person has 65", id="an id that is too long"
        ),
        pytest.param(
            taken("2026-03-10 09:01", revision=2**63).model_dump_json(), "revision is no", id="a number too large"
        ),
        pytest.param(
            taken("2026-03-10 09:01").model_dump_json().replace("2026-03-10T08:01:00Z", "0001-01-01T00:00:00+14:00"),
            "outside the calendar",
            id="a time before the calendar",
        ),
        pytest.param(outcome("2026-03-10 09:01", 9, passed=True).model_dump_json(), "does not come before", id="of=9"),
    ],
)
def test_an_entry_nobody_can_read_is_kept_and_the_stream_goes_on(central: Central, body: str, why: str) -> None:
    writer = Writer()
    writer.read("2026-03-10 09:00")
    writer.add(body)
    writer.read("2026-03-10 09:02", person="M1002")
    answer = central.store(writer.batch())
    assert answer.ack is not None
    assert (answer.ack.through, answer.ack.head_hash) == (3, writer.entries[-1].hash)
    ((sequence, reason, raw),) = central.rows(sa.select(quarantine.c.sequence, quarantine.c.why, quarantine.c.raw))
    assert (sequence, raw) == (2, body.encode())
    assert why in str(reason)
    assert [time for time, _, _ in central.passages()] == ["09:00", "09:02"]
    assert alarms(central) == [("unreadable_entry", "edge-a", 1)]


def test_an_entry_that_contradicts_its_hash_is_kept_apart_and_its_successors_are_taken(central: Central) -> None:
    writer = written(3)
    forged = taken("2026-03-10 09:01", person="M1003").model_dump_json()
    writer.entries[1] = Entry(hash=writer.entries[1].hash, body=forged)
    answer = central.store(writer.batch())
    assert answer.ack is not None
    assert answer.ack.through == 3
    assert central.rows(sa.select(quarantine.c.sequence)) == [(2,)]
    assert [time for time, _, _ in central.passages()] == ["09:00", "09:02"]


def test_an_entry_the_database_refuses_goes_to_quarantine_alone(central: Central) -> None:
    writer = written(3)
    twin = {
        "edge": "edge-a",
        "epoch": writer.epoch,
        "sequence": 2,
        "hash": "0" * 32,
        "body": "",
        "received_at": local("2026-03-10"),
    }
    central.database.sync_write(lambda connection: connection.execute(entry.insert(), twin))
    answer = central.store(writer.batch())
    assert answer.ack is not None
    assert answer.ack.through == 3
    assert [time for time, _, _ in central.passages()] == ["09:00", "09:02"]
    assert central.rows(sa.select(quarantine.c.sequence)) == [(2,)]


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        pytest.param(b"\xff\x00nonsense", "no batch of version 1", id="not JSON"),
        pytest.param(b" " * (MAX_BYTES + 1), "more than the 64000", id="oversize"),
        pytest.param(written(1, edge="edge-b").batch(), "another edge", id="from another edge"),
        pytest.param(
            json.dumps({**json.loads(written(2).batch()), "last": 9}).encode(), "carries 2 entries", id="miscounted"
        ),
        pytest.param(json.dumps({**json.loads(written(1).batch()), "v": 2}).encode(), "v: ", id="of another version"),
    ],
)
def test_a_message_that_is_no_batch_is_kept_once_and_nothing_is_acknowledged(
    central: Central, payload: bytes, why: str
) -> None:
    assert central.store(payload).ack is None
    assert central.store(payload).ack is None
    ((reason, raw),) = central.rows(sa.select(quarantine.c.why, quarantine.c.raw))
    assert why in str(reason)
    assert raw == payload[:64_000]
    assert alarms(central) == [("refused_message", "edge-a", 2)]
    good = central.store(written(1).batch()).ack
    assert good is not None
    assert good.through == 1


def test_an_edge_nobody_enrolled_and_one_that_was_revoked_are_not_stored(central: Central) -> None:
    central.database.sync_write(
        lambda connection: connection.execute(
            edge.update().where(edge.c.id == "edge-b").values(revoked_at=local("2026-03-01"))
        )
    )
    assert central.store(written(1, edge="stranger").batch(), "stranger").ack is None
    assert central.store(written(1, edge="edge-b").batch(), "edge-b").ack is None
    assert stored(central) == []
    assert {kind for kind, _, _ in alarms(central)} == {"unknown_edge"}


def test_a_new_epoch_is_a_stream_of_its_own_and_raises_an_alarm(central: Central) -> None:
    old, new = written(2), written(1, epoch="00000000000000bb")
    central.store(old.batch())
    answer = central.store(new.batch())
    assert answer.ack is not None
    assert (answer.ack.epoch, answer.ack.through) == (new.epoch, 1)
    ack = central.database.sync_read(current_ack, EdgeId("edge-a"), Epoch(old.epoch))
    assert ack.through == 2
    assert alarms(central) == [("new_journal", "edge-a", 1)]


def test_the_ack_of_a_journal_that_never_came_is_its_epoch_at_zero(central: Central) -> None:
    ack = central.database.sync_read(current_ack, EdgeId("edge-a"), Epoch("00000000000000cc"))
    assert (ack.through, ack.head_hash) == (0, "00000000000000cc")


@pytest.mark.req("A-01")
def test_three_reads_give_three_rows_with_their_reasons_and_three_ids(central: Central) -> None:
    writer = Writer()
    writer.read("2026-03-10 09:00")
    writer.add(denied("2026-03-10 09:01", Reason.UNKNOWN_CREDENTIAL, person=None))
    writer.add(denied("2026-03-10 09:02", Reason.FROZEN, person="M1002"))
    central.deliver(writer)
    assert [reason for _, reason, _ in central.passages()] == ["OK", "UNKNOWN_CREDENTIAL", "FROZEN"]
    assert len(set(central.rows(sa.select(passage.c.id)))) == 3


def test_what_later_entries_say_is_written_beside_the_passage(central: Central) -> None:
    writer = Writer()
    first = writer.read("2026-03-10 09:00")
    writer.add(opened_first("2026-03-10 09:00", first))
    writer.add(outcome("2026-03-10 09:00", first, passed=True))
    central.store(writer.batch(1, 2))
    central.store(writer.batch(3, 3))
    assert central.rows(sa.select(passage.c.opened_first, passage.c.passed)) == [(True, True)]
    assert stored(central) == [1, 2, 3]


def test_a_silent_reader_raises_an_alarm_that_its_return_clears(central: Central) -> None:
    writer = Writer()
    writer.add(reader_change("2026-03-10 09:00", "lost"))
    central.store(writer.batch(1, 1))
    assert [one.kind for one in central.database.sync_read(list_alarms)] == ["reader_lost"]
    writer.add(reader_change("2026-03-10 09:41", "back"))
    central.store(writer.batch(2, 2))
    assert list(central.database.sync_read(list_alarms)) == []


@pytest.mark.parametrize("field", ["x\x00", "x\n2026-03-10 ERROR all doors open", "x" * 5000])
def test_a_field_that_a_sender_invents_forges_no_log_line_and_is_kept_in_quarantine(
    central: Central, caplog: pytest.LogCaptureFixture, field: str
) -> None:
    writer = Writer()
    writer.add(json.dumps({**json.loads(taken("2026-03-10 09:00").model_dump_json()), field: 1}))
    batch = json.dumps({**json.loads(writer.batch()), field: 1}).encode()

    central.deliver(writer)
    central.store(batch)

    whys = [str(why) for _, why in central.rows(sa.select(quarantine.c.sequence, quarantine.c.why))]
    assert len(whys) == 2
    assert all("Extra inputs" in why and len(why) < 200 for why in whys)
    assert [record.getMessage() for record in caplog.records if not record.getMessage().isprintable()] == []
    assert len(caplog.records) == 2


def test_the_chain_of_a_journal_begins_with_its_epoch() -> None:
    writer = written(1)
    assert writer.entries[0].hash == chain(writer.epoch, writer.entries[0].body)

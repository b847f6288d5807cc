"""What travels: every message against texts typed by hand, and what must be refused."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, ValidationError

from protocol import journal, messages
from protocol.identity import EdgeId, Epoch, Identity, SiteId, is_safe_id
from protocol.journal import MAX_ENTRIES, Batch, Entry, chain, stamp_order
from protocol.messages import STATE, Birth, Death, signing_input
from protocol.topics import (
    EdgeAddress,
    EdgeTopic,
    SiteTopic,
    edge_topic,
    parse_edge_topic,
    parse_site_topic,
    site_topic,
)
from tests.vectors.message_rows import Invalid, Valid, adapter, invalid, valid

IDENTITY = Path(__file__).parents[1] / "vectors" / "identity"
CHAIN = json.loads((IDENTITY / "chain.json").read_text("utf-8"))
TOPICS = json.loads((IDENTITY / "topics.json").read_text("utf-8"))
PARTS = {"Strict", "Message", "Stamp", "Entry", "ReaderHealth", "Open", "SetMode", "Reload", "Change", "BaseModel"}
"""Models that only travel inside another one."""


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in valid()])
def test_golden_text_is_understood_and_said_again_word_for_word(row: Valid) -> None:
    message = adapter(row.model).validate_json(row.text)
    assert type(message) is row.model
    assert json.loads(message.model_dump_json(by_alias=True)) == json.loads(row.text)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in invalid()])
def test_bad_text_is_refused_and_the_complaint_says_where(row: Invalid) -> None:
    with pytest.raises(ValidationError) as refusal:
        adapter(row.model).validate_json(row.text)
    assert (row.at, row.type) in [(problem["loc"], problem["type"]) for problem in refusal.value.errors()]


def test_every_message_has_golden_texts_good_and_bad() -> None:
    travelling = {
        model.__name__
        for module in (journal, messages)
        for model in vars(module).values()
        if isinstance(model, type) and issubclass(model, BaseModel)
    } - PARTS
    assert {row.model.__name__ for row in valid()} == travelling
    assert {row.model.__name__ for row in invalid()} == travelling


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in valid()])
def test_every_message_refuses_a_field_it_does_not_know(row: Valid) -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        adapter(row.model).validate_json(json.dumps({**json.loads(row.text), "surprise": 1}))


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in valid() if "v" in row.model.model_fields])
def test_every_message_refuses_another_version(row: Valid) -> None:
    with pytest.raises(ValidationError, match="literal_error"):
        adapter(row.model).validate_json(json.dumps({**json.loads(row.text), "v": 2}))


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in valid() if "v" in row.model.model_fields])
def test_every_message_refuses_to_be_without_a_version(row: Valid) -> None:
    text = {name: value for name, value in json.loads(row.text).items() if name != "v"}
    with pytest.raises(ValidationError) as refusal:
        adapter(row.model).validate_json(json.dumps(text))
    assert [(problem["loc"], problem["type"]) for problem in refusal.value.errors()] == [(("v",), "missing")]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "42", '"ack"'])
def test_what_is_no_message_at_all_is_refused_and_nothing_else_happens(text: str) -> None:
    models = sorted({row.model for row in valid()}, key=lambda model: model.__name__)
    for model in models:
        with pytest.raises(ValidationError):
            adapter(model).validate_json(text)


def test_state_is_read_as_birth_or_death_by_its_word() -> None:
    texts = {row.model: row.text for row in valid() if row.model in {Birth, Death}}
    assert {type(STATE.validate_json(text)) for text in texts.values()} == {Birth, Death}
    with pytest.raises(ValidationError, match="union_tag_invalid"):
        STATE.validate_json('{"v": 1, "online": "maybe", "boot": "b-1"}')


def test_batch_says_in_its_complaint_what_does_not_fit() -> None:
    with pytest.raises(ValidationError, match="batch says 5…7 but carries 2 entries"):
        Batch(edge="edge-1", epoch="00c0ffee00c0ffee", first=5, last=7, entries=(ENTRY, ENTRY))


def test_batch_holds_fifty_entries_and_not_one_more() -> None:
    full = Batch(edge="edge-1", epoch="00c0ffee00c0ffee", first=1, last=50, entries=(ENTRY,) * 50)
    assert len(full.entries) == MAX_ENTRIES == 50
    with pytest.raises(ValidationError, match="too_long"):
        Batch(edge="edge-1", epoch="00c0ffee00c0ffee", first=1, last=51, entries=(ENTRY,) * 51)


def test_chain_is_the_one_that_was_computed_by_another_program() -> None:
    previous = CHAIN["epoch"]
    for entry in CHAIN["entries"]:
        previous = chain(previous, entry["body"])
        assert previous == entry["hash"]


@given(st.text(), st.text(), st.text(), st.text())
def test_chain_tells_apart_where_predecessor_and_body_meet(one: str, two: str, other: str, another: str) -> None:
    hashes = [text for text in (one, other) if "\n" not in text]
    if len(hashes) == 2 and (one, two) != (other, another):
        assert chain(one, two) != chain(other, another)


@pytest.mark.parametrize("row", [pytest.param(row, id=row["event_id"]) for row in CHAIN["event_ids"]])
def test_event_id_is_the_one_that_was_computed_by_another_program(row: dict[str, str | int]) -> None:
    identity = Identity(EdgeId(str(row["edge"])), Epoch(str(row["epoch"])), int(row["sequence"]))
    assert identity.event_id == row["event_id"]


def test_passages_of_one_instant_are_ordered_by_identity() -> None:
    early, late = datetime(2026, 3, 10, 8, tzinfo=UTC), datetime(2026, 3, 10, 9, tzinfo=UTC)
    keys = [
        stamp_order(late, "edge-1", "a", 1),
        stamp_order(early, "edge-2", "a", 1),
        stamp_order(early, "edge-1", "b", 1),
        stamp_order(early, "edge-1", "a", 10),
        stamp_order(early, "edge-1", "a", 9),
    ]
    assert sorted(keys) == keys[::-1]


def test_signature_covers_purpose_version_and_site() -> None:
    assert signing_input("delta", "F1", b"{}") == b"wellgate-delta-v1\nF1\n{}"
    assert signing_input("snapshot", "F1", b"{}") == b"wellgate-snapshot-v1\nF1\n{}"


@pytest.mark.parametrize("row", [pytest.param(row, id=row["text"]) for row in TOPICS["edge"]])
def test_edge_topic_is_built_and_parsed(row: dict[str, str]) -> None:
    assert edge_topic(row["edge"], EdgeTopic(row["topic"])) == row["text"]
    assert parse_edge_topic(row["text"]) == EdgeAddress(EdgeId(row["edge"]), EdgeTopic(row["topic"]))
    assert parse_site_topic(row["text"]) is None


@pytest.mark.parametrize("row", [pytest.param(row, id=row["text"]) for row in TOPICS["site"]])
def test_site_topic_is_built_and_parsed(row: dict[str, str]) -> None:
    assert site_topic(row["site"], SiteTopic(row["topic"])) == row["text"]
    assert parse_site_topic(row["text"]) == (SiteId(row["site"]), SiteTopic(row["topic"]))
    assert parse_edge_topic(row["text"]) is None


@pytest.mark.parametrize("text", TOPICS["none_of_ours"])
def test_topic_of_somebody_else_is_none_of_ours(text: str) -> None:
    assert (parse_edge_topic(text), parse_site_topic(text)) == (None, None)


def test_every_topic_has_a_golden_row() -> None:
    assert {row["topic"] for row in TOPICS["edge"]} == {topic.value for topic in EdgeTopic}
    assert {row["topic"] for row in TOPICS["site"]} == {topic.value for topic in SiteTopic}


@given(st.text())
def test_parsing_a_topic_never_raises_and_what_it_finds_builds_the_same_text(name: str) -> None:
    text = edge_topic(name, EdgeTopic.EVENTS)
    found = parse_edge_topic(text)
    assert (found is not None) == is_safe_id(name)
    assert found is None or edge_topic(found.edge, found.topic) == text


ENTRY = Entry(hash="0" * 32, body="{}")

"""The document of the agreement is sound, complete, and the one that lies in the documentation."""

import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from protocol.asyncapi import document
from protocol.topics import EdgeTopic, SiteTopic
from tests.protocol.write_asyncapi import WRITTEN, text
from tests.vectors.message_rows import Invalid, Valid, invalid, valid

VENDOR = Path(__file__).parents[1] / "vectors" / "vendor"
SPECIFICATION = VENDOR / "asyncapi-3.0.0.json"

Document = dict[str, Any]


def checker() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json.loads(SPECIFICATION.read_text("utf-8")))


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(whole: Document, reference: str) -> object:
    node: Any = whole
    for level in reference.removeprefix("#/").split("/"):
        node = node[level]
    return node


def test_specification_is_the_file_that_was_vetted() -> None:
    checksum = hashlib.sha256(SPECIFICATION.read_bytes()).hexdigest()
    assert checksum in (VENDOR / "README.md").read_text("utf-8")


def test_document_obeys_the_asyncapi_specification() -> None:
    assert [error.json_path for error in checker().iter_errors(document())] == []


def unknown_action(broken: Document) -> None:
    broken["operations"]["send-events"]["action"] = "publish"


def no_title(broken: Document) -> None:
    del broken["info"]["title"]


def fourth_quality_of_service(broken: Document) -> None:
    broken["operations"]["send-events"]["bindings"]["mqtt"]["qos"] = 3


def pydantic_discriminator(broken: Document) -> None:
    broken["components"]["schemas"]["Command"]["properties"]["order"]["discriminator"] = {"propertyName": "name"}


def operation_of_no_channel(broken: Document) -> None:
    del broken["operations"]["send-events"]["channel"]


@pytest.mark.parametrize(
    "damage", [unknown_action, no_title, fourth_quality_of_service, pydantic_discriminator, operation_of_no_channel]
)
def test_broken_document_does_not_obey(damage: Callable[[Document], None]) -> None:
    broken = copy.deepcopy(document())
    damage(broken)
    assert not checker().is_valid(broken)


def test_every_reference_leads_somewhere() -> None:
    whole = document()
    found = set(references(whole))
    assert len(found) > 20
    for reference in found:
        assert isinstance(resolve(whole, reference), dict), reference


def test_every_topic_is_a_channel_with_its_address() -> None:
    channels = document()["channels"]
    assert {name: channel["address"] for name, channel in channels.items()} == {
        **{topic.value: f"wellgate/v1/edge/{{edge}}/{topic.value}" for topic in EdgeTopic},
        **{topic.value: f"wellgate/v1/site/{{site}}/{topic.value}" for topic in SiteTopic},
    }


def test_only_ack_state_and_revision_are_retained_and_only_notices_may_be_lost() -> None:
    operations = document()["operations"]
    mqtt = {name: operation["bindings"]["mqtt"] for name, operation in operations.items()}
    assert {name for name, binding in mqtt.items() if binding["retain"]} == {
        "receive-ack",
        "send-state",
        "receive-access",
    }
    assert {name for name, binding in mqtt.items() if binding["qos"] == 0} == {"send-passages", "receive-passages"}


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in valid()])
def test_golden_text_obeys_the_schema_of_its_message(row: Valid) -> None:
    schema_of(row.model.__name__).validate(json.loads(row.text))


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=row.name)
        for row in invalid()
        if row.type in {"literal_error", "extra_forbidden", "missing", "enum", "int_type", "string_pattern_mismatch"}
    ],
)
def test_bad_text_disobeys_the_schema_of_its_message(row: Invalid) -> None:
    assert not schema_of(row.model.__name__).is_valid(json.loads(row.text))


def test_written_document_is_the_one_the_code_builds() -> None:
    assert WRITTEN.read_text("utf-8") == text(), (
        "run python -m tests.protocol.write_asyncapi and look at the difference"
    )


def schema_of(model: str) -> jsonschema.Draft202012Validator:
    whole = document()
    return jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{model}", "components": whole["components"]})

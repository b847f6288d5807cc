"""The agreement as an AsyncAPI 3 document, built from the models and topics that the code itself uses.

It describes an edge: what it sends and what it receives. `docs/asyncapi.json` is this document, written down.
"""

from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from protocol import VERSION
from protocol.journal import Batch, OpenedFirst, Outcome, Passage, ReaderChange, RemoteOpen
from protocol.messages import (
    Ack,
    Birth,
    Command,
    Death,
    Delta,
    Health,
    Notice,
    Reply,
    Revision,
    Rewind,
    Signed,
)
from protocol.topics import EdgeTopic, SiteTopic, edge_topic, site_topic

SPECIFICATION: Final = "3.0.0"


class _Channel(NamedTuple):
    """A topic and how an edge uses it."""

    topic: EdgeTopic | SiteTopic
    actions: tuple[Literal["send", "receive"], ...]
    messages: tuple[type[BaseModel], ...]
    qos: Literal[0, 1]
    summary: str
    retain: bool = False


CHANNELS: Final = (
    _Channel(EdgeTopic.EVENTS, ("send",), (Batch,), 1, "The journal, in order, until it is acknowledged."),
    _Channel(EdgeTopic.ACK, ("receive",), (Ack,), 1, "Up to where central has stored the journal.", retain=True),
    _Channel(EdgeTopic.REWIND, ("receive",), (Rewind,), 1, "Send again: central has forgotten."),
    _Channel(EdgeTopic.STATE, ("send",), (Birth, Death), 1, "Connected, or gone (last will).", retain=True),
    _Channel(EdgeTopic.HEALTH, ("send",), (Health,), 1, "What an edge reports of itself, periodically."),
    _Channel(EdgeTopic.COMMANDS, ("receive",), (Command,), 1, "Orders that expire."),
    _Channel(EdgeTopic.REPLIES, ("send",), (Reply,), 1, "How a command ended."),
    _Channel(SiteTopic.ACCESS, ("receive",), (Revision,), 1, "The newest revision of the access list.", retain=True),
    _Channel(SiteTopic.DELTAS, ("receive",), (Signed,), 1, "Signed changes of the access list."),
    _Channel(SiteTopic.PASSAGES, ("send", "receive"), (Notice,), 0, "A short word to the other lanes."),
)
#: Texts that travel inside another message: `Entry.body` and `Signed.body`.
ENCLOSED: Final[tuple[type[BaseModel], ...]] = (Passage, Outcome, OpenedFirst, ReaderChange, RemoteOpen, Delta)


def document() -> dict[str, Any]:
    """Return the AsyncAPI document as JSON values."""
    travelling = dict.fromkeys(message for channel in CHANNELS for message in channel.messages)
    _, schemas = models_json_schema(
        [(model, "serialization") for model in (*travelling, *ENCLOSED)],
        by_alias=True,
        ref_template="#/components/schemas/{model}",
        schema_generator=_Plain,
    )
    return {
        "asyncapi": SPECIFICATION,
        "info": {
            "title": "wellgate edge",
            "version": f"{VERSION}.0.0",
            "description": "What an edge sends and receives over MQTT 5. The rules of it: docs/protocol.md.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {channel.topic.value: _channel(channel) for channel in CHANNELS},
        "operations": {name: operation for channel in CHANNELS for name, operation in _operations(channel)},
        "components": {
            "messages": {model.__name__: _message(model) for model in travelling},
            "schemas": schemas["$defs"],
        },
    }


def _channel(channel: _Channel) -> dict[str, Any]:
    address, parameter, meaning = (
        (edge_topic("{edge}", channel.topic), "edge", "Id of the edge.")
        if isinstance(channel.topic, EdgeTopic)
        else (site_topic("{site}", channel.topic), "site", "Id of the site.")
    )
    return {
        "address": address,
        "summary": channel.summary,
        "parameters": {parameter: {"description": meaning}},
        "messages": {model.__name__: {"$ref": f"#/components/messages/{model.__name__}"} for model in channel.messages},
    }


def _operations(channel: _Channel) -> Iterator[tuple[str, dict[str, Any]]]:
    name = channel.topic.value
    for action in channel.actions:
        yield (
            f"{action}-{name}",
            {
                "action": action,
                "channel": {"$ref": f"#/channels/{name}"},
                "messages": [{"$ref": f"#/channels/{name}/messages/{model.__name__}"} for model in channel.messages],
                "bindings": {"mqtt": {"qos": channel.qos, "retain": channel.retain, "bindingVersion": "0.2.0"}},
            },
        )


def _message(model: type[BaseModel]) -> dict[str, Any]:
    return {
        "name": model.__name__,
        "summary": (model.__doc__ or "").strip().partition("\n")[0],
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
    }


class _Plain(GenerateJsonSchema):
    """JSON Schema that AsyncAPI takes: its `discriminator` is another thing, and constants tell the variants apart."""

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """Leave the discriminator out."""
        plain = super().tagged_union_schema(schema)
        plain.pop("discriminator", None)
        return plain

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Names of fields say enough, whatever their schema."""
        del schema
        return False

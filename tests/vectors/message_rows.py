"""Reads the golden messages: `messages/*.json`, one file for every message of the wire.

An invalid row is the file's first valid text with something put in (`but`) or left out (`without`), and the complaint
that must come: where (`at`) and of which type. The rows are never edited, only added.
"""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, TypeAdapter

from protocol import journal, messages

HERE: Final = Path(__file__).parent / "messages"


class Valid(NamedTuple):
    """A text that must be understood, and what it is then."""

    name: str
    model: type[BaseModel]
    text: str


class Invalid(NamedTuple):
    """A text that must be refused, and why."""

    name: str
    model: type[BaseModel]
    text: str
    at: tuple[str | int, ...]
    type: str


def adapter(model: type[BaseModel]) -> TypeAdapter[Any]:
    """How a text of this model is read: what lies in a journal by its `type`, everything else by its topic."""
    return journal.BODY if "type" in model.model_fields else TypeAdapter(model)


def valid() -> list[Valid]:
    """Return every text that must be understood."""
    return [
        Valid(f"{model.__name__}: {row['id']}", model, json.dumps(row["text"], ensure_ascii=False))
        for model, document in _documents()
        for row in document["valid"]
    ]


def invalid() -> list[Invalid]:
    """Return every text that must be refused."""
    rows: list[Invalid] = []
    for model, document in _documents():
        sound = document["valid"][0]["text"]
        for row in document["invalid"]:
            left = {key: value for key, value in sound.items() if key not in row.get("without", ())}
            text = json.dumps({**left, **row.get("but", {})})
            rows.append(Invalid(f"{model.__name__}: {row['id']}", model, text, tuple(row["at"]), row["type"]))
    return rows


def _documents() -> list[tuple[type[BaseModel], dict[str, Any]]]:
    documents = [json.loads(path.read_text("utf-8")) for path in sorted(HERE.glob("*.json"))]
    return [(_model(document["model"]), document) for document in documents]


def _model(name: str) -> type[BaseModel]:
    model = getattr(messages, name, None) or getattr(journal, name)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise TypeError(f"{name} is no message")
    return model

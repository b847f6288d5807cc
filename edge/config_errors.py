"""How a mistake in the settings is told: the key as the file has it, what is wrong, what was probably meant."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

Table = type[BaseModel]


def told(fault: ValidationError, root: Table) -> Iterator[str]:
    """One line per problem that pydantic found in a file of the form `root`."""
    errors = fault.errors(include_url=False, include_input=False)
    for error in errors:
        if error["type"] == "too_short" and any(
            one["loc"][: len(error["loc"])] == error["loc"] for one in errors if one is not error
        ):
            continue  # what is wrong inside left the list empty
        path, tables = _place(error["loc"], root)
        if error["type"] == "extra_forbidden":
            names = [name for table in tables for name in table.model_fields]
            yield f"{path}: unknown key{nearest(str(error['loc'][-1]), names)}"
        elif error["type"] == "union_tag_invalid":
            context = error.get("ctx", {})
            key = str(context.get("discriminator")).strip("'")
            yield f"{path}.{key}: unknown word {context.get('tag')!r}; known are {context.get('expected_tags')}"
        elif error["type"] == "string_pattern_mismatch" and (expected := _expected(error["loc"], tables)):
            yield f"{path}: is not {expected}"
        elif error["type"] == "value_error":
            lines = str(error.get("ctx", {}).get("error", error["msg"])).splitlines()
            yield from (f"{path}: {line}" if path else line for line in lines)
        else:
            yield f"{path}: {error['msg'][:1].lower()}{error['msg'][1:]}"


def nearest(name: str, names: Sequence[str]) -> str:
    """What to add to a line about an unknown `name`."""
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known are {', '.join(names)}" if names else ""


def _place(loc: tuple[int | str, ...], root: Table) -> tuple[str, Sequence[Table]]:
    """Return a key as a person writes it, and the tables (several where kinds differ) that may hold its last part."""
    path = ""
    holders: Sequence[Table] = [root]
    inside: Sequence[Table] = [root]
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        elif tagged := [table for table in inside if part in _tags(table)]:
            inside = tagged  # pydantic names the chosen kind as if it were a key
        else:
            path += f".{part}" if path else part
            fields = [table.model_fields[part] for table in inside if part in table.model_fields]
            holders, inside = inside, [table for field in fields for table in _tables(field.annotation)]
    return path, holders


def _expected(loc: tuple[int | str, ...], tables: Sequence[Table]) -> str:
    """How the settings describe a text with a prescribed form."""
    fields = [table.model_fields.get(str(loc[-1])) for table in tables]
    return next((field.description for field in fields if field is not None and field.description), "")


def _tags(table: Table) -> set[str]:
    """The words by which a table is told from its alternatives."""
    annotations = [field.annotation for field in table.model_fields.values()]
    return {word for one in annotations if get_origin(one) is Literal for word in get_args(one)}


def _tables(annotation: Any) -> Iterator[Table]:
    """The tables in an annotation, whether alone, optional, in a list or one of several kinds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _tables(inner)

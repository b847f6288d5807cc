"""The description of the API as OpenAPI 3.1, made from the operations themselves."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import CoreSchema

from central.operations import Blob, Guard, Operation

_REFERENCE: Final = "#/components/schemas/{model}"


class FieldProblem(BaseModel):
    """One field that cannot be taken, and what to do about it."""

    field: str
    code: str
    problem: str
    do: str


class Problem(BaseModel):
    """Why an operation was not carried out (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldProblem] | None = None


def describe(operations: Iterable[Operation], *, title: str, version: str) -> dict[str, Any]:
    """Return the OpenAPI document of `operations`."""
    operations = tuple(operations)
    wanted: list[tuple[Any, JsonSchemaMode, CoreSchema]] = [
        ("problem", "serialization", Problem.__pydantic_core_schema__)
    ]
    for each in operations:
        if each.body is not None and each.hints["body"] is not bytes:
            wanted.append(((each, "body"), "validation", each.body.core_schema))
        if each.query is not None:
            wanted.append(((each, "query"), "validation", each.query.__pydantic_core_schema__))
        if each.answer is not None:
            wanted.append(((each, "answer"), "serialization", each.answer.core_schema))
        wanted.extend(
            ((each, name), "validation", adapter.core_schema) for name, adapter in each.path_parameters.items()
        )
    schemas, definitions = GenerateJsonSchema(ref_template=_REFERENCE).generate_definitions(wanted)
    by_key = {key: schema for (key, _), schema in schemas.items()}
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, by_key, definitions)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": definitions,
            "securitySchemes": {
                Guard.KEY: {"type": "http", "scheme": "bearer", "description": "API key of the staff"},
                Guard.EDGE: {"type": "http", "scheme": "bearer", "description": "token of an edge"},
            },
        },
    }


def _operation(each: Operation, schemas: dict[Any, JsonSchemaValue], definitions: Mapping[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "tags": [each.tag],
        "summary": each.summary,
        "operationId": each.handler.__name__,
        "security": [] if each.guard is Guard.OPEN else [{each.guard.value: []}],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": schemas[each, name]}
            for name in each.path_parameters
        ],
        "responses": {
            str(each.status if each.answer or each.hints["return"] is Blob else 204): _answer(each, schemas),
            "default": {
                "description": "not carried out",
                "content": {"application/problem+json": {"schema": schemas["problem"]}},
            },
        },
    }
    if each.handler.__doc__:
        described["description"] = " ".join(each.handler.__doc__.split())
    if each.query is not None:
        described["parameters"] += _query(schemas[each, "query"], definitions)
    if each.body is not None:
        schema = schemas.get((each, "body"), {"type": "string", "format": "binary"})
        described["requestBody"] = {"required": True, "content": {media: {"schema": schema} for media in each.media}}
    return described


def _answer(each: Operation, schemas: dict[Any, JsonSchemaValue]) -> dict[str, Any]:
    if each.hints["return"] is Blob:
        return {"description": "the bytes", "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}
    if each.answer is None:
        return {"description": "done"}
    return {"description": "done", "content": {"application/json": {"schema": schemas[each, "answer"]}}}


def _query(schema: JsonSchemaValue, definitions: Mapping[Any, Any]) -> list[dict[str, Any]]:
    model = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    required = model.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": field}
        for name, field in model["properties"].items()
    ]

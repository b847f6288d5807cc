"""What the API offers: one decorator that says how an operation is asked for, checked, answered and described.

A handler is an `async` function of the request, of path parameters by name, and of `body` and `query` where it has
them. Its annotations are the contract: they parse the wish strictly, they write the answer, `openapi.py` reads them.
"""

import difflib
import inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, partial
from http import HTTPStatus
from typing import Any, Final, Generic, NamedTuple, TypeVar, get_type_hints

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from central.errors import Refused

T = TypeVar("T")

JSON_LIMIT: Final = 256 * 1024
"""Bytes of a JSON body; nothing a person types comes near."""


class Guard(StrEnum):
    """Who may ask. What names no guard asks for a key."""

    KEY = "key"
    """A staff API key."""
    EDGE = "edge"
    """The token of an edge."""
    OPEN = "open"
    """Anybody."""


GUARD: Final = "__wellgate_guard__"


def guarded(guard: Guard, handler: T) -> T:
    """Mark a handler that is no operation (a page, a download for edges) with who may ask for it."""
    setattr(handler, GUARD, guard)
    return handler


class Wish(BaseModel):
    """Base of request bodies and queries: unknown names are refused, nothing is coerced, text is trimmed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, str_strip_whitespace=True, defer_build=True)

    @field_validator("*")
    @classmethod
    def _holds_no_nul(cls, value: T) -> T:
        """Refuse, on both engines alike, the one character that no PostgreSQL text can hold."""
        for text in value if isinstance(value, list) else (value,):
            if isinstance(text, str) and "\x00" in text:
                raise ValueError("Text must not hold the character NUL")
        return value

    def everything(self, *, but: str | None = None) -> dict[str, Any]:
        """Return all values by name as they are inside: a time of day stays a number of seconds."""
        return {name: getattr(self, name) for name in type(self).model_fields if name != but}


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)


class Change(Wish):
    """Base of bodies that say what shall be different. Defaults mean "as it is", and are not described."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    def given(self) -> dict[str, Any]:
        """Return only what the caller has named: the rest stays as it is."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Page(Wish):
    """Which part of a list: what comes `after` a key, at most `limit` items."""

    after: str | None = Field(default=None, max_length=600, description="`next` of the page before")
    limit: int = Field(default=100, ge=1, le=1000, strict=False)


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """One page of a list; `next` is what to send as `after`, null on the last page."""

    items: Sequence[T]
    next: str | None


def listing(items: Sequence[T], page: Page, key: Callable[[T], object]) -> Listing[T]:
    """Make a page of the `limit` + 1 items that a question returned: the one too many says that there are more."""
    shown = items[: page.limit]
    return Listing(shown, str(key(shown[-1])) if len(items) > page.limit else None)


class Blob(NamedTuple):
    """Bytes with their media type, as an answer."""

    media_type: str
    content: bytes


class Unreadable(Refused):
    """The wish does not have the form of the operation; `errors` names each field and what to do."""

    def __init__(self, errors: list[dict[str, str]], status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY) -> None:
        """Refuse with what is wrong, field by field."""
        fields = ", ".join(error["field"] or "body" for error in errors)
        super().__init__("VALIDATION", f"correct these fields and send again: {fields}", status=status)
        self.errors = errors


Handler = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class Operation:
    """One operation of the API."""

    tag: str
    method: str
    path: str
    summary: str
    handler: Handler
    status: int
    guard: Guard
    media: tuple[str, ...]
    limit: int

    @cached_property
    def hints(self) -> dict[str, Any]:
        """The handler's annotations."""
        return get_type_hints(self.handler, include_extras=True)

    @cached_property
    def path_parameters(self) -> dict[str, TypeAdapter[Any]]:
        """The parameters in the path, by name."""
        names = list(inspect.signature(self.handler).parameters)[1:]
        return {name: TypeAdapter(self.hints[name]) for name in names if name not in {"body", "query"}}

    @cached_property
    def body(self) -> TypeAdapter[Any] | None:
        """What the body holds, `None` when there is none."""
        return TypeAdapter(self.hints["body"]) if "body" in self.hints else None

    @cached_property
    def query(self) -> type[Wish] | None:
        """What may stand behind the question mark."""
        return self.hints.get("query")

    @cached_property
    def answer(self) -> TypeAdapter[Any] | None:
        """What is answered, `None` when there is no body."""
        kind = self.hints["return"]
        return None if kind is type(None) or kind is Blob else TypeAdapter(kind)

    async def __call__(self, request: web.Request) -> web.Response:
        """Read the wish, ask the handler, write the answer."""
        given: dict[str, Any] = {
            name: _checked(adapter, partial(adapter.validate_strings, request.match_info[name]), (name,))
            for name, adapter in self.path_parameters.items()
        }
        if self.query is not None:
            query = TypeAdapter(self.query)
            given["query"] = _checked(query, lambda: query.validate_strings(dict(request.query)))
        elif request.query:
            raise Unreadable([_unknown(name, ()) for name in request.query])
        if self.body is not None:
            given["body"] = await self._read(request, self.body)
        answer = await self.handler(request, **given)
        if isinstance(answer, Blob):
            return web.Response(body=answer.content, content_type=answer.media_type)
        if self.answer is None:
            return web.Response(status=HTTPStatus.NO_CONTENT)
        return web.Response(
            body=self.answer.dump_json(answer, by_alias=True), status=self.status, content_type="application/json"
        )

    async def _read(self, request: web.Request, body: TypeAdapter[Any]) -> Any:
        if request.content_type not in self.media:
            detail = f"send the body as {' or '.join(self.media)}, not as {request.content_type}"
            raise Refused("MEDIA_TYPE", detail, status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        if (request.content_length or 0) > self.limit or len(raw := await request.read()) > self.limit:
            detail = f"the body has more than {self.limit} bytes; send less at once"
            raise Refused("TOO_LARGE", detail, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        if self.hints["body"] is bytes:
            return raw
        return _checked(body, lambda: body.validate_json(raw))


class Operations:
    """The operations of one feature; calling it decorates a handler."""

    def __init__(self, tag: str) -> None:
        """Start a group of operations under a tag."""
        self.tag = tag
        self._operations: list[Operation] = []

    def __iter__(self) -> Iterator[Operation]:
        """Go through the operations in the order of the source."""
        return iter(self._operations)

    def __call__(
        self,
        method: str,
        path: str,
        summary: str,
        *,
        status: int = HTTPStatus.OK,
        guard: Guard = Guard.KEY,
        media: tuple[str, ...] = ("application/json",),
        limit: int = JSON_LIMIT,
    ) -> Callable[[Handler], Handler]:
        """Offer the decorated handler at `method` and `path`."""

        def offer(handler: Handler) -> Handler:
            operation = Operation(self.tag, method, path, summary, handler, int(status), guard, media, limit)
            self._operations.append(operation)
            return handler

        return offer

    def attach(self, app: web.Application) -> None:
        """Make the operations answer in `app`."""
        for operation in self:

            async def handle(request: web.Request, operation: Operation = operation) -> web.StreamResponse:
                return await operation(request)

            app.router.add_route(operation.method, operation.path, guarded(operation.guard, handle))


def _checked(adapter: TypeAdapter[Any], read: Callable[[], Any], place: tuple[str, ...] = ()) -> Any:
    try:
        return read()
    except ValidationError as problem:
        names = _names(adapter)
        errors = [
            _explained(str(error["type"]), (*place, *map(str, error["loc"])), str(error["msg"]), names)
            for error in problem.errors(include_url=False, include_context=False, include_input=False)
        ]
        status = HTTPStatus.BAD_REQUEST if any(error["code"] == "json_invalid" for error in errors) else None
        raise Unreadable(errors, status or HTTPStatus.UNPROCESSABLE_ENTITY) from problem


def _names(adapter: TypeAdapter[Any]) -> tuple[str, ...]:
    schema = adapter.json_schema()
    return tuple(schema.get("properties", ()))


def _explained(code: str, place: tuple[str, ...], problem: str, names: tuple[str, ...]) -> dict[str, str]:
    field = ".".join(place)
    if code == "extra_forbidden":
        return _unknown(field, names)
    advice = {"missing": "add it", "json_invalid": "send well-formed JSON"}.get(code, "correct the value")
    return {"field": field, "code": code, "problem": problem, "do": advice}


def _unknown(field: str, names: tuple[str, ...]) -> dict[str, str]:
    close = difflib.get_close_matches(field, names, 1)
    advice = f"did you mean {close[0]}?" if close else "leave it out"
    return {"field": field, "code": "unknown", "problem": "There is no such field here", "do": advice}

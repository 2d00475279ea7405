"""The query of an address, parsed once. A parameter that repeats is a list where one is meant, and else an error."""

from collections.abc import Collection
from typing import TypeVar, get_origin

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ValidationError

from relay.errors import Code, FieldError, RequestError
from relay.web.http.base_path import local_path
from relay.web.http.problems import of_validation

Query = TypeVar("Query", bound=BaseModel)


REPEAT = {"/v1/tasks": frozenset({"state"}), "/v1/events": frozenset({"task", "tag"})}
"""Which parameters are lists, by path."""


@web.middleware
async def repeats(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a parameter that repeats and is no list. A WebSocket's handler does so by itself, with a close code."""
    path = local_path(request)
    if path.startswith("/v1/") and not path.endswith("/ws"):
        refuse_repeats(request, REPEAT.get(path, frozenset()))
    return await handler(request)


def read_query(request: web.Request, kind: type[Query]) -> Query:
    """
    Read the query as `kind`; fields that are lists take every value of their parameter.

    Raises:
        RequestError: a parameter is unknown, or its value is wrong.
    """
    lists = {name for name, field in kind.model_fields.items() if get_origin(field.annotation) is list}
    given = {name: request.query.getall(name) if name in lists else value for name, value in request.query.items()}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise of_validation(error, depth=1) from None  # a parameter has a name, and no place in a list


def refuse_repeats(request: web.Request, lists: Collection[str] = ()) -> None:
    """
    See that no parameter repeats but those that are lists: of two values one would be ignored.

    Raises:
        RequestError: one does.
    """
    repeated = [name for name in dict.fromkeys(request.query) if name not in lists]
    wrong = tuple(
        FieldError(field=name, message=f"given {count} times; give it once")
        for name in repeated
        if (count := len(request.query.getall(name))) > 1
    )
    if wrong:
        detail = "; ".join(f"{each.field}: {each.message}" for each in wrong)
        raise RequestError(Code.INVALID_INPUT, detail, fields=wrong)

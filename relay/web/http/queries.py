"""Parse query parameters. Only parameters that are lists may be repeated."""

from collections.abc import Collection
from typing import TypeVar, get_origin

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ValidationError

from relay.errors import Code, FieldError, RequestError
from relay.web.http.base_path import local_path
from relay.web.http.problems import validation_error

Query = TypeVar("Query", bound=BaseModel)


REPEATABLE = {"/v1/tasks": frozenset({"state"}), "/v1/events": frozenset({"task", "tag"})}
"""The parameters that are lists, by path."""


@web.middleware
async def check_repeats(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Reject repeated parameters that are not lists. WebSocket handlers do this themselves, with a close code."""
    path = local_path(request)
    if path.startswith("/v1/") and not path.endswith("/ws"):
        refuse_repeats(request, REPEATABLE.get(path, frozenset()))
    return await handler(request)


def read_query(request: web.Request, kind: type[Query]) -> Query:
    """
    Parse the query as `kind`. Fields that are lists take all values of their parameter.

    Raises:
        RequestError: a parameter is unknown, or its value is invalid.
    """
    lists = {name for name, field in kind.model_fields.items() if get_origin(field.annotation) is list}
    given = {name: request.query.getall(name) if name in lists else value for name, value in request.query.items()}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise validation_error(error, depth=1) from None  # name the parameter only, without an index


def refuse_repeats(request: web.Request, lists: Collection[str] = ()) -> None:
    """
    Check that only parameters in `lists` are repeated. Otherwise one of two values would be ignored.

    Raises:
        RequestError: another parameter is repeated.
    """
    repeated = [name for name in dict.fromkeys(request.query) if name not in lists]
    wrong = tuple(
        FieldError(field=name, message=f"must be given once, not {count} times")
        for name in repeated
        if (count := len(request.query.getall(name))) > 1
    )
    if wrong:
        detail = "; ".join(f"{each.field}: {each.message}" for each in wrong)
        raise RequestError(Code.INVALID_INPUT, detail, fields=wrong)

"""Request bodies, JSON or multipart alike, read once into fields that remember what they were."""

from collections.abc import Iterable, Mapping

import orjson
from aiohttp import BodyPartReader, web

from relay.sandbox.tasks import Field


class BadBody(Exception):
    """The body is not an object of JSON, nor multipart."""


async def read(request: web.Request) -> tuple[Field, ...]:
    """
    Return the fields of a body in the order of arrival; an empty body has none.

    Raises:
        BadBody: it cannot be read.
    """
    if request.content_type == "multipart/form-data":
        return await _multipart(request)
    raw = await request.read()
    if not raw:
        return ()
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadBody from error
    if not isinstance(body, dict):
        raise BadBody
    return tuple(_field(name, value) for name, value in body.items())


def values(fields: Iterable[Field]) -> dict[str, object]:
    """Return fields as one mapping; a name that occurs several times becomes a list."""
    merged: dict[str, object] = {}
    seen: set[str] = set()
    for each in fields:
        if each.name not in seen:
            merged[each.name] = each.value
        else:
            earlier = merged[each.name]
            merged[each.name] = [*earlier, each.value] if isinstance(earlier, list) else [earlier, each.value]
        seen.add(each.name)
    return merged


def text(fields: Mapping[str, object], name: str) -> str:
    """Return a field as text; empty when it is missing, null, or no scalar."""
    match fields.get(name):
        case str() as value:
            return value
        case bool() | None:
            return ""
        case int() | float() as number:
            return str(number)
        case _:
            return ""


async def _multipart(request: web.Request) -> tuple[Field, ...]:
    fields = []
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or part.name is None:
                raise BadBody
            data = await part.read(decode=True)
            if part.filename is None:
                fields.append(Field(name=part.name, type="string", value=data.decode()))
            else:
                fields.append(Field(name=part.name, type="file", value=part.filename))
    except ValueError as error:  # no boundary, a part without an end, or text that is no UTF-8
        raise BadBody from error
    return tuple(fields)


def _field(name: str, value: object) -> Field:
    match value:
        case None:
            return Field(name=name, type="null", value=None)
        case bool():
            return Field(name=name, type="boolean", value=value)
        case int() | float():
            return Field(name=name, type="number", value=value)
        case str():
            return Field(name=name, type="string", value=value)
        case list():
            return Field(name=name, type="array", value=value)
        case _:
            return Field(name=name, type="object", value=value)

"""
Read request bodies as Wiro does: JSON, URL-encoded or multipart, whatever the content type claims.

`curl -d` labels every body as a form, and the printed examples of Wiro's documentation label JSON as multipart.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from relay.errors import Code, RequestError
from relay.files.upload import Upload
from relay.web.api.uploads import accept_any, receive
from relay.web.http.context import context
from relay.web.http.json_body import parse_object, read_whole
from relay.web.http.multipart import CONTENT_TYPE, parts

Fields = Mapping[str, object]


async def read(request: web.Request, upload: Upload | None = None) -> Fields:
    """
    Return the fields of a body. A name that occurs several times has a list.

    Args:
        request: the client's request.
        upload: receives the files; null for calls that take none.

    Raises:
        RequestError: the body is malformed, too large, or has a file that is not expected.
    """
    if request.content_type == CONTENT_TYPE and "boundary" in request.headers["Content-Type"].lower():
        return await _read_parts(request, upload)
    raw = await read_whole(request)
    if not raw.strip():
        return {}
    if request.content_type == "application/x-www-form-urlencoded" and not raw.lstrip().startswith(b"{"):
        return _read_form(raw)
    return parse_object(raw)


def text(fields: Fields, *names: str) -> str:
    """Return the first of these fields that is a text or a number, as text; empty if none is."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
            return str(value)
    return ""


def number(fields: Fields, name: str, default: int) -> int:
    """Return a number, which clients send as text as well."""
    value = text(fields, name)
    return int(value) if value.isascii() and value.isdigit() else default


async def _read_parts(request: web.Request, upload: Upload | None) -> Fields:
    fields: dict[str, object] = {}
    async for part in parts(request):
        if part.filename is None:
            value = await part.read(context(request).config.body_limit_bytes)
            _add(fields, part.name, value.decode(errors="replace"))
        elif upload is None:
            raise RequestError(Code.INVALID_INPUT, f"Request parameter [{part.name}] must not be a file.")
        else:
            await receive(part, upload, accept_any)
    return fields


def _read_form(raw: bytes) -> Fields:
    fields: dict[str, object] = {}
    try:
        for name, value in parse_qsl(raw.decode(), keep_blank_values=True, errors="strict"):
            _add(fields, name, value)
    except ValueError:
        raise RequestError(Code.INVALID_INPUT, "Request parameters are invalid.") from None
    return fields


def _add(fields: dict[str, object], name: str, value: str) -> None:
    if name not in fields:
        fields[name] = value
        return
    earlier = fields[name]
    fields[name] = [*earlier, value] if isinstance(earlier, list) else [earlier, value]

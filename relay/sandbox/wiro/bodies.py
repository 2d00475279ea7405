"""
Read request bodies (JSON, URL-encoded forms and multipart) into a list of fields that keep their types.

Files go to the file store as they arrive. The switches `body_bytes_per_s` and `body_stop` slow reading down or stop it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from urllib.parse import parse_qsl

import orjson
from aiohttp import BodyPartReader, web

from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import HttpFault
from relay.sandbox.wiro.file_store import FileStore, FileTooLarge
from relay.sandbox.wiro.requests import Field

_CHUNK_BYTES = 64 * 1024
_MAX_TEXT_BYTES = 16 * 1024 * 1024
_FIELDS = web.RequestKey("fields", tuple[Field, ...])
_TOO_LARGE = HttpFault(status=413, kind="html", count=1)


class InvalidBody(Exception):
    """The body is not a JSON object, a form or valid multipart."""


class BodyStopped(Exception):
    """Reading stopped before the end of the body. `fault` is the response."""

    def __init__(self, fault: HttpFault) -> None:
        super().__init__(fault)
        self.fault = fault


async def read(
    request: web.Request, *, files: FileStore | None = None, faults: Faults | None = None
) -> tuple[Field, ...]:
    """
    Return the fields of a body in order. An empty body has none. Reading a request again returns the same fields.

    Args:
        request: the request to read.
        files: stores uploaded files; None for calls that accept no files.
        faults: the switches that slow reading down or stop it.

    Raises:
        InvalidBody: the body cannot be parsed.
        BodyStopped: the body is too large, or a switch stopped reading.
    """
    if _FIELDS not in request:
        request[_FIELDS] = await _read(request, files, faults or Faults())
    return request[_FIELDS]


async def read_values(request: web.Request, faults: Faults | None = None) -> dict[str, object]:
    """Return the fields of a call that accepts no files as a dict; empty for a body that cannot be parsed."""
    try:
        return values(await read(request, faults=faults))
    except InvalidBody:
        return {}


def values(fields: Iterable[Field]) -> dict[str, object]:
    """Return the values of fields by name. A name that occurs several times gets a list."""
    merged: dict[str, object] = {}
    for field in fields:
        if field.name not in merged:
            merged[field.name] = field.value
        else:
            earlier = merged[field.name]
            merged[field.name] = [*earlier, field.value] if isinstance(earlier, list) else [earlier, field.value]
    return merged


def text(values: Mapping[str, object], name: str) -> str:
    """Return a string or number as text; empty for any other value."""
    match values.get(name):
        case str() as value:
            return value
        case bool():
            return ""
        case int() | float() as number:
            return str(number)
        case _:
            return ""


async def _read(request: web.Request, files: FileStore | None, faults: Faults) -> tuple[Field, ...]:
    throttle = _Throttle(faults)
    is_multipart = request.content_type == "multipart/form-data"
    if is_multipart and ("boundary" in request.headers["Content-Type"].lower() or faults.boundaryless == "refused"):
        return await _read_multipart(request, throttle, files)
    raw = await _read_text(request.content.iter_chunked(_CHUNK_BYTES), throttle)
    if not raw:
        return ()
    # `curl -d` labels every body as a form, JSON included.
    if request.content_type == "application/x-www-form-urlencoded" and not raw.lstrip().startswith(b"{"):
        return _parse_form(raw)
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidBody from error
    if not isinstance(body, dict):
        raise InvalidBody
    return tuple(_json_field(name, value) for name, value in body.items())


class _Throttle:
    """Passes chunks on at a limited rate, and stops after a number of bytes."""

    def __init__(self, faults: Faults) -> None:
        self._stop = faults.body_stop
        self._bytes_per_s = faults.body_bytes_per_s
        self._received_bytes = 0

    async def __call__(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            self._received_bytes += len(chunk)
            if self._stop and self._received_bytes > self._stop.after_bytes:
                raise BodyStopped(self._stop.fault)
            if self._bytes_per_s:
                await asyncio.sleep(len(chunk) / self._bytes_per_s)
            yield chunk


async def _read_multipart(request: web.Request, throttle: _Throttle, files: FileStore | None) -> tuple[Field, ...]:
    fields = []
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or part.name is None:
                raise InvalidBody
            if part.filename is None:
                value = (await _read_text(_chunks(part), throttle)).decode()
                fields.append(Field(name=part.name, type="string", value=value))
            elif files is None:
                raise InvalidBody
            else:
                file = await files.put(
                    throttle(_chunks(part)),
                    filename=part.filename,
                    content_type=part.headers.get("Content-Type", "application/octet-stream"),
                )
                fields.append(Field(name=part.name, type="file", value=file))
    except FileTooLarge as error:
        raise BodyStopped(_TOO_LARGE) from error
    except ValueError as error:  # no boundary, an unterminated part, or text that is not UTF-8
        raise InvalidBody from error
    return tuple(fields)


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(_CHUNK_BYTES):
        yield chunk


async def _read_text(chunks: AsyncIterator[bytes], throttle: _Throttle) -> bytes:
    whole = bytearray()
    async for chunk in throttle(chunks):
        whole += chunk
        if len(whole) > _MAX_TEXT_BYTES:
            raise BodyStopped(_TOO_LARGE)
    return bytes(whole)


def _parse_form(raw: bytes) -> tuple[Field, ...]:
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise InvalidBody from error
    return tuple(Field(name=name, type="string", value=value) for name, value in pairs)


def _json_field(name: str, value: object) -> Field:
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

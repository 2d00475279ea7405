"""
Request bodies, JSON, form and multipart alike, read once into fields that remember what they were.

Files go to the shelf piece by piece. How fast a body is read, and how far, the switches say.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from urllib.parse import parse_qsl

import orjson
from aiohttp import BodyPartReader, web

from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import HttpFault
from relay.sandbox.wiro.file_store import Shelf, TooBig
from relay.sandbox.wiro.tasks import Field

_PIECE_BYTES = 64 * 1024
_MAX_TEXT_BYTES = 16 * 1024 * 1024
_READ = web.RequestKey("fields", tuple[Field, ...])
_TOO_LARGE = HttpFault(status=413, kind="html", count=1)


class BadBody(Exception):
    """The body is neither an object of JSON, nor a form, nor multipart."""


class Stopped(Exception):
    """The body is not read to its end; `fault` is what its sender gets to see."""

    def __init__(self, fault: HttpFault) -> None:
        super().__init__(fault)
        self.fault = fault


async def read(request: web.Request, *, shelf: Shelf | None = None, faults: Faults | None = None) -> tuple[Field, ...]:
    """
    Return the fields of a body in the order of arrival; an empty body has none, and a second reading has the same.

    Args:
        request: whose body it is.
        shelf: where files are kept; null for a call that takes none.
        faults: may slow the reading down, or break it off.

    Raises:
        BadBody: it cannot be read.
        Stopped: it is too large, or a switch broke it off.
    """
    if _READ not in request:
        request[_READ] = await _read(request, shelf, faults or Faults())
    return request[_READ]


async def _read(request: web.Request, shelf: Shelf | None, faults: Faults) -> tuple[Field, ...]:
    meter = _Meter(faults)
    is_multipart = request.content_type == "multipart/form-data"
    if is_multipart and ("boundary" in request.headers["Content-Type"].lower() or faults.boundaryless == "refused"):
        return await _multipart(request, meter, shelf)
    raw = await _gathered(request.content.iter_chunked(_PIECE_BYTES), meter)
    if not raw:
        return ()
    # `curl -d` says that everything is a form, JSON too.
    if request.content_type == "application/x-www-form-urlencoded" and not raw.lstrip().startswith(b"{"):
        return _form(raw)
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadBody from error
    if not isinstance(body, dict):
        raise BadBody
    return tuple(_field(name, value) for name, value in body.items())


async def mapping(request: web.Request, faults: Faults | None = None) -> dict[str, object]:
    """Return the fields of a call that takes no files as one mapping; a body that cannot be read has none."""
    try:
        return values(await read(request, faults=faults))
    except BadBody:
        return {}


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


class _Meter:
    """Counts what has come in, and keeps to the pace."""

    def __init__(self, faults: Faults) -> None:
        self._stop = faults.body_stop
        self._bytes_per_s = faults.body_bytes_per_s
        self._read_bytes = 0

    async def __call__(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for piece in pieces:
            self._read_bytes += len(piece)
            if self._stop and self._read_bytes > self._stop.after_bytes:
                raise Stopped(self._stop.fault)
            if self._bytes_per_s:
                await asyncio.sleep(len(piece) / self._bytes_per_s)
            yield piece


def _form(raw: bytes) -> tuple[Field, ...]:
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise BadBody from error
    return tuple(Field(name=name, type="string", value=value) for name, value in pairs)


async def _multipart(request: web.Request, meter: _Meter, shelf: Shelf | None) -> tuple[Field, ...]:
    fields = []
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or part.name is None:
                raise BadBody
            if part.filename is None:
                value = (await _gathered(_pieces(part), meter)).decode()
                fields.append(Field(name=part.name, type="string", value=value))
            elif shelf is None:
                raise BadBody
            else:
                file = await shelf.put(
                    meter(_pieces(part)),
                    filename=part.filename,
                    content_type=part.headers.get("Content-Type", "application/octet-stream"),
                )
                fields.append(Field(name=part.name, type="file", value=file))
    except TooBig as error:
        raise Stopped(_TOO_LARGE) from error
    except ValueError as error:  # no boundary, a part without an end, or text that is no UTF-8
        raise BadBody from error
    return tuple(fields)


async def _pieces(part: BodyPartReader) -> AsyncIterator[bytes]:
    while piece := await part.read_chunk(_PIECE_BYTES):
        yield piece


async def _gathered(pieces: AsyncIterator[bytes], meter: _Meter) -> bytes:
    whole = bytearray()
    async for piece in meter(pieces):
        whole += piece
        if len(whole) > _MAX_TEXT_BYTES:
            raise Stopped(_TOO_LARGE)
    return bytes(whole)


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

"""
Compress responses with gzip.

Streams are never compressed: an event must not wait in a compressor, and a Range counts the bytes of the file. Files
that do not change are compressed in advance, see `relay.web.static_files`.

Compression reveals secrets only to an attacker who makes a browser send them beside a text of the attacker's choice
(https://www.breachattack.com). A request of a foreign page has no credentials here, since the relay uses no cookies.
"""

import asyncio
import re
import zlib

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

MIN_BYTES = 1024
"""A smaller response fits into one packet anyway."""

_TYPES = frozenset({"application/json", "application/problem+json", "text/html"})
_LEVEL = 4
_WINDOW_BITS = 13
_MEMORY_LEVEL = 6
"""With zlib's defaults, clearing 256 KiB of memory takes four times as long as compressing a small response."""

_LARGE_BYTES = 262_144
"""Compressing more than this takes over a millisecond, for which no other client should wait."""


@web.middleware
async def compress(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Compress the body of a complete response if the client accepts that and the body is not small."""
    response = await handler(request)
    if (
        isinstance(response, web.Response)
        and isinstance(response.body, bytes)
        and len(response.body) >= MIN_BYTES
        and response.content_type in _TYPES
        and accepts_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
    ):
        is_large = len(response.body) > _LARGE_BYTES
        response.body = await asyncio.to_thread(_gzip, response.body) if is_large else _gzip(response.body)
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
    return response


def _gzip(body: bytes) -> bytes:
    compressor = zlib.compressobj(_LEVEL, wbits=16 + _WINDOW_BITS, memLevel=_MEMORY_LEVEL)  # 16 selects gzip
    return compressor.compress(body) + compressor.flush()


def accepts_gzip(accepted: str) -> bool:
    """Return whether an `Accept-Encoding` header allows gzip (https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3)."""
    weights = {}
    for each in accepted.lower().split(","):
        coding, _, weight = each.partition(";")
        weights[coding.strip()] = weight.replace(" ", "")
    weight = weights.get("gzip", weights.get("*", "q=0"))
    return re.fullmatch(r"q=0(\.0*)?", weight) is None

"""
Stream the parts of a `multipart/form-data` body (https://www.rfc-editor.org/rfc/rfc7578).

Parts are read one after another in chunks, at the minimum rate or faster, without holding a whole file in memory.
"""

import re
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import count

from aiohttp import BodyPartReader, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.multipart import BadContentDispositionHeader, BadContentDispositionParam

from relay.core.utf16 import LONE_SURROGATE
from relay.errors import Code, RequestError
from relay.web.http.context import context
from relay.web.http.min_rate import MinRate

warnings.filterwarnings("ignore", category=BadContentDispositionHeader)
warnings.filterwarnings("ignore", category=BadContentDispositionParam)
"""These warnings of aiohttp quote the header, and file names are private."""

CONTENT_TYPE = "multipart/form-data"

MAX_PARTS = 100
"""More than any model takes."""

CHUNK_BYTES = 64 * 1024

_FILENAME_CHARS = 200
_NAME_CHARS = 200
_MEDIA_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PLAIN = ("", "7bit", "8bit", "binary")


class Part:
    """A part of the body. Read it at most once, before the next part is requested."""

    def __init__(self, reader: BodyPartReader, rate: MinRate) -> None:
        self._reader = reader
        self._rate = rate
        self.name = reader.name or ""
        given = reader.filename
        self.filename = None if given is None else _filename(given)
        """None for a part that is not a file."""
        declared = reader.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()
        self.content_type = declared if _MEDIA_TYPE.fullmatch(declared) else "application/octet-stream"
        """As the client declares it."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """
        Yield the content in chunks.

        Raises:
            RequestError: the body is malformed, incomplete, or too slow.
        """
        while not self._reader.at_eof():
            with _malformed():
                chunk = await self._rate.wait(self._reader.read_chunk(CHUNK_BYTES))
            self._rate.add_received(len(chunk))
            if chunk:
                yield chunk

    async def read(self, limit_bytes: int) -> bytes:
        """
        Return the whole content.

        Raises:
            RequestError: it is larger than `limit_bytes`, or the body is malformed, incomplete, or too slow.
        """
        content = bytearray()
        async for chunk in self.chunks():
            content += chunk
            if len(content) > limit_bytes:
                detail = f"The part {self.name!r} is larger than the limit of {limit_bytes} bytes."
                raise RequestError(Code.PAYLOAD_TOO_LARGE, detail)
        return bytes(content)


async def parts(request: web.Request) -> AsyncIterator[Part]:
    """
    Yield the parts in order. Content that the caller does not read is skipped.

    Raises:
        RequestError: the body is malformed, incomplete, or too slow, or has too many parts.
    """
    with _malformed():
        reader = await request.multipart()
    rate = MinRate(context(request).config.body_silence_s)
    for number in count(1):
        with _malformed():
            found = await rate.wait(reader.next())
        if found is None:
            return
        if number > MAX_PARTS:
            raise RequestError(Code.INVALID_REQUEST, f"The body has more than {MAX_PARTS} parts.")
        if not isinstance(found, BodyPartReader):
            raise RequestError(
                Code.INVALID_REQUEST, "Nested multipart bodies are not supported; send each file as a separate part."
            )
        with _malformed():
            part = Part(found, rate)
        # aiohttp decodes a byte that is not UTF-8 to a lone surrogate.
        if not 0 < len(part.name) <= _NAME_CHARS or LONE_SURROGATE.search(part.name):
            detail = f"Each part must have a name of 1 to {_NAME_CHARS} UTF-8 characters."
            raise RequestError(Code.INVALID_REQUEST, detail)
        if found.headers.get(hdrs.CONTENT_TRANSFER_ENCODING, "").lower() not in _PLAIN:
            detail = f"The part {part.name!r} must not use Content-Transfer-Encoding (RFC 7578 section 4.7)."
            raise RequestError(Code.INVALID_REQUEST, detail)
        yield part


@contextmanager
def _malformed() -> Iterator[None]:
    """Turn the errors of aiohttp's reader into a request error that does not quote the body."""
    try:
        yield
    except (ValueError, HttpProcessingError, web.PayloadAccessError, RuntimeError, AssertionError):
        raise RequestError(Code.INVALID_REQUEST, "The multipart body is malformed or incomplete.") from None


def _filename(given: str) -> str:
    """Return the last part of a path, without control characters and of limited length."""
    name = LONE_SURROGATE.sub("\ufffd", _CONTROL.sub("", re.split(r"[\\/]", given)[-1])).strip()
    return name[-_FILENAME_CHARS:] or "file"

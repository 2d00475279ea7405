"""
`multipart/form-data` (RFC 7578) as it comes in: part after part, each piece within its time, nothing whole in memory.

What the parts mean is not decided here.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from aiohttp import BodyPartReader, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from relay.errors import Code, RequestError

CONTENT_TYPE = "multipart/form-data"

PARTS = 100
"""No model takes so many files; more are a mistake, or worse."""

PIECE_BYTES = 64 * 1024

SILENCE_S = 30.0
"""A sender who is quiet for longer is not waited for: its files would keep others from theirs."""

_FILENAME_CHARS = 200
_NAME_CHARS = 200
_MEDIA_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PLAIN = ("", "7bit", "8bit", "binary")


class Part:
    """One part, to be read once, before the next one is asked for."""

    def __init__(self, reader: BodyPartReader) -> None:
        self._reader = reader
        self.name = reader.name or ""
        given = reader.filename
        self.filename = None if given is None else _filename(given)
        """Null for a part that is no file."""
        declared = reader.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()
        self.content_type = declared if _MEDIA_TYPE.fullmatch(declared) else "application/octet-stream"
        """As the sender calls it."""

    async def pieces(self) -> AsyncIterator[bytes]:
        """
        Read it.

        Raises:
            RequestError: the body is malformed, or no more of it comes.
        """
        while not self._reader.at_eof():
            with _malformed():
                async with asyncio.timeout(SILENCE_S):
                    piece = await self._reader.read_chunk(PIECE_BYTES)
            if piece:
                yield piece

    async def read(self, limit_bytes: int) -> bytes:
        """
        Read it whole.

        Raises:
            RequestError: it is larger than that, or the body is malformed, or no more of it comes.
        """
        whole = bytearray()
        async for piece in self.pieces():
            whole += piece
            if len(whole) > limit_bytes:
                detail = f"The part {self.name!r} is larger than {limit_bytes} bytes."
                raise RequestError(Code.PAYLOAD_TOO_LARGE, detail)
        return bytes(whole)


async def parts(request: web.Request) -> AsyncIterator[Part]:
    """
    Give out the parts in their order; what the caller leaves unread of one is skipped.

    Raises:
        RequestError: the body is malformed, has too many parts, or no more of it comes.
    """
    with _malformed():
        reader = await request.multipart()
    for _ in range(PARTS):
        with _malformed():
            async with asyncio.timeout(SILENCE_S):
                found = await reader.next()
        if found is None:
            return
        if not isinstance(found, BodyPartReader):
            raise RequestError(Code.INVALID_REQUEST, "A part of the body is multipart itself; send every file alone.")
        with _malformed():
            part = Part(found)
        if not 0 < len(part.name) <= _NAME_CHARS:
            raise RequestError(Code.INVALID_REQUEST, "Each part of the body needs a name.")
        if found.headers.get(hdrs.CONTENT_TRANSFER_ENCODING, "").lower() not in _PLAIN:
            detail = f"The part {part.name!r} is encoded; send it as it is (RFC 7578 section 4.7)."
            raise RequestError(Code.INVALID_REQUEST, detail)
        yield part
    raise RequestError(Code.INVALID_REQUEST, f"The body has more than {PARTS} parts.")


@contextmanager
def _malformed() -> Iterator[None]:
    """Answer for the body what aiohttp's reader says of it, without quoting it."""
    try:
        yield
    except TimeoutError:
        raise RequestError(Code.INVALID_REQUEST, f"No more of the body came within {SILENCE_S:g} s.") from None
    except (ValueError, HttpProcessingError, web.PayloadAccessError, RuntimeError, AssertionError):
        raise RequestError(Code.INVALID_REQUEST, "The multipart body is malformed, or ends too early.") from None


def _filename(given: str) -> str:
    """Keep the name of a file, not where it lay, and nothing that no name should have."""
    name = _CONTROL.sub("", re.split(r"[\\/]", given)[-1]).strip()
    return name[-_FILENAME_CHARS:] or "file"

"""
`multipart/form-data` (RFC 7578) as it comes in: part after part, each piece within its time, nothing whole in memory.

What the parts mean is not decided here.
"""

import re
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import count

from aiohttp import BodyPartReader, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.multipart import BadContentDispositionHeader, BadContentDispositionParam

from relay.errors import Code, RequestError
from relay.web.http.context import context
from relay.web.http.min_rate import Pace

warnings.filterwarnings("ignore", category=BadContentDispositionHeader)
warnings.filterwarnings("ignore", category=BadContentDispositionParam)
"""aiohttp's, with the header in it: the name of a file is nobody's business but its sender's."""

CONTENT_TYPE = "multipart/form-data"

PARTS = 100
"""No model takes so many files; more are a mistake, or worse."""

PIECE_BYTES = 64 * 1024

_FILENAME_CHARS = 200
_NAME_CHARS = 200
_MEDIA_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""What a byte that is no UTF-8 is read as: nobody can write it on."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PLAIN = ("", "7bit", "8bit", "binary")


class Part:
    """One part, to be read once, before the next one is asked for."""

    def __init__(self, reader: BodyPartReader, pace: Pace) -> None:
        self._reader = reader
        self._pace = pace
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
                piece = await self._pace.wait(self._reader.read_chunk(PIECE_BYTES))
            self._pace.came(len(piece))
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
    pace = Pace(context(request).config.body_silence_s)
    for number in count(1):
        with _malformed():
            found = await pace.wait(reader.next())
        if found is None:
            return
        if number > PARTS:
            raise RequestError(Code.INVALID_REQUEST, f"The body has more than {PARTS} parts.")
        if not isinstance(found, BodyPartReader):
            raise RequestError(Code.INVALID_REQUEST, "A part of the body is multipart itself; send every file alone.")
        with _malformed():
            part = Part(found, pace)
        if not 0 < len(part.name) <= _NAME_CHARS or _LONE_SURROGATE.search(part.name):
            detail = f"Each part of the body needs a name, of at most {_NAME_CHARS} characters in UTF-8."
            raise RequestError(Code.INVALID_REQUEST, detail)
        if found.headers.get(hdrs.CONTENT_TRANSFER_ENCODING, "").lower() not in _PLAIN:
            detail = f"The part {part.name!r} is encoded; send it as it is (RFC 7578 section 4.7)."
            raise RequestError(Code.INVALID_REQUEST, detail)
        yield part


@contextmanager
def _malformed() -> Iterator[None]:
    """Answer for the body what aiohttp's reader says of it, without quoting it."""
    try:
        yield
    except (ValueError, HttpProcessingError, web.PayloadAccessError, RuntimeError, AssertionError):
        raise RequestError(Code.INVALID_REQUEST, "The multipart body is malformed, or ends too early.") from None


def _filename(given: str) -> str:
    """Keep the name of a file, not where it lay, and nothing that no name should have."""
    name = _LONE_SURROGATE.sub("\ufffd", _CONTROL.sub("", re.split(r"[\\/]", given)[-1])).strip()
    return name[-_FILENAME_CHARS:] or "file"

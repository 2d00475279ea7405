"""
Request bodies: JSON, and multipart forms with files. Their size is known before they are sent.

A body yields its pieces one by one, and nothing reads ahead: whether the last byte was sent distinguishes a run that
was not started from one that may have been (see `relay.providers.outgoing`). A file is read while it is sent and is
never entirely in memory. `aiohttp.MultipartWriter` does not expose where the last byte is, so it is not used.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from relay.core.upstream import File
from relay.errors import UpstreamUnavailable

_READERS = ThreadPoolExecutor(1, thread_name_prefix="upload-reader")
"""Reads files. The event loop's default executor also resolves host names, and a slow disk must not block that."""

PIECE_BYTES = 64 * 1024
"""The maximum size of a piece."""


class Body(Protocol):
    """A request body."""

    @property
    def content_type(self) -> str:
        """The value of the `Content-Type` header."""

    @property
    def size_bytes(self) -> int:
        """The total number of bytes in `pieces`."""

    def pieces(self) -> AsyncIterator[bytes]:
        """
        Yield the bytes of the body.

        Raises:
            UpstreamUnavailable: a file is missing or truncated; the last byte of the body was not yielded.
        """


@dataclass(frozen=True, slots=True)
class JsonBody:
    """Encoded JSON."""

    data: bytes

    @property
    def content_type(self) -> str:
        return "application/json"

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    async def pieces(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.data), PIECE_BYTES):
            yield self.data[start : start + PIECE_BYTES]


class Form:
    """
    A `multipart/form-data` body (https://www.rfc-editor.org/rfc/rfc7578).

    Args:
        fields: names and values in order. A name may repeat.
    """

    def __init__(self, fields: Sequence[tuple[str, str | File]]) -> None:
        self._boundary = secrets.token_hex(16)
        self._parts = [(self._head(name, value), value) for name, value in fields]
        self._end = f"--{self._boundary}--\r\n".encode()

    @property
    def content_type(self) -> str:
        return f"multipart/form-data; boundary={self._boundary}"

    @property
    def size_bytes(self) -> int:
        parts = sum(
            len(head) + len(b"\r\n") + (value.size_bytes if isinstance(value, File) else len(value.encode()))
            for head, value in self._parts
        )
        return parts + len(self._end)

    async def pieces(self) -> AsyncIterator[bytes]:
        for head, value in self._parts:
            yield head
            if isinstance(value, File):
                async for piece in _read(value):
                    yield piece
            elif value:
                yield value.encode()
            yield b"\r\n"
        yield self._end

    def _head(self, name: str, value: str | File) -> bytes:
        head = f'--{self._boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"'
        if isinstance(value, File):
            head += f'; filename="{_quoted(value.filename)}"\r\nContent-Type: {value.content_type}'
        return f"{head}\r\n\r\n".encode()


def _quoted(name: str) -> str:
    """Escape a name as browsers do (https://html.spec.whatwg.org/#multipart-form-data)."""
    return name.replace("\n", "%0A").replace("\r", "%0D").replace('"', "%22")


async def _read(file: File) -> AsyncIterator[bytes]:
    """
    Yield the bytes of a file, up to its recorded size.

    The file is opened for each piece, so a consumer that stops early leaves no open file behind.

    Raises:
        UpstreamUnavailable: the file is missing or shorter than recorded.
    """
    loop, offset = asyncio.get_running_loop(), 0
    while offset < file.size_bytes:
        size_bytes = min(PIECE_BYTES, file.size_bytes - offset)
        try:
            piece = await loop.run_in_executor(_READERS, _piece, file.path, offset, size_bytes)
        except OSError as error:
            raise UpstreamUnavailable(f"Nothing was sent: the file uploaded for {file.input} is missing.") from error
        if not piece:
            raise UpstreamUnavailable(f"Nothing was sent: the file uploaded for {file.input} is truncated.")
        offset += len(piece)
        yield piece


def _piece(path: Path, offset: int, size_bytes: int) -> bytes:
    with path.open("rb") as opened:
        opened.seek(offset)
        return opened.read(size_bytes)

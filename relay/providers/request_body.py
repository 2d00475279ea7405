"""
What a call carries: bytes whose number is known before the first one leaves, given out piece by piece.

A file is read while it is sent and is never whole in memory. Whether the last byte left is what tells a run that
surely was not started from one that may have been (`relay.providers.http`), so nothing here reads ahead.
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
"""A slow disk is waited for here: the loop's own threads look up names, and everybody needs these."""

PIECE_BYTES = 64 * 1024
"""A body goes out in pieces of this size, each when the one before it has left."""


class Body(Protocol):
    """Something to send."""

    @property
    def content_type(self) -> str:
        """What it is, for the header."""

    @property
    def size_bytes(self) -> int:
        """How many bytes `pieces` gives in all."""

    def pieces(self) -> AsyncIterator[bytes]:
        """
        Give it out.

        Raises:
            UpstreamUnavailable: a file is gone; its last byte was not given out.
        """


@dataclass(frozen=True, slots=True)
class JsonBody:
    """JSON that is written already."""

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
    """`multipart/form-data` (RFC 7578): texts and files under names that may repeat, in the order given."""

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
    """Escape a name as browsers do (WHATWG, multipart/form-data encoding algorithm)."""
    return name.replace("\n", "%0A").replace("\r", "%0D").replace('"', "%22")


async def _read(file: File) -> AsyncIterator[bytes]:
    """
    Give out a file that has as many bytes as were promised, or nothing after the first that is missing.

    It is opened for each piece: whoever stops to listen then leaves nothing open.
    """
    loop, offset = asyncio.get_running_loop(), 0
    while offset < file.size_bytes:
        size_bytes = min(PIECE_BYTES, file.size_bytes - offset)
        try:
            piece = await loop.run_in_executor(_READERS, _piece, file.path, offset, size_bytes)
        except OSError as error:
            raise UpstreamUnavailable(f"Nothing was sent: an uploaded file for {file.input} is gone.") from error
        if not piece:
            raise UpstreamUnavailable(f"Nothing was sent: an uploaded file for {file.input} was cut.")
        offset += len(piece)
        yield piece


def _piece(path: Path, offset: int, size_bytes: int) -> bytes:
    with path.open("rb") as opened:
        opened.seek(offset)
        return opened.read(size_bytes)

"""
What a call carries: bytes whose number is known before the first one leaves, given out piece by piece.

A file is read while it is sent and is never whole in memory. Whether the last byte left is what tells a run that
surely was not started from one that may have been (`relay.providers.http`), so nothing here reads ahead.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from relay.errors import UpstreamUnavailable
from relay.providers.base import File

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
    """Give out a file that has as many bytes as were promised, or nothing after the first that is missing."""
    left = file.size_bytes
    try:
        with await asyncio.to_thread(file.path.open, "rb") as opened:
            while left:
                piece = await asyncio.to_thread(opened.read, min(PIECE_BYTES, left))
                if not piece:
                    break
                left -= len(piece)
                yield piece
    except OSError as error:
        raise UpstreamUnavailable(f"Nothing was started: the uploaded file {file.filename} is gone.") from error
    if left:
        raise UpstreamUnavailable(f"Nothing was started: the uploaded file {file.filename} was cut.")

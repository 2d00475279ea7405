"""The content of a file while it is copied: measured, hashed and limited."""

import hashlib
from collections.abc import AsyncIterator

from relay.archive.content import HEAD_BYTES
from relay.archive.errors import CopyFailed, CopyRefused


class MeasuredContent:
    """The content of a file that is being read, with its hash and its size."""

    def __init__(self, chunks: AsyncIterator[bytes], *, least_bytes: int, limit_bytes: int) -> None:
        """
        Args:
            chunks: the content.
            least_bytes: the size that the platform has stated: a smaller file is not complete yet.
            limit_bytes: how large it may be.
        """
        self._chunks = chunks
        self._least_bytes = least_bytes
        self._limit_bytes = limit_bytes
        self._head = b""
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was read, in hex."""
        return self._digest.hexdigest()

    async def head(self) -> bytes:
        """Read the first bytes; `chunks` yields them again."""
        while len(self._head) < HEAD_BYTES and (chunk := await anext(self._chunks, None)) is not None:
            self._head += chunk
        return self._head

    async def chunks(self) -> AsyncIterator[bytes]:
        """
        Yield the content.

        Raises:
            CopyFailed: it is too large or too small, or the connection broke.
        """
        if self._head:
            yield self._counted(self._head)
        async for chunk in self._chunks:
            yield self._counted(chunk)
        if self.size_bytes < self._least_bytes:
            raise CopyFailed(f"The file has {self.size_bytes} bytes; the platform has stated {self._least_bytes}.")

    def _counted(self, chunk: bytes) -> bytes:
        self.size_bytes += len(chunk)
        if self.size_bytes > self._limit_bytes:
            raise too_large(self.size_bytes, self._limit_bytes)
        self._digest.update(chunk)
        return chunk


def too_large(size_bytes: int, limit_bytes: int) -> CopyRefused:
    """Return the error for a file that is too large."""
    return CopyRefused(
        f"The file has {size_bytes} bytes or more; the limit is {limit_bytes} (RELAY_ARCHIVE_FILE_LIMIT)."
    )

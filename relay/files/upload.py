"""The files of one request while they are received."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

from relay.core.upstream import File
from relay.files.spool import Spool


class Upload:
    """
    The files of one request in the spool.

    Use it as an async context manager: on leaving, the files are deleted unless `hand_over` was called.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._id = spool.new_upload_id()
        self._files: list[File] = []
        self._owned = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._owned:
            await self._spool.delete(self._id)

    @property
    def files(self) -> tuple[File, ...]:
        """The files that have been received."""
        return tuple(self._files)

    async def add(self, input_name: str, filename: str, content_type: str, chunks: AsyncIterator[bytes]) -> None:
        """
        Receive a file.

        Args:
            input_name: the model's input that it is for.
            filename: as the client named it.
            content_type: its media type.
            chunks: its content.

        Raises:
            RequestError: it is too large, the spool is full, or the disk fails.
        """
        path = Path(self._id, str(len(self._files)))
        size_bytes, sha256 = await self._spool.write(path, chunks)
        file = File(
            input=input_name,
            filename=filename,
            content_type=content_type,
            size_bytes=size_bytes,
            sha256=sha256,
            path=path,
        )
        self._files.append(file)

    def hand_over(self) -> tuple[File, ...]:
        """Return the files and leave them in the spool: the caller must release them."""
        self._owned = False
        return self.files

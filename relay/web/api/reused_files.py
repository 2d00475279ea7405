"""The files of an earlier task, for a task that runs it again: from the archive back into the spool."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from relay.archive.errors import CopyFailed
from relay.archive.layout import prefix_of
from relay.core.upstream import File
from relay.errors import Code, RequestError
from relay.files.upload import Upload
from relay.journal.file_copies import CopyState, FileCopy, spooled_path
from relay.web.http.context import context


async def kept_inputs(request: web.Request, task: str) -> frozenset[str]:
    """Return which uploaded files of a task the archive has, as `FileCopy.part`."""
    return frozenset(await _kept(request, task))


@asynccontextmanager
async def reused(request: web.Request, task: str, files: Mapping[str, File]) -> AsyncIterator[Upload]:
    """
    Have files of an earlier task in the spool. On leaving, they are deleted unless they were handed over.

    Args:
        request: the request of the client.
        task: the earlier task.
        files: its files by `FileCopy.part`. The archive has had them.

    Raises:
        RequestError: one cannot be read, or the spool is full.
    """
    archive = context(request).archive
    kept = await _kept(request, task) if files else {}
    async with Upload(context(request).spool) as upload:
        for part, file in files.items():
            if archive is None or (copy := kept.get(part)) is None:  # it was removed a moment ago
                raise _unreadable(file)
            try:
                chunks = archive.store.chunks(prefix_of(copy))
                await upload.add(file.input, file.filename, file.content_type, chunks)
            except CopyFailed:
                raise _unreadable(file) from None
        yield upload


async def _kept(request: web.Request, task: str) -> dict[str, FileCopy]:
    """Return the copies of the uploaded files of a task, by their parts."""
    archive = context(request).archive
    copies = () if archive is None else await archive.of_task(task)
    return {copy.part: copy for copy in copies if spooled_path(copy) and copy.state is CopyState.KEPT}


def _unreadable(file: File) -> RequestError:
    detail = f"The file {file.input} of the earlier task cannot be read from the archive. Retry later."
    return RequestError(Code.STORE_UNAVAILABLE, detail)

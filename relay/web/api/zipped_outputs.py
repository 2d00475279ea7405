"""All results of a task in one ZIP archive, which is sent while it is read."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Final

from aiohttp import hdrs, web

from relay import log
from relay.archive.content import disposition
from relay.archive.errors import CopyFailed
from relay.archive.result_files import AT_ONCE
from relay.archive.zip_writer import ZipWriter, unique_names
from relay.core.snapshot import Snapshot
from relay.errors import Code, RequestError
from relay.web.http.context import Context, context
from relay.web.http.credentials import require

PIECE_BYTES: Final = 256 * 1024
"""How much is sent at once. The checksum of a piece takes a fraction of a millisecond."""

STALL_S: Final = 60.0
"""How long a client may take to receive a piece."""

MISSING: Final = "not-included.txt"
"""The file in the archive that lists the results that could not be read."""

_log = log.get("outputs")


async def download(request: web.Request) -> web.StreamResponse:
    """`GET /v1/tasks/{id}/outputs.zip`: all results of a task that are files."""
    here, task = context(request), request.match_info["id"]
    await require(request, "view:status", task)
    snapshot = await here.tasks.snapshot(task)
    results = [
        (number, output.url)
        for number, output in enumerate(snapshot.outputs)
        if output.url is not None and output.url.lower().startswith(("https://", "http://"))
    ]
    if not results:
        raise RequestError(Code.NOT_FOUND, "The task has no results that are files.")
    stated = sum(snapshot.outputs[number].size or 0 for number, _ in results)
    if stated > here.config.zip_limit_bytes:
        raise _too_large(stated, here.config.zip_limit_bytes)
    if here.result_files.reading.locked():
        detail = f"The relay is sending {AT_ONCE} archives already. Try again in a minute."
        raise RequestError(Code.RATE_LIMITED, detail, retry_after_s=60)
    async with here.result_files.reading, aclosing(_parts(here, snapshot, results)) as parts:
        return await _send(request, snapshot, parts)


async def _send(request: web.Request, snapshot: Snapshot, parts: AsyncIterator[bytes]) -> web.StreamResponse:
    first = await anext(parts)  # its errors are problems, since nothing has been sent
    name = f"{snapshot.model.rpartition('/')[2]}-{snapshot.id[:8]}.zip"
    response = web.StreamResponse(
        headers={
            hdrs.CONTENT_TYPE: "application/zip",
            hdrs.CONTENT_DISPOSITION: disposition("application/zip", name),
            hdrs.CACHE_CONTROL: "no-store",
        }
    )
    await response.prepare(request)
    sent_bytes = 0
    try:
        await _write(response, first)
        async for part in parts:
            sent_bytes += len(part)
            await _write(response, part)
        await response.write_eof()
    except (CopyFailed, OSError) as error:  # TimeoutError is an OSError
        reason = str(error) or type(error).__name__
        _log.info("outputs.zip_failed", task=snapshot.id, sent_bytes=sent_bytes, error=reason)
        if request.transport is not None:
            request.transport.abort()  # the client notices that the archive is incomplete
    return response


async def _write(response: web.StreamResponse, part: bytes) -> None:
    async with asyncio.timeout(STALL_S):
        await response.write(part)


async def _parts(here: Context, snapshot: Snapshot, results: Sequence[tuple[int, str]]) -> AsyncGenerator[bytes]:
    """
    Yield the archive.

    Raises:
        RequestError: no result can be read. Nothing was yielded.
        CopyFailed: a result broke off, or the results are too large.
    """
    archive = ZipWriter(snapshot.ended_at or snapshot.updated_at)
    *names, listed = unique_names([*(snapshot.outputs[number].name for number, _ in results), MISSING])
    missing: list[str] = []
    read_bytes, limit_bytes = 0, here.config.zip_limit_bytes
    for name, (number, url) in zip(names, results, strict=True):
        async with AsyncExitStack() as stack:
            try:
                opening = here.result_files.open(snapshot.id, number, provider=snapshot.provider, url=url)
                file = await stack.enter_async_context(opening)
                head = await anext(file.chunks, b"")
            except CopyFailed as error:
                missing.append(f"{name}: {error}")
                continue
            yield archive.begin(name, file.size_bytes)
            async for piece in _pieces(head, file.chunks):
                read_bytes += len(piece)
                if read_bytes > limit_bytes:
                    raise CopyFailed(f"The results exceed {limit_bytes} bytes (RELAY_ZIP_LIMIT).")
                yield archive.write(piece)
            yield archive.end()
    if len(missing) == len(results):
        raise RequestError(Code.UPSTREAM_UNAVAILABLE, f"No result can be read. {missing[0]}")
    if missing:
        yield archive.begin(listed, None) + archive.write("\n".join(missing).encode()) + archive.end()
    yield archive.finish()


async def _pieces(head: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    chunk: bytes | None = head
    while chunk is not None:
        for start in range(0, len(chunk), PIECE_BYTES):
            yield chunk[start : start + PIECE_BYTES]
        chunk = await anext(chunks, None)


def _too_large(size_bytes: int, limit_bytes: int) -> RequestError:
    return RequestError(
        Code.PAYLOAD_TOO_LARGE,
        f"The results have {size_bytes} bytes; the limit of an archive is {limit_bytes} (RELAY_ZIP_LIMIT). "
        "Download the results one by one.",
    )

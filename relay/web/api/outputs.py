"""The results of a task as files: from the archive if it has them, otherwise at the platform."""

import asyncio
import re
from http import HTTPStatus
from typing import Annotated

from aiohttp import hdrs, web
from pydantic import AfterValidator, BaseModel, ConfigDict, WithJsonSchema

from relay.archive.archive import Archive
from relay.archive.content import disposition
from relay.archive.errors import CopyFailed
from relay.archive.layout import FILE, prefix_of
from relay.archive.thumbnails import WIDTHS
from relay.core.events import Output
from relay.errors import Code, RequestError
from relay.journal.file_copies import CopyState, FileCopy, output_part
from relay.web.api.responses import ArchivedCopy, OutputFile, OutputList
from relay.web.http.context import context
from relay.web.http.credentials import require
from relay.web.http.file_response import FileResponse
from relay.web.http.json_body import json_response
from relay.web.http.queries import read_query

_NUMBER = re.compile(r"[0-9]{1,5}")

_HEADERS: dict[str, str] = {
    hdrs.CACHE_CONTROL: "private, max-age=31536000, immutable",
    # A file that is opened in a tab is a document of the relay's origin: it may run nothing, whatever it is.
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
    ),
}


def _width(value: int) -> int:
    if value not in WIDTHS:
        raise ValueError(f"must be one of {', '.join(map(str, WIDTHS))}")
    return value


class OutputQuery(BaseModel):
    """`GET /v1/tasks/{id}/outputs/{n}/{name}`."""

    model_config = ConfigDict(extra="ignore")

    w: Annotated[int, AfterValidator(_width), WithJsonSchema({"type": "integer", "enum": list(WIDTHS)})] | None = None


async def index(request: web.Request) -> web.Response:
    """`GET /v1/tasks/{id}/outputs`: the files of a task, and what became of their copies."""
    here, task = context(request), request.match_info["id"]
    await require(request, "view:status", task)
    outputs = (await here.tasks.snapshot(task)).outputs
    copies = () if here.archive is None else await here.archive.of_task(task)
    by_part = {copy.part: copy for copy in copies}
    files = [
        OutputFile(
            n=number,
            href=output.href,
            url=output.url,
            name=output.name,
            content_type=output.content_type,
            copy=_described(by_part.get(output_part(number))),
        )
        for number, output in enumerate(outputs)
        if output.url is not None
    ]
    return json_response(OutputList(outputs=files))


async def show(request: web.Request) -> web.StreamResponse:
    """`GET /v1/tasks/{id}/outputs/{n}/{name}`: the copy in the archive, or a redirect to the file."""
    here, task = context(request), request.match_info["id"]
    await require(request, "view:status", task)
    query = read_query(request, OutputQuery)
    number, url = _file((await here.tasks.snapshot(task)).outputs, request.match_info["n"])
    archive = here.archive
    if archive is None or (copy := await archive.kept(task, output_part(number))) is None:
        return _redirect(url)
    thumbnail = None
    if query.w is not None:
        thumbnail = await archive.thumbnails.name_of(prefix_of(copy), copy.content_type, query.w)
    if archive.store.is_local:
        return await _local(archive, copy, thumbnail) or _redirect(url)
    name = thumbnail or FILE
    if here.config.archive_url is not None:
        return _redirect(f"{here.config.archive_url}/{prefix_of(copy)}/{name}")
    try:
        return _redirect(await archive.store.signed(prefix_of(copy), name, method=request.method))
    except CopyFailed:
        return _redirect(url)


async def show_input(request: web.Request) -> web.StreamResponse:
    """`GET /v1/tasks/{id}/inputs/{n}/{name}`: a file that the task was started with, if the archive has it."""
    here, task = context(request), request.match_info["id"]
    await require(request, "input", task)
    number, archive = request.match_info["n"], here.archive
    copy = None if archive is None or not _NUMBER.fullmatch(number) else await archive.kept(task, f"inputs/{number}")
    if archive is None or copy is None:
        raise RequestError(Code.NOT_FOUND, "The archive does not have this file.")
    if archive.store.is_local:
        if (response := await _local(archive, copy, None)) is None:
            raise RequestError(Code.NOT_FOUND, "The archive does not have this file.")
        return response
    try:
        return _redirect(await archive.store.signed(prefix_of(copy), method=request.method))
    except CopyFailed:
        raise RequestError(Code.NOT_FOUND, "The archive does not have this file.") from None


async def _local(archive: Archive, copy: FileCopy, thumbnail: str | None) -> FileResponse | None:
    """Return a copy that is a file of this machine; null if the file is missing."""
    path = archive.store.path(prefix_of(copy), thumbnail or FILE)
    if not await asyncio.to_thread(path.is_file):
        return None
    kind = "image/webp" if thumbnail else copy.content_type
    shown = disposition(kind, None if thumbnail else copy.name)
    headers = {**_HEADERS, hdrs.CONTENT_TYPE: kind, hdrs.CONTENT_DISPOSITION: shown}
    return FileResponse(path, headers=headers)


def _redirect(url: str) -> web.Response:
    return web.Response(status=HTTPStatus.FOUND, headers={hdrs.LOCATION: url})


def _file(outputs: tuple[Output, ...], number: str) -> tuple[int, str]:
    """
    Return the number of a result, and where the file is at the platform.

    Raises:
        RequestError: there is no such result, or it is not a file.
    """
    known = _NUMBER.fullmatch(number) is not None and int(number) < len(outputs)
    url = outputs[int(number)].url if known else None
    if url is None or not url.lower().startswith(("https://", "http://")):
        raise RequestError(Code.NOT_FOUND, "The task has no such file.")
    return int(number), url


def _described(copy: FileCopy | None) -> ArchivedCopy | None:
    if copy is None:
        return None
    state = "copying" if copy.state is CopyState.WAITING and copy.owner is not None else copy.state.value
    kept = copy.state is CopyState.KEPT
    return ArchivedCopy(
        state="removed" if copy.state is CopyState.EXPIRING else state,
        reason=copy.reason,
        attempts=copy.attempts,
        content_type=copy.content_type if kept else None,
        size=copy.size_bytes if kept else None,
        sha256=copy.sha256,
        kept_at=copy.kept_at,
    )

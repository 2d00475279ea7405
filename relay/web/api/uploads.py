"""
Read uploads into the spool: the files of a task, or one file for a platform's file store.

Errors are reported as early as possible: a file that no input accepts is rejected after its first chunk.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import filetype
from aiohttp import web

from relay.access.starts import StartPermit
from relay.catalogue.check import Offer
from relay.errors import Code, FieldError, RequestError
from relay.files.upload import Upload
from relay.tasks.requests import Idempotency, Start
from relay.web.api.file_bodies import FileBody
from relay.web.api.idempotency import check_idempotency_key, read_idempotency
from relay.web.api.task_bodies import StartBody
from relay.web.http.context import context
from relay.web.http.credentials import spend_start
from relay.web.http.json_body import parse_object, read_object
from relay.web.http.multipart import CONTENT_TYPE, Part, parts

_TEXT_BYTES = 1024

_SIGNATURE_BYTES = 8192
"""How many bytes of a file are read to detect its type."""

Screen = Callable[[Offer], Awaitable[None]]
"""Raises an error if a file is not accepted."""


async def read_start(request: web.Request, permit: StartPermit) -> tuple[StartBody, Start, Idempotency | None]:
    """
    Read the body of `POST /v1/tasks`, JSON or a form. The files of the returned request are in the spool.

    The caller owns the files from then on.

    Args:
        request: the client's request.
        permit: what the credential allows. Its model is checked before anything else.

    Raises:
        RequestError: the body is invalid.
    """
    if request.content_type != CONTENT_TYPE:
        fields = await read_object(request)
        body, start = _read_body(request, permit, fields)
        return body, start, read_idempotency(request, permit.grant, fields)
    here = context(request)
    incoming = parts(request)
    fields = await _read_task(incoming, here.config.body_limit_bytes)
    body, start = _read_body(request, permit, fields)
    check_idempotency_key(request)  # before any file is uploaded
    await here.tasks.screen(start, ())
    offers: list[Offer] = []

    async def screen(offer: Offer) -> None:
        permit.check_file(offer.input)
        offers.append(offer)
        await here.tasks.screen(start, offers)

    async with Upload(here.spool) as upload:
        async for part in incoming:
            await receive(part, upload, screen)
        files = [[file.input, file.filename, file.sha256] for file in upload.files]
        idempotency = read_idempotency(request, permit.grant, [fields, *files] if files else fields)
        return body, replace(start, files=upload.hand_over()), idempotency


async def read_file(request: web.Request, upload: Upload) -> FileBody:
    """
    Read the body of `POST /v1/files` into the upload: the text parts of `FileBody`, then one file.

    Raises:
        RequestError: the body is invalid.
    """
    if request.content_type != CONTENT_TYPE:
        raise RequestError(
            Code.UNSUPPORTED_MEDIA_TYPE, f"The content type must be {CONTENT_TYPE}, not {request.content_type}."
        )
    fields: dict[str, str] = {}
    body = FileBody()
    async for part in parts(request):
        if upload.files:
            raise RequestError(Code.INVALID_REQUEST, "The body must have one file, as its last part.")
        if part.filename is None:
            fields[part.name] = (await part.read(_TEXT_BYTES)).decode(errors="replace")
        else:
            body = FileBody.model_validate(fields)
            context(request).file_store.provider(body.provider)  # reject an unknown provider before reading the file
            await receive(part, upload, accept_any)
    if not upload.files:
        raise RequestError(Code.INVALID_REQUEST, "The body must have a file.")
    return body


def _read_body(request: web.Request, permit: StartPermit, fields: dict[str, object]) -> tuple[StartBody, Start]:
    permit.check_model(fields.get("model"))
    spend_start(request, permit.grant)
    body = StartBody.model_validate(fields)
    return body, permit.apply(body.to_request())


async def _read_task(incoming: AsyncIterator[Part], limit_bytes: int) -> dict[str, object]:
    part = await anext(incoming, None)
    if part is None or part.name != "task":
        raise RequestError(Code.INVALID_REQUEST, "The first part of the body must be `task`, with the JSON.")
    return parse_object(await part.read(limit_bytes))


async def receive(part: Part, upload: Upload, screen: Screen) -> None:
    """
    Store the file of a part in the spool.

    Raises:
        RequestError: the part is not a file or is empty, `screen` rejects it, or the spool has no room.
    """
    if part.name == "task":
        raise RequestError(Code.INVALID_REQUEST, "The part `task` must be the first part, and must not be repeated.")
    if part.filename is None:
        detail = f"The part {part.name!r} is not a file: it has no filename. Put other inputs into the part `task`."
        raise RequestError(Code.INVALID_REQUEST, detail)
    chunks = part.chunks()
    start = b""
    async for chunk in chunks:
        start += chunk
        if len(start) >= _SIGNATURE_BYTES:
            break
    if not start:
        empty = FieldError(field=f"input.{part.name}", message="the file is empty")
        raise RequestError(Code.INVALID_INPUT, f"{part.name}: {empty.message}", fields=(empty,))
    detected: str | None = filetype.guess_mime(start)
    await screen(Offer(input=part.name, content_type=detected))
    await upload.add(part.name, part.filename, detected or part.content_type, _chain(start, chunks))


async def _chain(start: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield start
    async for chunk in rest:
        yield chunk


async def accept_any(_offer: Offer) -> None:
    """Accept any file: the platform decides what its file store takes."""

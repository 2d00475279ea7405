"""
Uploads: a task with its files, or a file alone, from the parts of a request into the spool.

Whatever is wrong is said as soon as it can be seen: of a file that no input takes, not a second piece is read.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import filetype
from aiohttp import web

from relay.catalogue.check import Offer
from relay.errors import Code, FieldError, RequestError
from relay.files.upload import Upload
from relay.tasks.requests import Idempotency, Start
from relay.web.api.bodies import FileBody, StartBody, idempotency
from relay.web.http.context import context
from relay.web.http.json_body import parse_object, read_object
from relay.web.http.multipart import CONTENT_TYPE, Part, parts

_TEXT_BYTES = 1024

_SIGNATURE_BYTES = 8192
"""So many bytes at the beginning of a file tell what it is."""

Admit = Callable[[Offer], Awaitable[None]]
"""Says, by raising, that a file is not wanted."""


async def read_start(request: web.Request, caller: str) -> tuple[StartBody, Start, Idempotency | None]:
    """
    Read the body of `POST /v1/tasks`, JSON or a form; the files of the wish are in the spool, and the caller's.

    Args:
        request: the caller's.
        caller: tells its API key from others: an idempotency key belongs to one.

    Raises:
        RequestError: it cannot be what a task is started with.
    """
    if request.content_type != CONTENT_TYPE:
        given = await read_object(request)
        body = StartBody.model_validate(given)
        return body, body.wish(), idempotency(request, caller, given)
    here = context(request)
    coming = parts(request)
    given = await _first(coming, "task", here.config.body_limit_bytes)
    body = StartBody.model_validate(given)
    wish = body.wish()
    idempotency(request, caller, None)  # a key that is none is told before anything is uploaded
    await here.tasks.screen(wish, ())
    offers: list[Offer] = []

    async def admit(offer: Offer) -> None:
        offers.append(offer)
        await here.tasks.screen(wish, offers)

    async with Upload(here.spool) as upload:
        async for part in coming:
            await _take_in(part, upload, admit)
        files = [[file.input, file.filename, file.sha256] for file in upload.files]
        key = idempotency(request, caller, [given, *files] if files else given)
        return body, replace(wish, files=upload.hand_over()), key


async def read_file(request: web.Request, upload: Upload) -> FileBody:
    """
    Read the body of `POST /v1/files` into the upload: one file, and before it the texts that `FileBody` has.

    Raises:
        RequestError: it is something else.
    """
    if request.content_type != CONTENT_TYPE:
        raise RequestError(
            Code.UNSUPPORTED_MEDIA_TYPE, f"Send the file as {CONTENT_TYPE}, not as {request.content_type}."
        )
    given: dict[str, str] = {}
    body = FileBody()
    async for part in parts(request):
        if upload.files:
            raise RequestError(Code.INVALID_REQUEST, "Send one file at a time, as the last part.")
        if part.filename is None:
            given[part.name] = (await part.read(_TEXT_BYTES)).decode(errors="replace")
        else:
            body = FileBody.model_validate(given)
            context(request).file_store.provider(body.provider)  # before the file is read in vain
            await _take_in(part, upload, _any)
    if not upload.files:
        raise RequestError(Code.INVALID_REQUEST, "The body has no file.")
    return body


async def _first(coming: AsyncIterator[Part], name: str, limit_bytes: int) -> dict[str, object]:
    part = await anext(coming, None)
    if part is None or part.name != name:
        raise RequestError(Code.INVALID_REQUEST, f"The first part of the body must be `{name}`, with the JSON.")
    return parse_object(await part.read(limit_bytes))


async def _take_in(part: Part, upload: Upload, admit: Admit) -> None:
    """Put a part into the spool, if it is wanted."""
    if part.name == "task":
        raise RequestError(Code.INVALID_REQUEST, "The part `task` comes once, and first.")
    if part.filename is None:
        detail = f"The part {part.name!r} is no file: it has no filename. Inputs that are none belong into `task`."
        raise RequestError(Code.INVALID_REQUEST, detail)
    pieces = part.pieces()
    start = b""
    async for piece in pieces:
        start += piece
        if len(start) >= _SIGNATURE_BYTES:
            break
    if not start:
        wrong = FieldError(field=f"input.{part.name}", message="the file is empty")
        raise RequestError(Code.INVALID_INPUT, f"{part.name}: {wrong.message}", fields=(wrong,))
    seen: str | None = filetype.guess_mime(start)
    await admit(Offer(input=part.name, content_type=seen))
    await upload.add(part.name, part.filename, seen or part.content_type, _joined(start, pieces))


async def _joined(start: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield start
    async for piece in rest:
        yield piece


async def _any(_offer: Offer) -> None:
    """A file store takes what it takes: its platform says what it does not."""

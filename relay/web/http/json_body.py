"""Read a request's body: whole, within its size limit and minimum rate, and as a JSON object."""

from typing import Any

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from relay.errors import Code, RequestError
from relay.web.http.context import context
from relay.web.http.min_rate import Pace


async def read_whole(request: web.Request) -> bytes:
    """
    Read the body, within `RELAY_BODY_LIMIT` and no slower than it may come.

    Raises:
        RequestError: it is too large, too slow or malformed.
    """
    config = context(request).config
    pace, whole = Pace(config.body_silence_s), bytearray()
    try:
        while piece := await pace.wait(request.content.readany()):
            pace.came(len(piece))
            whole += piece
            if len(whole) > config.body_limit_bytes:
                detail = f"The body is larger than {config.body_limit_bytes} bytes."
                raise RequestError(Code.PAYLOAD_TOO_LARGE, detail)
    except (web.RequestPayloadError, HttpProcessingError):
        raise RequestError(Code.INVALID_REQUEST, "The body is malformed, or ends too early.") from None
    return bytes(whole)


async def read_object(request: web.Request, *, required: bool = True) -> dict[str, Any]:
    """
    Read the body as a JSON object.

    Args:
        request: whose body.
        required: when false, no body reads as an empty object.

    Raises:
        RequestError: it is something else.
    """
    raw = await read_whole(request)
    if not raw and not required:
        return {}
    if request.content_type != "application/json":
        raise RequestError(
            Code.UNSUPPORTED_MEDIA_TYPE, f"Send the body as application/json, not as {request.content_type}."
        )
    return parse_object(raw)


def parse_object(raw: bytes) -> dict[str, Any]:
    """
    Read a JSON object.

    Raises:
        RequestError: it is something else.
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise RequestError(Code.INVALID_REQUEST, f"The body is not JSON: {error}.") from None
    if not isinstance(body, dict):
        raise RequestError(Code.INVALID_REQUEST, "The body must be a JSON object.")
    try:
        orjson.dumps(body)
    except TypeError:  # it reads deeper than it writes, and what we cannot write we cannot keep
        raise RequestError(Code.INVALID_REQUEST, "The body is nested too deep.") from None
    return body

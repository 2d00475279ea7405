"""Read JSON request bodies within the size limit and the minimum rate, and write JSON responses."""

from typing import Any

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from relay.errors import Code, RequestError
from relay.web.http.context import context
from relay.web.http.min_rate import MinRate


async def read_whole(request: web.Request) -> bytes:
    """
    Read the whole body.

    Raises:
        RequestError: the body is larger than `RELAY_BODY_LIMIT`, slower than the minimum rate, or malformed.
    """
    config = context(request).config
    rate, body = MinRate(config.body_silence_s), bytearray()
    try:
        while chunk := await rate.wait(request.content.readany()):
            rate.add_received(len(chunk))
            body += chunk
            if len(body) > config.body_limit_bytes:
                detail = f"The body is larger than the limit of {config.body_limit_bytes} bytes."
                raise RequestError(Code.PAYLOAD_TOO_LARGE, detail)
    except (web.RequestPayloadError, HttpProcessingError):
        raise RequestError(Code.INVALID_REQUEST, "The body is malformed or incomplete.") from None
    return bytes(body)


async def read_object(request: web.Request, *, required: bool = True) -> dict[str, Any]:
    """
    Read the body as a JSON object.

    Args:
        request: the client's request.
        required: if False, an empty body is an empty object.

    Raises:
        RequestError: the body is not a JSON object, or has another content type.
    """
    raw = await read_whole(request)
    if not raw and not required:
        return {}
    if request.content_type != "application/json":
        raise RequestError(
            Code.UNSUPPORTED_MEDIA_TYPE, f"The content type must be application/json, not {request.content_type}."
        )
    return parse_object(raw)


def json_response(value: object, status: int = 200) -> web.Response:
    """Return a response with `value` as JSON. Dataclasses become objects with the names of their fields."""
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")


def parse_object(raw: bytes) -> dict[str, Any]:
    """
    Parse a JSON object.

    Raises:
        RequestError: the text is not JSON, is not an object, or is nested too deep.
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise RequestError(Code.INVALID_REQUEST, f"The body is not valid JSON: {error}.") from None
    if not isinstance(body, dict):
        raise RequestError(Code.INVALID_REQUEST, "The body must be a JSON object.")
    try:
        orjson.dumps(body)
    except TypeError:  # orjson parses deeper nesting than it serializes
        raise RequestError(Code.INVALID_REQUEST, "The body is nested too deeply.") from None
    return body

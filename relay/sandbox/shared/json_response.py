"""Build JSON responses."""

import json
from collections.abc import Mapping

from aiohttp import web


def encode(body: object) -> bytes:
    """Encode a body as compact JSON. Unlike orjson this accepts lone surrogates, NaN and integers of any size."""
    return json.dumps(body, separators=(",", ":")).encode()


def json_response(body: Mapping[str, object], *, status: int = 200) -> web.Response:
    """Return a response with a JSON object as its body."""
    return web.Response(status=status, body=encode(body), content_type="application/json")

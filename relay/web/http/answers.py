"""The ordinary answer: a value of ours as JSON. What went wrong is answered by `problems`."""

import orjson
from aiohttp import web


def json_answer(value: object, status: int = 200) -> web.Response:
    """Write a value as a JSON answer; dataclasses are written by their fields' names."""
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")

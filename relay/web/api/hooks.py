"""
`POST /hooks/{provider}/{hook}`: callbacks of the platforms.

A callback is only a hint: the relay reads the task's record from the platform, so a forged callback changes nothing.
"""

from functools import partial

from aiohttp import web

from relay.web.api.responses import CallbackReceived
from relay.web.http.context import context
from relay.web.http.json_body import json_response, read_whole


async def call_back(request: web.Request) -> web.Response:
    """`POST /hooks/{provider}/{hook}`: the secret in the URL names the task, and the provider checks the headers."""
    provider, hook = request.match_info["provider"], request.match_info["hook"]
    # The body is read only if the secret is known, so that unauthenticated clients cannot fill the memory.
    await context(request).tasks.call_back(provider, hook, request.headers, partial(read_whole, request))
    return json_response(CallbackReceived(code=200, msg="success"))

"""
Callbacks of the upstream: hints. Whatever the body says, the task's record is read anew, so nobody can lie here.
"""

from functools import partial

from aiohttp import web

from relay.web.http.context import context
from relay.web.http.json_body import read_whole


async def call_back(request: web.Request) -> web.Response:
    """`POST /hooks/{provider}/{hook}`: the word in the address names the task; the provider says if that is enough."""
    provider, hook = request.match_info["provider"], request.match_info["hook"]
    # The word first: of who does not know it, no body is kept waiting in our memory.
    await context(request).tasks.call_back(provider, hook, request.headers, partial(read_whole, request))
    return web.json_response({"code": 200, "msg": "success"})  # Apikley's word; Wiro asks for none

"""
Callbacks of the upstream: hints. Whatever the body says, the task's record is read anew, so nobody can lie here.
"""

from aiohttp import web

from relay.web.context import context


async def call_back(request: web.Request) -> web.Response:
    """`POST /hooks/{provider}/{hook}`: the word in the address names the task; the provider says if that is enough."""
    await context(request).tasks.call_back(
        request.match_info["provider"], request.match_info["hook"], request.headers, await request.read()
    )
    return web.json_response({"code": 200, "msg": "success"})  # Apikley's word; Wiro asks for none

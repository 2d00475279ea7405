"""
Callbacks of the upstream: hints. Whatever the body says, the task's record is read anew, so nobody can lie here.
"""

from aiohttp import web

from relay.web.context import context


async def call_back(request: web.Request) -> web.Response:
    """`POST /hooks/{provider}/{secret}`: the word in the address names the task, and is all that is needed."""
    await context(request).tasks.call_back(request.match_info["provider"], request.match_info["hook"])
    return web.json_response({"result": True})

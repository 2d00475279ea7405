"""The results of a task as files."""

from http import HTTPStatus

from aiohttp import hdrs, web

from relay.core.events import Output
from relay.errors import Code, RequestError
from relay.web.http.context import context
from relay.web.http.credentials import require


async def show(request: web.Request) -> web.StreamResponse:
    """`GET /v1/tasks/{id}/outputs/{n}/{name}`: redirect to the file at the platform."""
    task = request.match_info["id"]
    await require(request, "view", task)
    output = _output((await context(request).tasks.snapshot(task)).outputs, request.match_info["n"])
    return web.Response(status=HTTPStatus.FOUND, headers={hdrs.LOCATION: str(output.url)})


def _output(outputs: tuple[Output, ...], number: str) -> Output:
    """
    Return the result with this number.

    Raises:
        RequestError: there is none, or it is not a file.
    """
    known = number.isascii() and number.isdecimal() and len(number) < 6 and int(number) < len(outputs)
    if not known or outputs[int(number)].url is None:
        raise RequestError(Code.NOT_FOUND, "The task has no such file.")
    return outputs[int(number)]

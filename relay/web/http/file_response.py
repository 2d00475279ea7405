"""A file as a response, closed even if the client disconnects while it is being opened."""

import asyncio

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

_sending: set[asyncio.Task[AbstractStreamWriter | None]] = set()


class FileResponse(web.FileResponse):
    """
    A file of the disk, with ranges, validators and compressed copies.

    aiohttp opens the file in a thread. If the handler is cancelled meanwhile, because its client has disconnected,
    nothing closes the file that the thread returns. So the work goes on without the handler: it ends at once, because
    nothing can be sent.
    """

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Open and send the file."""
        sending = asyncio.create_task(super().prepare(request))
        _sending.add(sending)
        sending.add_done_callback(_ended)
        return await asyncio.shield(sending)


def _ended(sending: asyncio.Task[AbstractStreamWriter | None]) -> None:
    _sending.discard(sending)
    if not sending.cancelled():
        sending.exception()  # the handler has it, unless its client has disconnected

"""The host of a platform's results, which may be late, slow, broken, or lead elsewhere."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import web

PIECE = 64 * 1024


@dataclass(slots=True, kw_only=True)
class Hosted:
    """One file and how it is served."""

    body: bytes = b""
    size: int | None = None
    """The number of bytes to send instead of `body`: zeros after it."""
    content_type: str = "image/png"
    late: int = 0
    """How many requests are answered with `status` first."""
    status: int = 404
    breaks: int = 0
    """How many responses are broken off in the middle."""
    ranges: bool = True
    location: str | None = None
    """Where a redirect leads."""
    gate: asyncio.Event | None = None
    """Until it is set, responses stop in the middle."""
    halfway: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a response has reached the middle."""
    requests: list[Mapping[str, str]] = field(default_factory=list)
    """The headers of all requests."""

    @property
    def length(self) -> int:
        return len(self.body) if self.size is None else self.size


class Origin:
    """Serves `files` by their names."""

    def __init__(self) -> None:
        self.files: dict[str, Hosted] = {}
        self.url = ""

    def host(self, name: str, file: Hosted) -> str:
        """Serve a file and return its address."""
        self.files[name] = file
        return f"{self.url}/{name}"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        file = self.files.get(request.match_info["name"])
        if file is None:
            return web.Response(status=404)
        file.requests.append(dict(request.headers))
        if file.late:
            file.late -= 1
            return web.Response(status=file.status)
        if file.location is not None:
            return web.Response(status=302, headers={"Location": file.location})
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", "")) if file.ranges else None
        start = int(wanted[1]) if wanted else 0
        response = web.StreamResponse(status=206 if wanted else 200)
        response.headers["ETag"] = '"one"'
        response.content_type = file.content_type
        response.content_length = file.length - start
        await response.prepare(request)
        breaks, middle = file.breaks > 0, start + (file.length - start) // 2
        file.breaks -= breaks
        with suppress(ConnectionError):
            for at in range(start, file.length, PIECE):
                if at + PIECE > middle and not file.halfway.is_set():
                    file.halfway.set()
                    if file.gate is not None:
                        await file.gate.wait()
                if breaks and at + PIECE > middle and at > start:
                    assert request.transport is not None
                    request.transport.abort()
                    break
                piece = file.body[at : at + PIECE]
                await response.write(piece + bytes(min(PIECE, file.length - at) - len(piece)))
        return response


@asynccontextmanager
async def serving() -> AsyncIterator[Origin]:
    """Serve on a free port of this machine during the block."""
    origin = Origin()
    app = web.Application()
    app.router.add_get("/{name:.*}", origin._answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    origin.url = f"http://{host}:{port}"
    try:
        yield origin
    finally:
        for file in origin.files.values():
            if file.gate is not None:
                file.gate.set()
        await runner.cleanup()

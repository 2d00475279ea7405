"""A host of results on which files appear late, as on a real CDN."""

import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

import relay.sandbox
from relay.sandbox import pictures

PNG = pictures.draw("cdn", 48, 32)
WEBM = (Path(relay.sandbox.__file__).parent / "media" / "clip.webm").read_bytes()


def _wav() -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(8000)
        sound.writeframes(bytes(8000))
    return written.getvalue()


FILES = {"png": ("image/png", PNG), "webm": ("video/webm", WEBM), "wav": ("audio/wav", _wav())}
"""Content type and content by file extension."""


class Cdn:
    """Serves every name with an extension of FILES, or answers 404 while `late`."""

    def __init__(self) -> None:
        self.late = True
        self.query: str | None = None
        """The query that every URL must have, as a signed one does; None allows any."""
        self.miss_headers: dict[str, str] = {}
        self.asked: list[str] = []
        """Paths with queries, in the order of the requests."""
        self.origin = ""

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(str(request.rel_url))
        if self.query is not None and request.rel_url.raw_query_string != self.query:
            return web.Response(status=403)
        if self.late:
            return web.Response(status=404, headers=self.miss_headers)
        content_type, body = FILES[request.path.rpartition(".")[2]]
        return web.Response(body=body, content_type=content_type)

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator["Cdn"]:
        """Serve on a free port of the loopback interface."""
        cdn = cls()
        application = web.Application()
        application.router.add_get("/{name:.*}", cdn._answer)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        cdn.origin = f"http://{host}:{port}"
        try:
            yield cdn
        finally:
            await runner.cleanup()

"""An output file as the simulated CDN sends it: large, slow or broken off if switches ask for it."""

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from relay.sandbox.switches.faults import Faults

_PIECE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedFile:
    """A file of `size` bytes: `data`, then zeros."""

    data: bytes
    size: int
    content_type: str

    async def send(
        self, request: web.Request, headers: dict[str, str], faults: Faults, *, breaks: bool
    ) -> web.StreamResponse:
        """
        Send the file, or the part that the `Range` header asks for.

        Args:
            request: the request.
            headers: the headers of the response.
            faults: the switches.
            breaks: whether to close the connection in the middle.
        """
        requested = re.fullmatch(r"bytes=(?!-$)(\d*)-(\d*)", request.headers.get("Range", ""))
        first, end = (0, self.size) if requested is None else self._part(requested[1], requested[2])
        if first >= end:
            return web.Response(status=416, headers={**headers, "Content-Range": f"bytes */{self.size}"})
        response = web.StreamResponse(headers=headers)
        response.content_type, response.content_length = self.content_type, end - first
        if requested is not None:
            response.set_status(206)
            response.headers["Content-Range"] = f"bytes {first}-{end - 1}/{self.size}"
        await response.prepare(request)
        stop = (first + end) // 2 if breaks else end
        with suppress(ConnectionError):
            for at in range(first, stop, _PIECE_BYTES):
                await response.write(self._piece(at, min(at + _PIECE_BYTES, stop)))
                if faults.cdn_bytes_per_s:
                    await asyncio.sleep(_PIECE_BYTES / faults.cdn_bytes_per_s)
            if breaks and request.transport is not None:
                request.transport.close()
        return response

    def _piece(self, first: int, end: int) -> bytes:
        known = self.data[first:end]
        return known + bytes(end - first - len(known))

    def _part(self, first: str, last: str) -> tuple[int, int]:
        """Return the first byte of a range and the one after its last."""
        if first:
            return int(first), min(int(last or self.size), self.size - 1) + 1
        return max(0, self.size - int(last)), self.size

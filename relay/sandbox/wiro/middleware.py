"""
What every call of Wiro's passes first: who calls, from which page, and with a body that may be read.

Here too a call goes wrong by chance, before its part of the platform sees it, or after.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from relay.sandbox.shared import http_faults
from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import HttpFault
from relay.sandbox.wiro import bodies
from relay.sandbox.wiro.auth import Accounts, NotAuthorized
from relay.sandbox.wiro.random_faults import Chance

Answer = Callable[[web.Request, str], Awaitable[web.Response]]
"""Answers a call of an account."""

Call = Callable[[web.Request, str], Awaitable[web.StreamResponse]]
"""Answers a call of an account, perhaps with a stream."""

_NO_LENGTH: Final = HttpFault(status=411, kind="html", count=1)


class Edge:
    """Stands in front of the calls."""

    def __init__(self, accounts: Accounts, faults: Faults, chance: Chance, *, closing: asyncio.Event) -> None:
        self._accounts = accounts
        self._faults = faults
        self._chance = chance
        self._closing = closing

    def authorized(self, call: Call) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Let only accounts call, and refuse bodies that are not read to their end."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                account = self._accounts.authorize(request.headers)
            except NotAuthorized as error:
                return http_faults.refused(0, str(error), status=401)
            if self._faults.chunked == "refused" and request.body_exists and request.content_length is None:
                return await self._turned_away(request, _NO_LENGTH)
            try:
                return await call(request, account)
            except bodies.Stopped as stopped:
                return await self._turned_away(request, stopped.fault)

        return handle

    def chancy(self, call: Answer) -> Call:
        """Let a call go wrong by chance. Run does so by itself: it keeps account of what its caller was told."""

        async def handle(request: web.Request, account: str) -> web.Response:
            mishap = self._chance.mishap()
            if mishap is None:
                return await call(request, account)
            proper = await call(request, account) if mishap.takes_effect else None
            return await http_faults.gone_wrong(
                request, mishap.fault, proper, retry_after_s=None, closing=self._closing
            )

        return handle

    async def preflight(self, request: web.Request) -> web.Response:
        """Tell a browser that pages of any origin may call."""
        if not self._faults.cors:
            return await unknown(request)
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
                "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers", "*"),
                "Access-Control-Max-Age": "600",
            },
        )

    async def allow_origin(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let pages of any origin read an answer."""
        if self._faults.cors and request.path.startswith("/v1/"):
            response.headers["Access-Control-Allow-Origin"] = "*"

    async def _turned_away(self, request: web.Request, fault: HttpFault) -> web.Response:
        """Answer while the body is still on its way; the connection cannot be used again."""
        answer = await http_faults.gone_wrong(request, fault, None, retry_after_s=None, closing=self._closing)
        answer.force_close()
        return answer


async def unknown(_request: web.Request) -> web.Response:
    """Answer an address that is no call."""
    return http_faults.refused(0, "Error parsing url.", status=404)

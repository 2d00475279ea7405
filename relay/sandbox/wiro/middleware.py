"""Handle what is common to all of Wiro's calls: authorization, request bodies, random faults and CORS."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from relay.sandbox.shared.context import Context
from relay.sandbox.switches.values import HttpFault
from relay.sandbox.wiro import bodies, envelope
from relay.sandbox.wiro.auth import Accounts, NotAuthorized
from relay.sandbox.wiro.random_faults import RandomFaults

Call = Callable[[web.Request, str], Awaitable[web.StreamResponse]]
"""Handles a call of an account, given its API key."""

PlainCall = Callable[[web.Request, str], Awaitable[web.Response]]
"""A call whose response is not a stream."""

_LENGTH_REQUIRED: Final = HttpFault(status=411, kind="html", count=1)


class Middleware:
    """Wraps the handlers of calls."""

    def __init__(self, context: Context, accounts: Accounts, random_faults: RandomFaults) -> None:
        self._faults = context.faults
        self._closing = context.closing
        self._accounts = accounts
        self._random_faults = random_faults

    def authorized(self, call: Call) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Refuse calls without a valid API key, and calls whose body cannot be read to its end."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                account = self._accounts.authorize(request.headers)
            except NotAuthorized as error:
                return envelope.error(0, str(error), status=401)
            if self._faults.chunked == "refused" and request.body_exists and request.content_length is None:
                return await self._refuse_body(request, _LENGTH_REQUIRED)
            try:
                return await call(request, account)
            except bodies.BodyStopped as stopped:
                return await self._refuse_body(request, stopped.fault)

        return handle

    def with_random_faults(self, call: PlainCall) -> Call:
        """Let calls fail at random. Run does this itself, because it logs what its client received."""

        async def handle(request: web.Request, account: str) -> web.Response:
            random = self._random_faults.next_call()
            if random is None:
                return await call(request, account)
            proper = await call(request, account) if random.takes_effect else None
            return await envelope.faulty(request, random.fault, proper, closing=self._closing)

        return handle

    async def preflight(self, request: web.Request) -> web.Response:
        """Answer a CORS preflight request."""
        if not self._faults.cors:
            return await not_found(request)
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
                "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers", "*"),
                "Access-Control-Max-Age": "600",
            },
        )

    async def allow_origin(self, request: web.Request, response: web.StreamResponse) -> None:
        """Allow pages of any origin to read a response."""
        if self._faults.cors and request.path.startswith("/v1/"):
            response.headers["Access-Control-Allow-Origin"] = "*"

    async def _refuse_body(self, request: web.Request, fault: HttpFault) -> web.Response:
        """Respond while the client is still sending; the connection cannot be reused."""
        response = await envelope.faulty(request, fault, None, closing=self._closing)
        response.force_close()
        return response


async def not_found(_request: web.Request) -> web.Response:
    """Answer a request to an unknown address."""
    return envelope.error(0, "Error parsing url.", status=404)

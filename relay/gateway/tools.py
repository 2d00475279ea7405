"""`Tool/…`: what Wiro says about its models, passed on as it is, because the relay's own Model would lose fields."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import orjson
from aiohttp import web

from relay.gateway import bodies
from relay.gateway.credentials import granted
from relay.web.http.context import context

CACHE_S: Final = 600.0

CACHE_SIZE: Final = 256
"""How many answers are kept. The oldest is dropped first."""


class Asks(Protocol):
    """The platform, for calls that cost nothing."""

    async def ask(self, path: str, body: Mapping[str, object]) -> bytes:
        """
        Return the body of the platform's answer, which is a JSON object.

        Raises:
            UpstreamError: there is none.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    body: bytes
    until: float


class Tools:
    """The answers of the last minutes."""

    def __init__(self, wiro: Asks) -> None:
        self._wiro = wiro
        self._answers: dict[tuple[str, bytes], _Answer] = {}

    async def ask(self, path: str, fields: bodies.Fields, now: float) -> bytes:
        """
        Return the platform's answer to a call, at most CACHE_S old.

        Raises:
            UpstreamError: there is none.
        """
        key = (path, orjson.dumps(fields, option=orjson.OPT_SORT_KEYS))
        known = self._answers.pop(key, None)
        if known is None or known.until <= now:
            known = _Answer(body=await self._wiro.ask(path, fields), until=now + CACHE_S)
        self._answers[key] = known
        while len(self._answers) > CACHE_SIZE:
            del self._answers[next(iter(self._answers))]
        return known.body


TOOLS: Final = web.AppKey("gateway_tools", Tools)


def passed_on(call: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return the handler of `POST /wiro/v1/Tool/{call}`. Every valid credential may see the models."""

    async def handle(request: web.Request) -> web.Response:
        granted(request)
        fields = await bodies.read(request)
        body = await request.app[TOOLS].ask(f"/Tool/{call}", fields, context(request).clock())
        return web.Response(body=body, content_type="application/json")

    return handle

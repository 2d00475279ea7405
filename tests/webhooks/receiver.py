"""A server that receives webhooks, verifies them with the official library, and misbehaves as a test says."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web
from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="

Behave = Callable[[], Awaitable[web.Response]]


@dataclass(kw_only=True, eq=False)
class Receiver:
    """Runs during its `async with` block. It accepts everything unless `next` says otherwise."""

    secret: str = SECRET
    port: int = 0
    next: deque[Behave] = field(default_factory=deque)
    """How it answers the next requests, one each."""
    accepted: list[dict[str, Any]] = field(default_factory=list)
    """The bodies that were verified and answered with 200, in order."""
    attempts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How often each `webhook-id` has come."""
    paths: list[str] = field(default_factory=list)
    traceparents: list[str | None] = field(default_factory=list)
    open_now: int = 0
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._receive)
        runner = self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        # A connection that is being accepted while asyncio closes its server is never closed, before Python 3.12.
        while accepting := [task for task in asyncio.all_tasks() if "_accept_connection" in repr(task.get_coro())]:
            await asyncio.gather(*accepting, return_exceptions=True)
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def until(self, condition: Callable[[], bool], *, within_s: float = 60.0) -> None:
        """Wait until a condition holds. It is checked after each request."""
        async with asyncio.timeout(within_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def of(self, task: str) -> list[str]:
        """Return the types of what was accepted about a task, in order, each webhook once."""
        return [each["type"] for each in self.accepted if each["data"]["id"] == task]

    async def _receive(self, request: web.Request) -> web.Response:
        self.open_now += 1
        self.most_at_once = max(self.most_at_once, self.open_now)
        try:
            self.paths.append(request.path_qs)
            self.traceparents.append(request.headers.get("traceparent"))
            body = await request.read()
            verified = Webhook(self.secret).verify(body, dict(request.headers))
            self.attempts[request.headers["webhook-id"]] += 1
            self._changed.set()
            if self.next:
                response = await self.next.popleft()()
                if response.status != 200:
                    return response
            self.accepted.append(verified)
            return web.Response()
        finally:
            self.open_now -= 1
            self._changed.set()


async def hang() -> web.Response:
    """Never answer."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("unreachable")


def answer(status: int, **headers: str) -> Behave:
    """Return a function that answers with a status."""

    async def answer_one() -> web.Response:
        return web.Response(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer_one


async def cut() -> web.Response:
    """Close the connection without an answer."""
    raise ConnectionResetError

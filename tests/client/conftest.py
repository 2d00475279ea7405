"""Both clients of a relay, with one interface."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from relay.client import AsyncRelay, Relay
from relay.core.snapshot import Snapshot


class InThread:
    """The client without asyncio, called from a thread of its own, so that the relay of the test goes on."""

    def __init__(self, relay: Relay, thread: ThreadPoolExecutor) -> None:
        self._relay = relay
        self._thread = thread

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._relay, name)

        async def call(*args: object, **options: object) -> Any:
            work = partial(method, *args, **options)
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)

        return call

    async def watch(self, task: str) -> AsyncIterator[Snapshot]:
        states = self._relay.watch(task)
        loop = asyncio.get_running_loop()
        while (state := await loop.run_in_executor(self._thread, next, states, None)) is not None:
            yield state


@pytest.fixture(params=["async", "sync"])
def connect(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Return a context manager that opens a client for a URL and a credential."""

    @asynccontextmanager
    async def connected(url: str, key: str) -> AsyncIterator[Any]:
        if request.param == "async":
            async with AsyncRelay(url, key) as relay:
                yield relay
        else:
            with ThreadPoolExecutor(1) as thread, Relay(url, key) as plain:
                yield InThread(plain, thread)

    return connected

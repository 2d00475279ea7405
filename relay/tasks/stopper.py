"""Asks the platform to stop one task, at a limited rate regardless of how often clients cancel it."""

import asyncio
from collections.abc import Callable

from relay.backoff import Bucket
from relay.core.upstream import UpstreamTask
from relay.errors import UpstreamError
from relay.providers.base import Provider

STOPS_AT_ONCE = 2
STOP_EVERY_S = 10.0
"""How often the platform is called: STOPS_AT_ONCE times at once, then every STOP_EVERY_S seconds."""


class Stopper:
    """The calls that stop one task. Concurrent callers, and callers beyond the rate, share the outcome of one call."""

    def __init__(self, provider: Provider, after_call: Callable[[], None]) -> None:
        """
        Args:
            provider: the task's.
            after_call: called after each call to the platform, whatever the answer: only the record shows the effect.
        """
        self._provider = provider
        self._after_call = after_call
        self._loop = asyncio.get_running_loop()
        self._bucket = Bucket(STOPS_AT_ONCE, 1 / STOP_EVERY_S, self._loop.time())
        self._call_lock = asyncio.Lock()
        self._last_call_at = self._loop.time()
        self._failure: UpstreamError | None = None

    async def stop(self, upstream: UpstreamTask, *, started: bool) -> None:
        """
        Ask the platform to stop the task.

        Args:
            upstream: how the provider identifies the task.
            started: whether the relay has seen it begin to run.

        Raises:
            UpstreamError: the platform refused, or could not be called.
        """
        called_at = self._loop.time()
        async with self._call_lock:
            if self._last_call_at <= called_at and not self._bucket.take(self._loop.time()):
                self._failure = None
                try:
                    await self._provider.stop(upstream, started=started)
                except UpstreamError as error:
                    self._failure = error
                finally:
                    self._last_call_at = self._loop.time()
                    self._after_call()
            if self._failure is not None:
                raise self._failure.with_traceback(None)

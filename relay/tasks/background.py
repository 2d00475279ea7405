"""Asyncio tasks that outlive the request that started them."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

from relay import log
from relay.errors import RelayError

T = TypeVar("T")


class Background:
    """
    A group of asyncio tasks. Use it as an async context manager: leaving it cancels the tasks and waits for them.

    Unlike `asyncio.TaskGroup`, it keeps the other tasks running when one fails.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._log = log.get("background")

    def __repr__(self) -> str:
        return f"<Background tasks={len(self._tasks)}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` in a task of this group."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` and return its result. It runs to its end even if the caller is cancelled."""
        return await asyncio.shield(self.start(work))

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, RelayError):  # the caller may have left, so log it here
            self._log.error("background.crashed", exc_info=error)

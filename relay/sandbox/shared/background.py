"""Run coroutines in the background and cancel them together."""

import asyncio
from collections.abc import Coroutine


class BackgroundTasks:
    """asyncio tasks that run in the background; references to them are kept until they finish."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start(self, coroutine: Coroutine[None, None, None], *, name: str) -> asyncio.Task[None]:
        """Start a coroutine and return its task."""
        task = asyncio.create_task(coroutine, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def close(self) -> None:
        """Cancel every running task and wait until all have ended."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

"""Requests under one idempotency key take turns: a second one waits for the outcome of the first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Begun:
    """The task that answers a start, as soon as it is known: before the platform has answered."""

    def __init__(self) -> None:
        self.task: str | None = None
        self.known = asyncio.Event()
        """Set while `task` is known."""
        self.is_own = False
        """Whether this request created it. If not, the request has changed nothing yet."""

    def found(self, task: str) -> None:
        """Note the task that another request has created under the same key."""
        self.task = task
        self.known.set()

    def forget(self) -> None:
        """Note that the other request has freed its key, so this one creates a task."""
        self.task = None
        self.known.clear()

    def created(self, task: str) -> None:
        """Note the task that this request has created."""
        self.is_own = True
        self.found(task)


class Turn:
    """The requests of this process under one key."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._task: str | None = None
        """The task that the request whose turn it is has created."""
        self._waiting: list[Begun] = []

    @asynccontextmanager
    async def taken(self, begun: Begun) -> AsyncIterator[None]:
        """Wait for the turn of a request, which lasts until the block ends."""
        if self._task is not None:
            begun.found(self._task)
        self._waiting.append(begun)
        try:
            await self._lock.acquire()
        finally:
            self._waiting.remove(begun)
        try:
            begun.forget()
            yield
        finally:
            self._task = None
            self._lock.release()

    def created(self, task: str) -> None:
        """Tell the waiting requests which task the present one has created."""
        self._task = task
        for begun in self._waiting:
            begun.found(task)

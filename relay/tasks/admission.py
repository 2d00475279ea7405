"""The admission of one provider's tasks: limits on concurrent calls, and the queue for the provider's capacity."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from relay.core.platform_clock import PlatformClock
from relay.errors import Code, RequestError

CONNECTIONS = 20
"""How many tasks may read their record or open their stream at once, so that no burst of calls follows an outage."""


def always(_opening: int) -> bool:
    """Allow every stream to be opened."""
    return True


class Queue:
    """Tasks that wait while the provider is at capacity, first in, first out."""

    def __init__(self, limit: int) -> None:
        """
        Args:
            limit: how many tasks may be queued.
        """
        self._limit = limit
        self._woken: dict[str, asyncio.Event] = {}
        """By task, in the order of the queue."""
        self.closed = False
        """Whether tasks stay in the queue even if the provider has capacity: the relay is shutting down."""

    def __repr__(self) -> str:
        return f"<Queue {len(self._woken)} of {self._limit}>"

    def __len__(self) -> int:
        """Return how many tasks of this process are queued."""
        return len(self._woken)

    async def check_room(self) -> None:
        """
        Check that one more task can be queued.

        Raises:
            RequestError: the queue is full.
        """
        if len(await self._line()) >= self._limit:
            raise RequestError(
                Code.RATE_LIMITED,
                f"The platform is at capacity and {self._limit} tasks are queued already. Retry later.",
            )

    def join(self, task: str) -> None:
        """Append a task. A task that is queued already keeps its position."""
        self._woken.setdefault(task, asyncio.Event())

    def leave(self, task: str) -> None:
        """Remove a task and wake those behind it, which move up. Idempotent."""
        if self._woken.pop(task, None) is not None:
            for woken in self._woken.values():
                woken.set()

    async def position(self, task: str) -> int:
        """Return a task's position, from 1. A task that is not queued would get the last one."""
        line = await self._line()
        return line.index(task) + 1 if task in line else len(line) + 1

    def wake_first(self) -> None:
        """Wake the first task: the provider may have capacity again."""
        if first := next(iter(self._woken.values()), None):
            first.set()

    def wake(self, task: str) -> None:
        """Wake one task, if it is queued."""
        if (woken := self._woken.get(task)) is not None:
            woken.set()

    async def wait(self, task: str, timeout_s: float) -> None:
        """Wait until the task is woken, for at most `timeout_s` seconds."""
        woken = self._woken[task]
        try:
            async with asyncio.timeout(timeout_s):
                await woken.wait()
        except TimeoutError:
            return
        woken.clear()

    async def _line(self) -> Sequence[str]:
        """Return the tasks in the queue, in order."""
        return tuple(self._woken)


class Admission:
    """The shared state of all tasks of one provider. It holds no task and makes no decision about one."""

    def __init__(self, queue: Queue, may_stream: Callable[[int], bool] = always) -> None:
        """
        Args:
            queue: of the provider's tasks.
            may_stream: returns whether one more stream may be opened, given how many are being opened now.
        """
        self._may_stream = may_stream
        self._opening = 0
        self._sending: set[asyncio.Future[None]] = set()
        self.connecting = asyncio.Semaphore(CONNECTIONS)
        self.queue = queue
        self.clock = PlatformClock()
        """The offset of the platform's clock, estimated from its tasks."""
        self.adopting = asyncio.Lock()
        """Held from the check that no task of the relay is a given upstream task until that is committed for one."""

    @asynccontextmanager
    async def opening(self) -> AsyncIterator[bool]:
        """Wait for a connection slot to open a stream; yield whether a file descriptor is available for it."""
        async with self.connecting:
            may_open = self._may_stream(self._opening)
            self._opening += 1
            try:
                yield may_open
            finally:
                self._opening -= 1

    @contextmanager
    def sending(self) -> Iterator[None]:
        """
        Mark a run as being sent, from before the intent is committed until the answer is.

        Meanwhile a search could mistake its upstream task, and a relay that stops would not know its outcome.
        """
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sending.add(sent)
        try:
            yield
        finally:
            self._sending.discard(sent)
            sent.set_result(None)

    def being_sent(self) -> set[asyncio.Future[None]]:
        """Return a future for each run that is being sent now; it is done when the answer has been committed."""
        return set(self._sending)

"""
What the followers of one provider share on their way in: who may ask now, who waits, whose run is under way.

It holds no task and decides nothing about one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from relay.core.platform_clock import PlatformClock
from relay.errors import Code, RequestError

CONNECTING_AT_ONCE = 20
"""How many followers may be asking the upstream at once: a hiccup with a thousand tasks is no storm."""


def always(_opening: int) -> bool:
    """Let every stream be opened."""
    return True


class Line:
    """The tasks that the upstream has no place for, first come first served."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: dict[str, asyncio.Event] = {}

    def __repr__(self) -> str:
        return f"<Line {len(self._waiting)} of {self._limit}>"

    def __len__(self) -> int:
        return len(self._waiting)

    def check_room(self) -> None:
        """
        See that one more can wait.

        Raises:
            RequestError: the line is full.
        """
        if len(self._waiting) >= self._limit:
            raise RequestError(
                Code.RATE_LIMITED,
                f"The upstream is at its limit and {self._limit} tasks wait for a place already; try again later.",
            )

    def join(self, task: str) -> None:
        """Stand at the end of the line; who stands in it keeps the place."""
        self._waiting.setdefault(task, asyncio.Event())

    def leave(self, task: str) -> None:
        """Go, and let those behind move up. Idempotent."""
        if self._waiting.pop(task, None) is not None:
            for moved in self._waiting.values():
                moved.set()

    def position(self, task: str) -> int:
        """Return a task's place, from 1."""
        return list(self._waiting).index(task) + 1

    def freed(self) -> None:
        """Tell the first that a place may be free."""
        if first := next(iter(self._waiting.values()), None):
            first.set()

    def wake(self, task: str) -> None:
        """Tell one task to look up."""
        if (waiting := self._waiting.get(task)) is not None:
            waiting.set()

    async def wait(self, task: str, timeout_s: float) -> None:
        """Wait until something has moved, at most so long."""
        moved = self._waiting[task]
        try:
            async with asyncio.timeout(timeout_s):
                await moved.wait()
        except TimeoutError:
            return
        moved.clear()


class Doorway:
    """The way in to one upstream."""

    def __init__(self, line_limit: int, may_stream: Callable[[int], bool] = always) -> None:
        """
        Args:
            line_limit: how many tasks may wait for a place upstream.
            may_stream: says whether one more stream can be opened, beside so many that are being opened.
        """
        self._may_stream = may_stream
        self._opening = 0
        self.connecting = asyncio.Semaphore(CONNECTING_AT_ONCE)
        self.line = Line(line_limit)
        self.clock = PlatformClock()
        """How far the platform's clock is from ours, as its tasks show."""
        self.adopting = asyncio.Lock()
        """Held from seeing that nobody has an upstream task to taking it."""
        self._sending: set[asyncio.Future[None]] = set()

    @asynccontextmanager
    async def opening(self) -> AsyncIterator[bool]:
        """Take one's turn to open a task's stream; gives whether the process has a file descriptor for it."""
        async with self.connecting:
            may = self._may_stream(self._opening)
            self._opening += 1
            try:
                yield may
            finally:
                self._opening -= 1

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Mark a run as under way: until it is answered, its task upstream looks like nobody's."""
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sending.add(sent)
        try:
            yield
        finally:
            self._sending.discard(sent)
            sent.set_result(None)

    def under_way(self) -> set[asyncio.Future[None]]:
        """Return the runs that are under way now; each is done when it was answered."""
        return set(self._sending)

"""
The failures of a soak, one method each. After each of them everything works again, and the relay is ready.
"""

import asyncio
import resource
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from random import Random

import aiohttp

from tests.chaos.relay_process import RelayProcess
from tests.chaos.viewers import LOST
from tests.proxy import Proxy
from tests.soak.clock import Clock
from tests.soak.disk import Disk
from tests.soak.gauges import highest_file

IDLE_CONNECTIONS = 700
"""The number of connections without a credential that use up the relay's files."""

READY_WITHIN_S = 90.0
"""How long the relay may take until it is ready again after a failure."""

EXIT_WITHIN_S = 60.0

HOUR_S = 3600
JUMPS_S = (2 * HOUR_S, -2 * HOUR_S, 48 * HOUR_S, -48 * HOUR_S, 40 * 24 * HOUR_S, -40 * 24 * HOUR_S)
"""Longer than a token's life and a task's deadline (24 h each), and than the retention of tasks (30 days)."""

Failure = Callable[[], Awaitable[None]]


class Failures:
    """
    All failures that can happen to one relay.

    Args:
        relay: the relay's process, started by `start`.
        front: the proxy between the relay and its clients.
        upstream: the proxy between the relay and the platforms.
        disk: the disk of its store.
        clock: its time of day, or None if it cannot be changed.
        random: the source of randomness.
        longest_s: the longest duration of one failure.
        only: the kinds to use; empty means all.

    Raises:
        ValueError: a kind does not exist, or is not available on this machine.
    """

    def __init__(
        self,
        relay: RelayProcess,
        *,
        front: Proxy,
        upstream: Proxy,
        disk: Disk,
        clock: Clock | None,
        random: Random,
        longest_s: float,
        only: Sequence[str] = (),
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.now = ""
        """The current failure, for progress reports."""
        self._relay = relay
        self._front = front
        self._upstream = upstream
        self._disk = disk
        self._clock = clock
        self._random = random
        self._longest_s = longest_s
        self._kinds: dict[str, Failure] = {
            "kill -9": self.kill,
            "SIGTERM": self.terminate,
            "SIGHUP": self.hang_up,
            "files run out": self.use_up_files,
            "no file left": self.leave_no_file,
            "disk full": self.fill_disk,
            "proxy cuts": self.cut_clients,
            "proxy hangs": self.hang_clients,
            "proxy refuses": self.refuse_clients,
            "platform cuts": self.cut_platform,
            "platform hangs": self.hang_platform,
            "platform refuses": self.refuse_platform,
        }
        if clock is not None:
            self._kinds |= {"clock jumps": self.move_clock, "clock is wrong at boot": self.boot_with_wrong_clock}
        if unknown := set(only) - set(self._kinds):
            raise ValueError(f"unknown failure: {', '.join(unknown)}; known: {', '.join(self._kinds)}")
        self._kinds = {name: self._kinds[name] for name in only or self._kinds}

    @property
    def disk_kind(self) -> str:
        """How the disk is filled."""
        return self._disk.kind

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of the failures in use."""
        return tuple(self._kinds)

    async def until(self, end: float) -> None:
        """Inject one failure after another until the loop's time is `end`, each kind equally often."""
        loop = asyncio.get_running_loop()
        deck: list[str] = []
        while True:
            await asyncio.sleep(self._random.uniform(0.2, 0.5) * self._longest_s)
            if loop.time() >= end:
                return
            if not deck:
                deck = list(self._kinds)
                self._random.shuffle(deck)
            await self.inject(deck.pop())

    async def inject(self, kind: str) -> None:
        """Inject a failure, and wait until the relay is ready again."""
        self.now = kind
        self.counts[kind] += 1
        try:
            await self._kinds[kind]()
            await self.ready()
        except Exception as error:
            error.add_note(f"during: {kind}")
            raise
        self.now = ""

    async def start(self) -> None:
        """Start the relay, and wait until it is ready."""
        await self._relay.start(public=self._front.origin)
        await self.ready()

    async def ready(self) -> None:
        """Wait until the relay answers that it is ready, without a proxy between."""
        async with asyncio.timeout(READY_WITHIN_S):
            while True:
                if await self._readiness() == 200:
                    return
                await asyncio.sleep(0.1)

    async def kill(self) -> None:
        """Kill the relay, and restart it after a while."""
        await self._relay.kill()
        await self._pass(0.0, 0.5)
        await self.start()

    async def terminate(self) -> None:
        """Stop the relay with SIGTERM, after which it must exit with 0, and restart it."""
        async with asyncio.timeout(EXIT_WITHIN_S):
            code = await self._relay.end(signal.SIGTERM)
        assert code == 0, f"after SIGTERM the relay exited with {code}"
        await self._pass(0.0, 0.2)
        await self.start()

    async def hang_up(self) -> None:
        """Send SIGHUP, which reloads the settings of the running relay."""
        pid = self._relay.pid
        self._relay.signal(signal.SIGHUP)
        await self._pass(0.1, 0.2)
        assert self._relay.pid == pid, "the relay did not survive SIGHUP"

    async def use_up_files(self) -> None:
        """Open idle connections until the relay has no file descriptor left."""
        async with self._idle_connections():
            await self._pass(0.4, 1.0)

    async def leave_no_file(self) -> None:
        """Lower the relay's limit to its open files, as if the whole system ran out of them."""
        pid = self._relay.pid
        assert pid is not None
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest_file(pid) + 1, hard))
        try:
            await self._pass(0.3, 0.8)
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))

    async def fill_disk(self) -> None:
        """Fill the store's disk; sometimes kill the relay meanwhile."""
        killed = self._random.random() < 0.3
        await self._disk.fill()
        try:
            await self._pass(0.6, 1.2)
            if killed:
                await self._relay.kill()
        finally:
            await self._disk.free()
        if killed:
            await self.start()

    async def cut_clients(self) -> None:
        """Cut all connections of clients one to four times."""
        for _ in range(self._random.randint(1, 4)):
            self._front.cut()
            await self._pass(0.02, 0.1)

    async def hang_clients(self) -> None:
        """Stop forwarding between clients and relay for a while, then cut the connections or continue."""
        with self._front.hanging():
            await self._pass(0.3, 1.0)
            if self._random.random() < 0.5:
                self._front.cut()

    async def refuse_clients(self) -> None:
        """Refuse clients for a while."""
        with self._front.refusing():
            await self._pass(0.2, 0.6)

    async def cut_platform(self) -> None:
        """Cut all connections to the platforms one to four times."""
        for _ in range(self._random.randint(1, 4)):
            self._upstream.cut()
            await self._pass(0.02, 0.1)

    async def hang_platform(self) -> None:
        """Let the platforms accept connections without answering; sometimes kill the relay meanwhile."""
        with self._upstream.hanging():
            await self._pass(0.3, 1.0)
            if self._random.random() < 0.3:
                await self.kill()

    async def refuse_platform(self) -> None:
        """Make the platforms unreachable; sometimes kill the relay meanwhile."""
        with self._upstream.refusing():
            await self._pass(0.3, 0.8)
            if self._random.random() < 0.3:
                await self.kill()

    async def move_clock(self) -> None:
        """Change the clock of the running relay, and change it back; sometimes restart the relay in between."""
        assert self._clock is not None
        self._clock.set(self._random.choice(JUMPS_S))
        await self._pass(0.3, 1.0)
        if self._random.random() < 0.4:
            await self._random.choice((self.kill, self.terminate))()
            await self._pass(0.1, 0.5)
        self._clock.set(0)

    async def boot_with_wrong_clock(self) -> None:
        """Start the relay with a wrong clock, as after an empty battery, and correct it later."""
        assert self._clock is not None
        await self._relay.kill()
        self._clock.set(self._random.choice(JUMPS_S))
        await self.start()
        await self._pass(0.3, 1.0)
        self._clock.set(0)

    async def _pass(self, least: float, most: float) -> None:
        """Wait for a random part of the longest failure's duration."""
        await asyncio.sleep(self._random.uniform(least, most) * self._longest_s)

    async def _readiness(self) -> int:
        """Return the status of `/readyz`, or 0 without an answer."""
        timeout = aiohttp.ClientTimeout(total=10)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"{self._relay.url}/readyz") as answer,
            ):
                return answer.status
        except LOST:
            return 0

    @asynccontextmanager
    async def _idle_connections(self) -> AsyncIterator[None]:
        port = int(self._relay.url.rpartition(":")[2])
        async with AsyncExitStack() as stack:
            for _ in range(IDLE_CONNECTIONS):
                with suppress(OSError, TimeoutError):
                    async with asyncio.timeout(1):
                        _, writer = await asyncio.open_connection("127.0.0.1", port)
                    stack.callback(writer.transport.abort)
            yield

"""A relay with its store on the disk, what is planted in it, and what its metrics say."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from relay.app import Running
from relay.cli.diagnose import ask
from relay.core.events import Event, Log, LogOutput, Source, State
from relay.core.lifecycle import submit
from relay.core.snapshot import Snapshot, apply
from relay.journal.base import StoredTask
from relay.metrics.scrape import Scrape
from tests.conftest import API_KEY, MakeRelay

PATIENCE_S = 60.0
LINE = "x" * 8192


def scraped(relay: Running) -> Scrape:
    """Return the metrics of a relay."""
    text, _ = relay.context.metrics.expose()
    return Scrape(text.decode())


async def eventually(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if condition():
                return
            await asyncio.sleep(0)


async def found(relay: Running) -> set[str]:
    """Return the sections of docs/diagnosing.md that `relay check --diagnose` names. A busy machine may add some."""
    return {each.section for each in (await ask(relay.context.config, relay.url)).problems()}


async def until_found(relay: Running, section: str) -> None:
    """Wait until the command names a section."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if section in await found(relay):
                return
            await asyncio.sleep(0)


@dataclass(slots=True)
class Written:
    """A task whose log a test writes, because no follower does."""

    relay: Running
    snapshot: Snapshot

    async def log(self, text: str) -> None:
        """Commit a line of its log."""
        data = LogOutput(log=Log(stream="stdout", text=text))
        event = Event(
            type="output",
            task=self.snapshot.id,
            seq=self.snapshot.seq + 1,
            state=State.SUBMITTING,
            at=self.snapshot.created_at,
            source=Source.LIVE,
            data=data,
        )
        self.snapshot = apply(self.snapshot, event)
        await self.relay.journal.append([event], folded=self.snapshot)

    @contextmanager
    def stuck_viewers(self, count: int) -> Iterator[list[socket.socket]]:
        """Connect viewers that do not read."""
        address = urlsplit(self.relay.url)
        with ExitStack() as stack:
            viewers = []
            for _ in range(count):
                viewer = stack.enter_context(socket.socket())
                viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                viewer.connect((address.hostname, address.port))
                viewer.sendall(
                    f"GET /v1/tasks/{self.snapshot.id}/events HTTP/1.1\r\nHost: {address.netloc}\r\n"
                    f"Accept: text/event-stream\r\nAuthorization: Bearer {API_KEY}\r\n\r\n".encode()
                )
                viewers.append(viewer)
            yield viewers

    async def fill(self, count: int) -> None:
        """Write until that many viewers are behind."""
        hub = self.relay.context.hub
        await eventually(lambda: hub.viewers == count)
        async with asyncio.timeout(PATIENCE_S):
            while hub.slow_viewers < count:
                await self.log(LINE)


async def written(relay: Running) -> Written:
    """Create a task that is not followed."""
    event, snapshot = submit(
        task="a-task-of-the-test", model="a/b", provider="wiro", tags=(), epoch=relay.journal.epoch, now=1.0
    )
    stored = StoredTask(id=snapshot.id, provider="wiro", model="a/b", created_at=1.0, input={}, metadata={})
    await relay.journal.create(stored, event)
    return Written(relay, snapshot)


@pytest.fixture
async def disk_relay(make_relay: MakeRelay, tmp_path: Path) -> AsyncIterator[Running]:
    """Start a relay with its store in a file."""
    async with make_relay(store=f"sqlite:///{tmp_path}/relay.db") as relay:
        yield relay

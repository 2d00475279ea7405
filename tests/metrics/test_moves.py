"""Every metric that the dashboard and the alert rules use moves when what it counts happens."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import aiohttp
import pytest

from relay.app import Running
from relay.core.events import State
from relay.errors import StoreError
from relay.journal.base import Journal
from relay.journal.load import Load
from relay.journal.memory import MemoryJournal
from relay.metrics.collector import Metrics
from relay.metrics.families import FAMILIES
from relay.metrics.sampler import Sampler, Samples
from relay.metrics.scrape import Scrape
from relay.sandbox import Sandbox
from tests.conftest import API_KEY, MakeRelay
from tests.metrics.conftest import LINE, PATIENCE_S, eventually, scraped, written
from tests.metrics.test_files import USED
from tests.tasks.support import MODEL, ended, reached

CONSTANT = {
    "relay_build_info",
    "relay_connections_configured_limit",
    "relay_connections_limit",
    "relay_disk_size_bytes",
    "relay_open_files_limit",
    "relay_spool_limit_bytes",
    "relay_start_timestamp_seconds",
}
"""What a relay only states."""

ELSEWHERE = {
    "relay_archive_bytes",
    "relay_disk_free_bytes",
    "relay_journal_commit_longest_seconds",
    "relay_journal_commit_running_seconds",
    "relay_journal_failing",
    "relay_journal_lag_seconds",
    "relay_journal_queue_length",
    "relay_store_bytes",
    "relay_webhooks_pending",
}
"""What the tests below move, and that of a slow disk in `test_faults`."""

SIGN = {"X-Forwarded-For": "203.0.113.9"}


class Moves:
    """Notes which metrics differ between scrapes."""

    def __init__(self, relay: Running) -> None:
        self._relay = relay
        self._last = self._read()
        self.seen: set[str] = set()

    def look(self) -> None:
        """Compare with the last scrape."""
        now = self._read()
        self.seen |= {name for name, value in now.items() if value != self._last.get(name)}
        self._last = now

    def _read(self) -> dict[str, object]:
        scrape = scraped(self._relay)
        return {
            name: [(sample.labels, sample.value) for sample in scrape[f"{name}_count" if is_histogram else name]]
            for name in FAMILIES
            for is_histogram in [FAMILIES[name].kind == "histogram"]
        }


@pytest.fixture
def busy_settings(sandbox: Sandbox, tmp_path: Path) -> dict[str, object]:
    return {
        "store": f"sqlite:///{tmp_path}/relay.db",
        "archive": f"file://{tmp_path}/results",
        "webhook_urls": (sandbox.webhook_url,),
        "webhook_secrets": (sandbox.webhook_secret,),
        "connection_limit": 2,
        "silence_s": 0.05,
    }


async def test_every_metric_moves(make_relay: MakeRelay, sandbox: Sandbox, busy_settings: dict[str, object]) -> None:
    """One relay that everything happens to."""
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with make_relay(**busy_settings) as relay, aiohttp.ClientSession(relay.url, headers=headers) as client:
        moves, hub = Moves(relay), relay.context.hub
        await _tasks(relay, client, sandbox, moves)
        await _viewers(relay, client, moves)
        await _files(relay, moves)
        await _requests(client, moves)
        await _no_files(relay, moves)
        await eventually(lambda: relay.context.metrics._sources.loop_lag.seconds.total)
        await relay.context.tasks.drain(0)
        moves.look()
        assert hub.viewers == 0
    assert USED - moves.seen - CONSTANT - ELSEWHERE == set()


async def _tasks(relay: Running, client: aiohttp.ClientSession, sandbox: Sandbox, moves: Moves) -> None:
    """Start a task that stalls and ends, and queue one."""
    body = {"model": MODEL, "input": {"prompt": "a cat [sandbox: hold_at=task_start]"}}
    async with client.post("/v1/tasks", json=body) as answer:
        task = (await answer.json())["task"]["id"]
    supervisor = relay.context.tasks._supervisor
    await eventually(lambda: any(each.stall for each in supervisor.states()))
    moves.look()
    upstream = (await reached(relay, task, lambda snapshot: snapshot.state is State.RUNNING)).upstream_id
    assert upstream is not None
    sandbox.release(upstream)
    await ended(relay, task)
    archive = relay.context.archive
    assert archive is not None
    await eventually(lambda: archive.copies["kept",] and scraped(relay)["relay_webhook_attempts_total"])
    moves.look()
    queue = supervisor.admission("wiro").queue
    queue.join("another-task")
    moves.look()
    queue.leave("another-task")


async def _viewers(relay: Running, client: aiohttp.ClientSession, moves: Moves) -> None:
    """Have one viewer keep up and one not, and refuse a third."""
    task = await written(relay)
    hub = relay.context.hub
    async with client.ws_connect(f"/v1/tasks/{task.snapshot.id}/ws") as keeps_up:
        with task.stuck_viewers(1) as (stuck,):
            await eventually(lambda: hub.viewers == 2)
            while not hub.slow_viewers:
                await task.log(LINE)
                await keeps_up.receive()
            moves.look()
            async with client.get(
                f"/v1/tasks/{task.snapshot.id}/events", headers={"Accept": "text/event-stream"}
            ) as third:
                await third.read()
            stuck.setblocking(False)
            loop = asyncio.get_running_loop()
            while hub.slow_viewers:
                await loop.sock_recv(stuck, 65_536)
    await eventually(lambda: hub.viewers == 0)
    moves.look()


async def _files(relay: Running, moves: Moves) -> None:
    """Begin an upload."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"content"

    upload = relay.context.spool.new_upload_id()
    await relay.context.spool.write(Path(upload, "file"), chunks())
    moves.look()
    await relay.context.spool.delete(upload)


async def _requests(client: aiohttp.ClientSession, moves: Moves) -> None:
    """Send a wrong key through a proxy that is not trusted."""
    async with client.get("/v1/tasks", headers={"Authorization": "Bearer wrong"} | SIGN) as answer:
        assert answer.status == 401
    async with client.post("/v1/tasks", json={"model": MODEL, "input": {"prompt": "a cat [sandbox: run_http=drop]"}}):
        moves.look()


async def _no_files(relay: Running, moves: Moves) -> None:
    """Leave no descriptor for a connection: first by the relay's own limit, then by that of the system."""
    address = (urlsplit(relay.url).hostname, urlsplit(relay.url).port)
    gate, descriptors = relay.context.gate, relay.context.gate.descriptors
    with closing(socket.socket()) as one, closing(socket.socket()) as two:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors._lowest_free(), hard))
        try:
            one.connect(address)
            await eventually(lambda: relay.context.counts.accepts_failed)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        gate._descriptors = replace(descriptors, limit=1)
        two.connect(address)
        await eventually(lambda: gate.refused["no_files",])
    gate._descriptors = descriptors
    with closing(socket.create_connection(address)):
        await eventually(lambda: any(each.idle_since and not each.idle_since[0] for each in gate._open))
        gate._descriptors = replace(descriptors, limit=1)
        with closing(socket.create_connection(address)):
            await eventually(lambda: gate.dismissed)
    moves.look()


async def test_the_sizes_are_sampled(make_relay: MakeRelay, busy_settings: dict[str, object], tmp_path: Path) -> None:
    """They are those of the store and of its disk."""
    settings = busy_settings | {"webhook_urls": ("http://127.0.0.1:1/",)}
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with make_relay(**settings) as relay, aiohttp.ClientSession(relay.url, headers=headers) as client:
        async with client.post("/v1/tasks", json={"model": MODEL, "input": {"prompt": "a cat"}}) as answer:
            task = (await answer.json())["task"]["id"]
        await ended(relay, task)
        samples = Samples()
        sampler = Sampler(samples, relay.journal, tmp_path, keeps_results=True)
        async with asyncio.timeout(PATIENCE_S):
            while not samples.archive_bytes:
                await sampler.sample()
        sampled = Scrape(Metrics(replace(relay.context.metrics._sources, samples=samples)).expose()[0].decode())
        assert 0 < sampled.total("relay_store_bytes") <= await relay.journal.size_bytes()
        assert sampled.total("relay_webhooks_pending") >= 1
        assert 0 < sampled.total("relay_archive_bytes") <= await relay.journal.copies.size_bytes()
        assert 0 < sampled.total("relay_disk_free_bytes") < sampled.total("relay_disk_size_bytes")


async def test_what_a_sample_cannot_read_stays_as_it_was(tmp_path: Path) -> None:
    """A store or a disk that fails is reported elsewhere."""
    journal = SilentJournal()
    await journal.open(lock=True)
    samples = Samples()
    await Sampler(samples, cast("Journal", journal), tmp_path / "missing", keeps_results=False).sample()
    assert samples == Samples()


class SilentJournal(MemoryJournal):
    """A journal that cannot be read."""

    async def size_bytes(self) -> int:
        raise StoreError("the disk does not answer")


class BusyJournal(MemoryJournal):
    """A journal of several nodes that is behind, fails and has a queue."""

    @property
    def load(self) -> Load:
        return Load(queued=3, lag_s=2.5, failing=frozenset({"write"}))


async def test_the_load_of_the_journal_is_read(relay: Running) -> None:
    """The tests of the journals plant the load itself."""
    sources = replace(relay.context.metrics._sources, journal=cast("Journal", BusyJournal()))
    scrape = Scrape(Metrics(sources).expose()[0].decode())
    assert scrape.total("relay_journal_queue_length") == 3
    assert scrape.total("relay_journal_lag_seconds") == 2.5
    assert scrape.by("relay_journal_failing", "use") == {"read": 0, "write": 1}

"""
Five faults, each of which the metrics show and `relay check --diagnose` names: a slow disk, a dead platform, viewers
that do not read, no file descriptors, a misconfigured proxy.
"""

import asyncio
import socket
import threading
from collections.abc import Sequence
from urllib.parse import urlsplit

import aiohttp
import pytest

from relay.app import Running
from relay.cli.diagnose import ask
from relay.errors import RelayError
from relay.hub.close_codes import TOO_SLOW
from relay.journal.sqlite import SQLiteJournal
from relay.web.http.file_descriptors import Descriptors
from relay.web.live.live_viewer import LiveViewer
from tests.conftest import API_KEY, MakeRelay
from tests.metrics.conftest import eventually, found, scraped, until_found, written
from tests.tasks.support import MODEL

BODY = {"model": MODEL, "input": {"prompt": "a cat"}}
STUCK = 12


async def send(relay: Running, request_line: str, *headers: str) -> None:
    """Send a request with the API key, and wait until the relay closes the connection."""
    address = urlsplit(relay.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    lines = (request_line, f"Host: {address.netloc}", f"Authorization: Bearer {API_KEY}", "Content-Length: 0", *headers)
    writer.write("\r\n".join((*lines, "", "")).encode())
    await reader.read()
    writer.close()


async def test_a_slow_disk(disk_relay: Running) -> None:
    """The commit that is running counts, so that a disk that does not answer at all is found."""
    journal = disk_relay.journal
    assert isinstance(journal, SQLiteJournal)
    writer, asked, answers = journal._opened().writer, threading.Event(), threading.Event()
    check = writer._check

    def wait() -> None:
        asked.set()
        answers.wait()
        check()

    writer._check = wait
    commit = asyncio.create_task(journal.save_time(1.0))
    await eventually(asked.is_set)  # until then, the next one could join this commit
    waiting = asyncio.create_task(journal.save_time(2.0))
    try:
        await until_found(disk_relay, "the-disk-is-slow")
        scrape = scraped(disk_relay)
        assert scrape.total("relay_journal_queue_length") >= 1
        assert scrape.total("relay_journal_commit_running_seconds") > 1
    finally:
        answers.set()
        writer._check = check
        await asyncio.gather(commit, waiting)
    assert "the-disk-is-slow" in await found(disk_relay)  # it is remembered for a minute
    await eventually(lambda: scraped(disk_relay).total("relay_journal_commit_running_seconds") == 0)


async def test_a_dead_platform(make_relay: MakeRelay) -> None:
    """Its port is closed."""
    async with make_relay(wiro_api_url="http://127.0.0.1:1/v1") as relay:
        assert "the-platform-does-not-answer" not in await found(relay)
        headers = {"Authorization": f"Bearer {API_KEY}"}
        async with aiohttp.ClientSession(relay.url, headers=headers) as session, session.post("/v1/tasks", json=BODY):
            pass
        assert "the-platform-does-not-answer" in await found(relay)
        (call,) = scraped(relay)["relay_upstream_calls_total"]
        assert call.labels == {"provider": "wiro", "endpoint": "/Run", "outcome": "unavailable"}


async def test_viewers_that_do_not_read(disk_relay: Running) -> None:
    """They are behind, and caught up when they read."""
    task = await written(disk_relay)
    with task.stuck_viewers(STUCK):
        await task.fill(STUCK)
        assert "viewers-do-not-keep-up" in await found(disk_relay)
        scrape = scraped(disk_relay)
        assert scrape.total("relay_viewers_behind") == scrape.total("relay_viewers") == STUCK
        assert scrape.total("relay_viewers_fell_behind_total") == STUCK


async def test_viewers_that_are_cut_leave_a_trace(disk_relay: Running) -> None:
    """The kernel disconnects a client that reads nothing; here it waits for a millisecond instead of a minute."""
    task, hub = await written(disk_relay), disk_relay.context.hub
    with task.stuck_viewers(STUCK):
        await task.fill(STUCK)
        for viewer in hub._slow._viewers:
            assert isinstance(viewer, LiveViewer)
            accepted = viewer.transport._sock  # type: ignore[attr-defined] # a SocketTransport
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1)
        await eventually(lambda: hub.viewers == 0)
    scrape = scraped(disk_relay)
    assert hub.counts.slow == {("fell_behind",): STUCK}
    assert scrape.by("relay_disconnects_total", "code") == {str(TOO_SLOW.code): STUCK}
    assert scrape.total("relay_viewers_behind") == 0
    assert "viewers-do-not-keep-up" in await found(disk_relay)


async def test_no_files_left(relay: Running) -> None:
    """The relay answers on the descriptors that it has kept for API calls."""
    gate = relay.context.gate
    # Descriptors up to 45 are for connections: more than are open now, and viewers get those up to 13.
    open_files = gate.descriptors.in_use()
    gate._descriptors = Descriptors((open_files + 16) * 4 // 3)
    assert "no-file-descriptors-are-left" in await found(relay)
    await send(relay, "GET /v1/events?task=x HTTP/1.1", "Accept: text/event-stream")
    assert scraped(relay).by("relay_viewers_refused_total", "reason")["no_files"] == 1


async def test_no_files_left_at_all(relay: Running) -> None:
    """Every connection is closed at once, which the command can tell from a relay that does not run."""
    relay.context.gate._descriptors = Descriptors(1)
    with pytest.raises(RelayError, match=r"closes connections without a response.*no-file-descriptors-are-left"):
        await ask(relay.context.config, relay.url)
    assert scraped(relay).by("relay_connections_refused_total", "reason")["no_files"] >= 1


WEBSOCKET = ("Connection: close", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13")


@pytest.mark.parametrize(
    ("sign", "request_line", "headers"),
    [
        ("upgrade_missing", "GET /v1/ws HTTP/1.1", WEBSOCKET),
        ("forwarded_untrusted", "GET /livez HTTP/1.1", ("X-Forwarded-For: 203.0.113.9", "Connection: close")),
        ("stream_http_1_0", "GET /v1/events?task=x HTTP/1.0", ("Accept: text/event-stream",)),
        ("browser_poll", "POST /v1/events HTTP/1.1", ("Sec-Fetch-Mode: cors", "Connection: close")),
        ("origin_refused", "GET /v1/tasks HTTP/1.1", ("Origin: https://shop.example", "Connection: close")),
    ],
)
async def test_a_wrong_proxy(relay: Running, sign: str, request_line: str, headers: Sequence[str]) -> None:
    """Each request is one that the proxy would pass on."""
    await send(relay, request_line, *headers)

    counted = scraped(relay).by("relay_proxy_signs_total", "sign")
    assert {name for name, count in counted.items() if count} == {sign}
    assert "the-proxy-is-misconfigured" in await found(relay)

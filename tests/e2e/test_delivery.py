"""What the relay's pages cost: how many requests until they are live, and how many bytes."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, expect

from relay.app import Running
from relay.core.events import Output
from relay.sandbox import Sandbox
from tests.e2e import stories
from tests.e2e.follow import BLANK, part, release, start_held, token
from tests.proxy import Proxy

pytestmark = pytest.mark.asyncio(loop_scope="session")


CERTIFICATE = Path(__file__).parents[1] / "certificates" / "platform.pem"


@dataclass
class Traffic:
    """What a page has requested and received, pictures excluded: they load when the reader sees them."""

    requests: list[str] = field(default_factory=list)
    received_bytes: float = 0
    messages: list[dict[str, Any]] = field(default_factory=list)
    """Those of the WebSocket, in order."""
    until_listed: tuple[int, float] = (0, 0)
    """The number of requests, and the bytes, when the WebSocket had brought the list of a board."""


@asynccontextmanager
async def opened(browser: Browser, relay: Running, path: str) -> AsyncIterator[tuple[Page, Traffic]]:
    """
    Open a page as behind a proxy with HTTPS, where browsers accept Brotli, with an empty cache.

    The traffic includes all headers and the messages of the connection.
    """
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE)
    port = urlsplit(relay.url).port
    assert port is not None
    async with Proxy(0, port, tls) as proxy:
        context = await browser.new_context(ignore_https_errors=True, reduced_motion="reduce")
        page = await context.new_page()
        session = await context.new_cdp_session(page)
        traffic = Traffic()
        pictures = set()

        def requested(event: dict[str, Any]) -> None:
            if event.get("type") == "Image":
                pictures.add(event["requestId"])
            else:
                traffic.requests.append(event["request"]["url"])

        def finished(event: dict[str, Any]) -> None:
            if event["requestId"] not in pictures:
                traffic.received_bytes += event["encodedDataLength"]

        def framed(event: dict[str, Any]) -> None:
            payload = event["response"]["payloadData"]
            traffic.received_bytes += len(payload.encode())
            message = json.loads(payload)
            traffic.messages.append(message)
            if message["type"] == "listed":
                traffic.until_listed = len(traffic.requests), traffic.received_bytes

        session.on("Network.requestWillBeSent", requested)
        session.on("Network.loadingFinished", finished)
        session.on("Network.webSocketCreated", lambda event: traffic.requests.append(event["url"]))
        session.on("Network.webSocketFrameReceived", framed)
        await session.send("Network.enable")
        await page.goto(proxy.origin + path)
        yield page, traffic
        await context.close()


async def test_an_embedded_task_is_live_after_five_requests(sandbox: Sandbox, relay: Running, browser: Browser) -> None:
    """The page, its script, the state and the connection: at most 30 KB."""
    task = await start_held(relay, sandbox)
    async with opened(browser, relay, f"/embed/{task.id}#token={token(relay, task)}") as (page, traffic):
        await expect(part(page, "connection")).to_have_text("live")

    assert len(traffic.requests) <= 5, traffic.requests
    scripts = [url for url in traffic.requests if url.endswith(".js")]
    assert "/embed." in scripts[0], "a smaller script took the open connection; a new one costs a round trip"
    assert sum("/v1/events" in url for url in traffic.requests) == 1, "the client requested the state again"
    assert traffic.received_bytes <= 30_000
    release(sandbox, task)


async def test_the_request_of_a_page_uses_the_token_of_the_tab(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """The dashboard has stored one with a wider scope; the client uses it, too, so the state is requested once."""
    task = await start_held(relay, sandbox)
    wider, _ = relay.context.access.mint(task.id, scope="view cancel input", ttl_s=600)
    await page.goto(relay.url + BLANK)
    await page.evaluate("([name, token]) => sessionStorage.setItem(name, token)", [f"relay.token.{task.id}", wider])
    requests: list[tuple[str, str]] = []
    page.on(
        "request",
        lambda request: requests.append((urlsplit(request.url).path, request.headers.get("authorization", ""))),
    )

    await page.goto(f"{relay.url}/t/{task.id}#token={token(relay, task)}")

    await expect(part(page, "connection")).to_have_text("live")
    assert sorted(each for each in requests if each[1]) == [
        ("/v1/events", f"Bearer {wider}"),
        (f"/v1/tasks/{task.id}/input", f"Bearer {wider}"),
    ]
    release(sandbox, task)


async def test_the_dashboard_is_live_after_eight_requests(relay: Running, browser: Browser) -> None:
    """
    The page, its script, two lists, the state and the connection: at most 40 KB.

    That is with a page of 25 ended tasks, which the connection does not bring again. Later come the form with its
    script and the models, and what the pictures need.
    """
    picture = Output(content_type="image/png", name="0.png", size=264_000, url="https://cdn.example/0.png")
    for number in range(25):
        await stories.write_succeeded(relay, f"task-{number}", picture)
    async with opened(browser, relay, f"/#key={relay.api_key}") as (page, traffic):
        await expect(page.locator("#connection")).to_have_text("live")
        await expect(page.locator("#list li")).to_have_count(25)
        await expect(page.locator("#model option").nth(1)).to_be_attached()

    requests, received_bytes = traffic.until_listed
    assert 0 < requests <= 8, traffic.requests
    assert received_bytes <= 40_000
    assert len(traffic.requests) <= 10, traffic.requests
    assert traffic.received_bytes <= 56_000
    assert "snapshot" not in [message["type"] for message in traffic.messages]

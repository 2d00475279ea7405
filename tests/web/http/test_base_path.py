"""
The relay behind a proxy: under a path of a site, with or without the prefix, and with its own origin.

`queries` is tested here too.
"""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from relay.app import Running
from tests.conftest import API_KEY, MakeRelay

BASE = "https://example.com/relay"
KEY = {"Authorization": f"Bearer {API_KEY}"}
BODY = {"model": "bytedance/text-to-image-seedream-v4", "input": {"prompt": "a cat"}}


@pytest.fixture
async def relay(make_relay: MakeRelay) -> AsyncIterator[Running]:
    """A relay whose public URL has a path."""
    async with make_relay(public_url=f"{BASE}/") as started:
        yield started


@pytest.mark.parametrize("before", ["", "/relay"])
async def test_everything_is_served_with_and_without_the_prefix(client: aiohttp.ClientSession, before: str) -> None:
    """Pages, modules, calls and WebSockets. Links and `Location` have the public URL."""
    async with client.post(f"{before}/v1/tasks", json=BODY) as answer:
        made = await answer.json()
        task = made["task"]["id"]
        assert (answer.status, answer.headers["Location"]) == (201, f"{BASE}/v1/tasks/{task}")
    assert made["links"]["view"].startswith(f"{BASE}/t/{task}#token=")
    assert made["links"]["ws"] == f"wss://example.com/relay/v1/tasks/{task}/ws"
    for path in ("/", f"/t/{task}", f"/embed/{task}", f"/inspect/{task}", "/livez", "/openapi.json"):
        async with client.get(before + path, allow_redirects=False) as answer:
            assert answer.status == 200, path
    async with client.get(f"{before}/static/relay.js", headers={"Origin": "https://else.example"}) as answer:
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")
    async with client.get(f"{before}/v1/tasks/{task}", headers={"Origin": "https://else.example"}) as answer:
        assert answer.status == 403
    async with client.get(f"{before}/v1/tasks/{task}?token=a&token=b", headers=KEY) as answer:
        assert answer.status == 422
    async with client.ws_connect(f"{before}/v1/tasks/{task}/ws", headers={"Origin": "https://example.com"}) as socket:
        assert (await socket.receive_json())["type"] == "snapshot"
    async with client.get("/other/livez") as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("asked", "location", "leads_to"),
    [
        ("/t/abc/", "../abc", "/t/abc"),
        ("/relay/t/abc/", "../abc", "/relay/t/abc"),
        ("/t/abc/?wire=sse", "../abc?wire=sse", "/t/abc?wire=sse"),
        ("/embed/abc/", "../abc", "/embed/abc"),
        ("/inspect/abc/", "../abc", "/inspect/abc"),
        ("/b/abc/", "../abc", "/b/abc"),
        ("/relay", "relay/", "/relay/"),
    ],
)
async def test_a_trailing_slash_is_redirected(
    client: aiohttp.ClientSession, relay: Running, asked: str, location: str, leads_to: str
) -> None:
    """References in pages are relative. So is the redirect, because a proxy may have stripped a prefix."""
    async with client.get(asked, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (308, location)
    async with client.get(asked) as answer:
        assert (answer.status, str(answer.url)) == (200, relay.url + leads_to)


async def test_a_callback_url_under_a_prefix_is_not_logged(
    client: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its secret must not appear in the log."""
    async with client.post("/relay/hooks/wiro/a-secret-word", json={}) as answer:
        assert answer.status == 404
    said = capsys.readouterr()
    assert "/hooks/…" in said.out
    assert "a-secret-word" not in said.out + said.err


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("relay.example.com:443", "https://relay.example.com", 200),
        ("Relay.Example.COM", "https://relay.example.com", 200),
        ("relay.example.com:80", "http://relay.example.com", 200),
        ("relay.example.com:8081", "https://relay.example.com:8081", 200),
        ("internal:8080", "https://example.com", 200),
        ("internal:8080", "https://EXAMPLE.com", 403),
        ("relay.example.com", "https://relay.example.com:8081", 403),
        ("relay.example.com", "https://relay.example.com/", 403),
        ("relay.example.com", "https://relay.example.com:443", 403),
        ("relay.example.com", "https://a.shop.example", 200),
        ("relay.example.com", "https://shop.example", 403),
        ("relay.example.com", "null", 403),
    ],
)
async def test_the_relays_own_origin_is_allowed_behind_proxies(
    make_relay: MakeRelay, host: str, origin: str, status: int
) -> None:
    """The public URL and `Host` are normalized; `Origin` is compared as it was sent."""
    given: dict[str, Any] = {"public_url": f"{BASE}/", "allowed_origins": "https://*.Shop.example/"}
    async with (
        make_relay(**given) as relay,
        aiohttp.ClientSession(relay.url, headers=KEY) as client,
        client.get("/v1/tasks", headers={"Host": host, "Origin": origin}) as answer,
    ):
        assert answer.status == status
        assert answer.headers.get("Access-Control-Allow-Origin") == (origin if status == 200 else None)


async def test_only_null_allows_pages_without_an_origin(make_relay: MakeRelay) -> None:
    """Operators may accept that risk."""
    async with (
        make_relay(allowed_origins="NULL") as relay,
        aiohttp.ClientSession(relay.url, headers=KEY) as client,
        client.get("/v1/tasks", headers={"Origin": "null"}) as answer,
    ):
        assert answer.status == 200


@pytest.mark.parametrize("path", ["tasks/x", "tasks/x/input", "models", "models/a/b", "tasks/x/events"])
async def test_a_repeated_parameter_is_rejected(client: aiohttp.ClientSession, path: str) -> None:
    """The problem names it, on every call."""
    async with client.get(f"/v1/{path}?provider=a&x=1&x=2&provider=b") as answer:
        problem = await answer.json()
    assert (answer.status, [error["field"] for error in problem["errors"]]) == (422, ["provider", "x"])
    assert problem["detail"] == "provider: must be given once, not 2 times; x: must be given once, not 2 times"


async def test_streams_and_websockets_reject_a_repeated_cursor(client: aiohttp.ClientSession) -> None:
    """A WebSocket gets it as the close reason. Queries of pages are not checked."""
    async with client.get("/v1/tasks/x/events?cursor=a&cursor=b", headers={"Accept": "text/event-stream"}) as answer:
        assert answer.status == 422
    for path in ("/v1/tasks/x/ws?cursor=a:1&cursor=a:2", "/v1/ws?token=a&token=b"):
        async with client.ws_connect(path) as socket:
            message = await socket.receive()
            assert message.data == 4505
            assert "must be given once, not 2 times" in str(message.extra)
    async with client.get("/t/x?wire=sse&wire=ws") as answer:
        assert answer.status == 200

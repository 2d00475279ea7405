"""The relay behind a proxy: under a path of a site, whether the proxy passes the path on or not, and its own origin."""

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
    """A relay that the outside sees under a path."""
    async with make_relay(public_url=f"{BASE}/") as started:
        yield started


@pytest.mark.parametrize("before", ["", "/relay"])
async def test_everything_is_served_with_the_path_and_without(client: aiohttp.ClientSession, before: str) -> None:
    """Pages, modules, calls and sockets; links and Location are what the outside sees."""
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
        ("/relay", "relay/", "/relay/"),
    ],
)
async def test_a_page_is_at_one_address(
    client: aiohttp.ClientSession, relay: Running, asked: str, location: str, leads_to: str
) -> None:
    """What it loads is relative to that; the way there is relative too, for a proxy may have taken a prefix away."""
    async with client.get(asked, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (308, location)
    async with client.get(asked) as answer:
        assert (answer.status, str(answer.url)) == (200, relay.url + leads_to)


async def test_a_hook_under_a_path_is_no_word_of_the_log(
    client: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the prefix, the word is as secret as without."""
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
async def test_an_origin_is_the_relays_own_whatever_the_proxy_does_to_host(
    make_relay: MakeRelay, host: str, origin: str, status: int
) -> None:
    """The setting and Host are normalised; Origin is taken as it was sent."""
    given: dict[str, Any] = {"public_url": f"{BASE}/", "allowed_origins": "https://*.Shop.example/"}
    async with (
        make_relay(**given) as relay,
        aiohttp.ClientSession(relay.url, headers=KEY) as client,
        client.get("/v1/tasks", headers={"Host": host, "Origin": origin}) as answer,
    ):
        assert answer.status == status
        assert answer.headers.get("Access-Control-Allow-Origin") == (origin if status == 200 else None)


async def test_only_null_lets_a_page_without_an_origin_in(make_relay: MakeRelay) -> None:
    """A hazard that an operator may take."""
    async with (
        make_relay(allowed_origins="NULL") as relay,
        aiohttp.ClientSession(relay.url, headers=KEY) as client,
        client.get("/v1/tasks", headers={"Origin": "null"}) as answer,
    ):
        assert answer.status == 200


@pytest.mark.parametrize("path", ["tasks/x", "tasks/x/input", "models", "models/a/b", "tasks/x/events"])
async def test_a_parameter_that_repeats_is_never_ignored(client: aiohttp.ClientSession, path: str) -> None:
    """422 with its name, on every call."""
    async with client.get(f"/v1/{path}?provider=a&x=1&x=2&provider=b") as answer:
        problem = await answer.json()
    assert (answer.status, [error["field"] for error in problem["errors"]]) == (422, ["provider", "x"])
    assert problem["detail"] == "provider: given 2 times; give it once; x: given 2 times; give it once"


async def test_a_stream_and_a_socket_refuse_a_cursor_that_repeats(client: aiohttp.ClientSession) -> None:
    """A socket says so in its close; a page's own query is its own business."""
    async with client.get("/v1/tasks/x/events?cursor=a&cursor=b", headers={"Accept": "text/event-stream"}) as answer:
        assert answer.status == 422
    for path in ("/v1/tasks/x/ws?cursor=a:1&cursor=a:2", "/v1/ws?token=a&token=b"):
        async with client.ws_connect(path) as socket:
            message = await socket.receive()
            assert message.data == 4505
            assert "given 2 times" in str(message.extra)
    async with client.get("/t/x?wire=sse&wire=ws") as answer:
        assert answer.status == 200

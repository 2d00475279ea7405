"""Callback URLs cannot be guessed, replays have no effect, and URLs from outside are never requested."""

import ast
import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aiohttp
import pytest

import relay as package
from relay.app import Running
from relay.sandbox import Sandbox
from relay.tasks import ids
from relay.tasks.models import Models

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[..., AbstractAsyncContextManager[Line]]

IMAGE = "bytedance/text-to-image-seedream-v4"
PATIENCE_S = 60.0

POSTGRES = "journal/postgres/connection.py"
CALLERS = {"providers/http.py", "providers/wiro/socket.py", POSTGRES, "archive/download.py", "webhooks/sender.py"}
"""
The modules that open connections, only to the hosts in the settings.

The archive also requests results, under the rules that tests/archive/test_reach.py checks, and webhooks go to the
receivers that tests/webhooks/test_sender.py allows.
"""

WAYS_OUT = {
    *("ClientSession", "TCPConnector", "request", "connect", "unix_connect", "urlopen", "urlretrieve"),
    *("HTTPConnection", "HTTPSConnection", "open_connection", "create_connection", "create_datagram_endpoint"),
    *("sock_connect", "connect_ex", "open_unix_connection", "getaddrinfo", "create_subprocess_exec", "Popen"),
}
"""Names in libraries that open connections."""

ELSEWHERE = {
    *(("journal/sqlite/database.py", "connect"), ("journal/sqlite/checkpoints.py", "connect")),  # SQLite's, to a file
    ("archive/thumbnails.py", "create_subprocess_exec"),  # programs that read files
    ("journal/sqlite/maintenance.py", "connect"),  # SQLite's, too
    *(("ready.py", "HTTPConnection"), ("ready.py", "request")),  # another process, to the relay of its settings
    ("cli/diagnose.py", "ClientSession"),  # the same
    ("cli/diagnose.py", "open_connection"),
    *(("client/asynchronous.py", "request"), ("client/synchronous.py", "request")),  # other programs, to their relay
}
"""Calls of these names that open no connection to another host."""


def called(path: Path) -> Iterator[str]:
    """Yield the last name of everything that a module calls or subclasses."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                yield name
            case ast.ClassDef(bases=bases):
                yield from (base.id for base in bases if isinstance(base, ast.Name))
            case _:
                pass


def test_only_the_providers_and_the_store_open_connections() -> None:
    """Other modules can show a URL or pass it on, but not request it."""
    folder = Path(package.__file__).parent
    reaching = {
        (str(path.relative_to(folder)), name)
        for path in folder.rglob("*.py")
        if "sandbox" not in path.parts
        for name in called(path)
        if name in WAYS_OUT
    }
    within = {each for each in reaching if each[0].startswith("journal/postgres/") and each[1] == "connect"}
    elsewhere = ELSEWHERE | {each for each in within if each[0] != POSTGRES}  # they call the one of that module
    assert {path for path, _ in reaching - elsewhere} == CALLERS


async def test_a_redirect_is_not_followed(make_relay: MakeRelay) -> None:
    """A platform cannot redirect the relay to another host."""
    heard: list[object] = []
    trap = await asyncio.start_server(lambda reader, writer: heard.append(reader), "127.0.0.1", 0)
    bait = f"http://127.0.0.1:{trap.sockets[0].getsockname()[1]}/bait"

    async def send_elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Elsewhere\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % bait.encode())
        writer.close()

    upstream = await asyncio.start_server(send_elsewhere, "127.0.0.1", 0)
    address = f"127.0.0.1:{upstream.sockets[0].getsockname()[1]}"
    async with trap, upstream, make_relay(wiro_api_url=f"http://{address}") as relay:
        headers = {"Authorization": f"Bearer {relay.api_key}"}
        async with aiohttp.ClientSession(relay.url, headers=headers) as client:
            async with client.post("/v1/tasks", json={"model": IMAGE, "input": {"prompt": "a cat"}}) as answer:
                assert (answer.status, (await answer.json())["task"]["state"]) == (202, "submitting")
            async with client.get("/v1/models/somebody/something") as answer:
                assert answer.status == 502
    assert heard == []


async def test_urls_of_clients_are_not_requested(make_relay: MakeRelay, sandbox: Sandbox) -> None:
    """URLs in inputs, metadata, callbacks, model names and headers: a server there gets no request."""
    heard: list[object] = []
    trap = await asyncio.start_server(lambda reader, writer: heard.append(reader), "127.0.0.1", 0)
    bait = f"http://127.0.0.1:{trap.sockets[0].getsockname()[1]}/bait.png"
    async with trap, make_relay(public_url="http://relay.example/") as relay:
        headers = {"Authorization": f"Bearer {relay.api_key}", "Referer": bait, "X-Forwarded-Host": bait}
        async with aiohttp.ClientSession(relay.url, headers=headers) as client:
            body = {
                "model": "bytedance/seedream-v4",
                "input": {"prompt": bait, "inputImageUrl": bait, "inputImage": [bait]},
                "metadata": {"callback": bait},
            }
            for given in ({"prompt": bait, "inputImage": [bait]}, {"prompt": bait, "inputImageUrl": bait}):
                async with client.post("/v1/tasks", json=body | {"input": given}) as answer:
                    status = answer.status
                    if status == 201:
                        made = await answer.json()
            record = await relay.context.tasks.stored_task(made["task"]["id"])
            said = {"callBackUrl": bait, "data": {"resultUrls": [bait]}, "tasklist": [{"outputs": [{"url": bait}]}]}
            async with client.post(f"/hooks/wiro/{record.hook}", json=said) as answer:
                assert answer.status == 200
            async with client.get(f"/v1/tasks/{record.id}/events", headers={"Accept": "text/event-stream"}) as answer:
                assert b'"done"' in await answer.read()
            async with client.get(f"/v1/models/{bait.replace('/', '%2F')}/x") as answer:
                assert answer.status == 404
    assert heard == []


@pytest.mark.parametrize("model", ["../Task", "a/..", "./b", "a/.b", "..", "a/b/c", "a/b?c", "a/%2e%2e", "a\\b/c"])
async def test_a_model_name_that_could_address_another_call_is_rejected(
    client: aiohttp.ClientSession, sandbox: Sandbox, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is part of a URL of the platform, so the platform is not asked."""
    monkeypatch.setattr(Models, "check", None)
    async with client.post("/v1/tasks", json={"model": model, "input": {}}) as answer:
        assert (answer.status, [wrong["field"] for wrong in (await answer.json())["errors"]]) == (422, ["model"])


def test_a_hook_has_more_than_128_random_bits() -> None:
    """They cannot be guessed. Task ids have the same form."""
    assert ids.ID_LENGTH * math.log2(len(ids.ALPHABET)) > 128
    assert len(set(ids.ALPHABET)) == len(ids.ALPHABET)
    words = {ids.random_id() for _ in range(1000)}
    assert len(words) == 1000
    for place in range(ids.ID_LENGTH):
        assert len({word[place] for word in words}) == len(ids.ALPHABET)


async def test_repeated_callbacks_change_nothing(
    client: aiohttp.ClientSession, relay: Running, sandbox: Sandbox
) -> None:
    """After the end of the task, nothing is written and the platform is not asked."""
    async with client.post("/v1/tasks", json={"model": IMAGE, "input": {"prompt": "a cat"}}) as answer:
        task = (await answer.json())["task"]["id"]
    async with client.get(f"/v1/tasks/{task}/events", headers={"Accept": "text/event-stream"}) as answer:
        await answer.read()
    async with asyncio.timeout(PATIENCE_S):
        while relay.context.tasks.following:  # noqa: ASYNC110 -- nobody tells
            await asyncio.sleep(0)
    record = await relay.context.tasks.stored_task(task)
    (truth,) = sandbox.tasks.values()
    before, read_before = await relay.context.tasks.snapshot(task), truth.details_read
    lie = {"code": 200, "data": {"state": "fail"}, "tasklist": [{"status": "task_cancel"}]}
    for _ in range(50):
        async with client.post(f"/hooks/wiro/{record.hook}", json=lie) as answer:
            assert answer.status == 200
    assert await relay.context.tasks.snapshot(task) == before
    assert truth.details_read == read_before


@pytest.mark.parametrize("word", ["x", "a" * 26])
async def test_the_body_of_an_unknown_callback_is_not_read(relay: Running, dial: Dial, word: str) -> None:
    """A stranger could otherwise fill the memory with bodies."""
    head = f"POST /hooks/wiro/{word} HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"
    async with dial(relay, head.encode()) as (reader, _):
        answer = await asyncio.wait_for(reader.readuntil(b"}"), PATIENCE_S)
    assert answer.startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/tasks/attach", "/v1/files", "/v1/folders", "/v1/tokens"])
async def test_the_body_of_a_request_without_a_key_is_not_read(relay: Running, dial: Dial, path: str) -> None:
    """The request is rejected before its body."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2000000\r\n\r\n"
    async with dial(relay, head.encode()) as (reader, _):
        answer = await asyncio.wait_for(reader.readuntil(b"}"), PATIENCE_S)
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_cookies_are_not_used(relay: Running) -> None:
    """Cross-site requests carry no credential, because browsers do not send `Authorization` by themselves."""
    token, _ = relay.context.access.mint_tag("shop", scope="view", ttl_s=60)
    cookies = {name: value for value in (relay.api_key, token) for name in ("token", "key", "authorization")}
    async with aiohttp.ClientSession(relay.url, cookies=cookies) as browser:
        for path in ("/", "/t/x", "/v1/tasks", "/v1/tasks?tag=shop", "/v1/models", "/livez"):
            async with browser.get(path) as answer:
                assert answer.status == (401 if path.startswith("/v1/") else 200)
                assert "Set-Cookie" not in answer.headers


async def test_a_callback_url_may_end_with_a_slash(
    relay: Running, client: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str]
) -> None:
    """A platform or a proxy may add one. An unknown secret is still unknown."""
    body = {"model": IMAGE, "input": {"prompt": "a cat [sandbox: hold_at=task_queue]"}}
    async with client.post("/v1/tasks", json=body) as answer:
        task = (await answer.json())["task"]["id"]
    record = await relay.journal.stored_task(task)
    assert record is not None
    async with client.post(f"/hooks/wiro/{record.hook}/", json={}) as answer:
        assert (answer.status, await answer.json()) == (200, {"code": 200, "msg": "success"})
    async with client.post("/hooks/wiro/nobody/", json={}) as answer:
        assert answer.status == 404
    assert str(record.hook) not in capsys.readouterr().out


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize("slash", ["", "/"])
async def test_another_method_on_a_callback_url_is_a_405(
    client: aiohttp.ClientSession, method: str, slash: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has `Allow` and is logged at level info, because a platform may be misconfigured."""
    async with client.request(method, f"/hooks/wiro/word{slash}") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        if method != "HEAD":
            assert "use POST" in (await answer.json())["detail"]
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "/hooks/…" in line]
    assert "info" in line
    assert "405" in line

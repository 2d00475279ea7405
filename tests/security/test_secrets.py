"""No secret appears in any response, stream, page or `repr` of a run that uses all of them."""

import gc
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import aiohttp

from relay.app import Running
from relay.journal.lists import Filter
from relay.sandbox import Sandbox
from relay.web.static_files import FILES

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

KEYS = ("the-first-key-that-nobody-may-read", "the-second-key-that-nobody-may-read")
TOKEN_SECRET = "a-token-secret-that-nobody-may-read"
IMAGE = "bytedance/text-to-image-seedream-v4"
STREAM = {"Accept": "text/event-stream"}


async def told(client: aiohttp.ClientSession, method: str, path: str, **arguments: object) -> str:
    """Make a request and return the whole response, headers and body."""
    async with client.request(method, path, **arguments) as answer:  # type: ignore[arg-type] # handed through
        return f"{answer.status} {dict(answer.headers)} {await answer.text()}"


async def watched(client: aiohttp.ClientSession, path: str) -> str:
    """Return all messages of a WebSocket until it closes."""
    async with client.ws_connect(path) as socket:
        return " ".join([str(message.data) async for message in socket])


async def test_no_secret_is_in_any_response_page_stream_or_repr(
    make_relay: MakeRelay, sandbox: Sandbox, unused_tcp_port: int
) -> None:
    """Valid and invalid calls on both platforms, with callbacks, and the `repr` of every object of the relay."""
    settings = {
        "api_keys": KEYS,
        "token_secret": TOKEN_SECRET,
        "port": unused_tcp_port,
        "public_url": f"http://127.0.0.1:{unused_tcp_port}",
        "apikley_api_key": sandbox.apikley_key,
        "apikley_api_url": sandbox.apikley_url,
        "apikley_webhook_secret": sandbox.apikley_webhook_secret,
    }
    said: list[str] = []
    async with (
        make_relay(**settings) as relay,
        aiohttp.ClientSession(relay.url, headers={"Authorization": f"Bearer {KEYS[1]}"}) as client,
    ):
        for switches in ("", "stderr_lines=2", "exit=1", "run_error=97:no money", "run_http=401:envelope"):
            body = {"model": IMAGE, "input": {"prompt": f"a cat [sandbox: {switches}]"}, "tags": ["t"]}
            said.append(await told(client, "POST", "/v1/tasks", json=body))
        body = {"model": "bytedance/seedream-v4-text-to-image", "input": {"prompt": "a cat"}, "provider": "apikley"}
        said.append(await told(client, "POST", "/v1/tasks", json=body))
        body = {"model": IMAGE, "input": {"prompt": "a cat [sandbox: hold_at=task_queue]"}}
        said.append(await told(client, "POST", "/v1/tasks", json=body))
        *_, held = sandbox.tasks.values()
        said.append(await told(client, "POST", "/v1/tasks/attach", json={"socket_token": held.token}))
        said.append(await told(client, "POST", "/v1/tasks/attach", json={"socket_token": f"x{held.token}"}))
        tasks = [place.id for place in await relay.journal.page(Filter(), after=None, limit=100)]
        records = [await relay.context.tasks.stored_task(task) for task in tasks]
        live = [repr(each) for each in ours()]  # while everything is at work
        for record in records:
            path = f"/v1/tasks/{record.id}"
            said.append(await told(client, "POST", f"{path}/cancel"))
            said.append(await told(client, "POST", f"/hooks/{record.provider}/{record.hook}", data=b"{}"))
            said.append(await told(client, "GET", f"{path}/events", headers=STREAM))
            said.append(await watched(client, f"{path}/ws"))
            said += [await told(client, "GET", f"{path}{below}") for below in ("", "/events", "/input")]
            said.append(await told(client, "POST", f"{path}/tokens"))
        pages = ("/", "/t/x", "/embed/x", *(f"/static/{name}" for name in FILES if not name.endswith(".png")))
        calls = ("/v1/tasks", "/v1/models", f"/v1/models/{IMAGE}", "/readyz", "/livez", "/openapi.json", "/nothing")
        said += [await told(client, "GET", path) for path in (*pages, *calls)]
        said += [await told(client, "GET", f"/v1/tasks/x?token={key}x") for key in KEYS]
        live += [repr(each) for each in ours()]

    hooks = [record.hook for record in records if record.hook is not None]
    socket_tokens = [task.token for task in sandbox.tasks.values()]
    assert len(hooks) == len(tasks) == 7
    assert len(socket_tokens) == 4
    upstream = (sandbox.api_key, sandbox.api_secret, sandbox.apikley_key, sandbox.apikley_webhook_secret)
    for secret in (*KEYS, TOKEN_SECRET, *upstream, *hooks, *socket_tokens):
        assert secret
        assert not [text for text in said if secret in text]
        assert not [text for text in live if secret in text]


def ours() -> list[object]:
    """Return all live objects of the relay except those of the sandbox."""
    found: list[object] = []
    for each in gc.get_objects():
        home = str(type(each).__module__)
        if home.startswith("relay.") and not home.startswith("relay.sandbox"):
            found.append(each)
    return found

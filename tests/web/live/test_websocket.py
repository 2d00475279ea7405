"""
The WebSockets: authentication, messages, and the codes with which they are closed.

This also covers the modules slots, live_viewer, websocket_viewer and websocket_viewers.
"""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest

from relay.app import Running
from relay.core.snapshot import Snapshot
from relay.errors import Code, RequestError
from relay.sandbox import Sandbox
from relay.web.live import websocket_viewers as ws
from relay.web.live.messages import MessageError
from relay.web.live.websocket_viewer import WebSocketViewer
from relay.web.live.websocket_viewers import TaskWebSocketViewer

Message = dict[str, Any]
Start = Callable[..., Awaitable[Message]]
Tell = Callable[..., Snapshot]
Later = Callable[[float], None]
Socket = aiohttp.ClientWebSocketResponse

HELD = "hold_at=task_queue"
NESTED = f"{b64encode(b'[' * 4200).decode()}.e30.e30"
"""A token whose header is deeper than Python's JSON reader can go."""


@pytest.fixture
async def page(relay: Running) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a client without credentials."""
    async with aiohttp.ClientSession(relay.url) as session:
        yield session


@asynccontextmanager
async def relay_with(relay: Running, **settings: object) -> AsyncIterator[None]:
    """Change settings while the block runs."""
    config = relay.context.config
    relay.context.config = config.model_copy(update=settings)
    yield
    relay.context.config = config


async def next_message(socket: Socket) -> Message:
    """Return the next message that is not a ping."""
    while (message := orjson.loads(await socket.receive_str()))["type"] == "ping":
        pass
    return dict(message)


async def close_of(socket: Socket) -> tuple[int, str]:
    """Read until the connection is closed; return the code and the reason."""
    while True:
        message = await socket.receive()
        if message.type is aiohttp.WSMsgType.CLOSE:
            return message.data, message.extra or ""
        assert message.type is aiohttp.WSMsgType.TEXT, message


async def subscribe(socket: Socket, task: str, **more: str) -> None:
    await socket.send_json({"type": "subscribe", "task": task} | more)


async def test_a_token_is_accepted_in_the_header_the_subprotocol_or_the_query(
    page: aiohttp.ClientSession, start: Start
) -> None:
    """`relay.v1` is selected if it is offered, and the token never is."""
    made = await start(HELD)
    path, token = f"/v1/tasks/{made['task']['id']}/ws", made["token"]
    ways: list[tuple[dict[str, Any], str | None]] = [
        ({"headers": {"Authorization": f"Bearer {token}"}}, None),
        ({"protocols": ["relay.v1", f"relay.token.{token}"]}, "relay.v1"),
        ({"protocols": [f"relay.token.{token}", "relay.v1"]}, "relay.v1"),
        ({"protocols": [f"relay.token.{token}"]}, None),
        ({"params": {"token": token}}, None),
        ({"params": {"token": token}, "protocols": ["relay.v1"]}, "relay.v1"),
    ]
    for arguments, protocol in ways:
        async with page.ws_connect(path, **arguments) as socket:
            assert socket.protocol == protocol
            assert (await next_message(socket))["type"] == "snapshot"


async def test_the_websocket_of_a_task_is_closed_with_1000_after_its_end(
    page: aiohttp.ClientSession, start: Start, sandbox: Sandbox, relay: Running, tell: Tell
) -> None:
    """A client that connects later is sent the final state or what it has missed."""
    made = await start(HELD)
    task, upstream_id = made["task"], made["task"]["upstream_id"]
    path, params = f"/v1/tasks/{task['id']}/ws", {"token": made["token"]}
    async with page.ws_connect(path, params=params) as socket:
        first = await next_message(socket)
        sandbox.release(upstream_id)
        messages = [first]
        while messages[-1]["type"] != "done":
            messages.append(await next_message(socket))
        assert await close_of(socket) == (1000, "the task has ended")
    known, seq = tell([first]), tell(messages).seq

    async with page.ws_connect(path, params=params) as socket:
        assert (await next_message(socket))["task"]["done"]["verdict"] == "succeeded"
        assert (await close_of(socket))[0] == 1000
    async with page.ws_connect(path, params=params | {"cursor": f"{known.epoch}:{known.seq}"}) as socket:
        resumed = await next_message(socket)
        missed = [await next_message(socket) for _ in range(resumed["events"])]
        assert tell([resumed, *missed], known).seq == seq
        assert (await close_of(socket))[0] == 1000
    assert relay.context.hub.channels == 0


async def test_an_invalid_token_is_closed_with_4500(
    page: aiohttp.ClientSession, start: Start, relay: Running, later: Later
) -> None:
    """This includes malformed, foreign, expired and missing ones."""
    made = await start(HELD)
    task = made["task"]["id"]
    expired, _ = relay.context.access.mint(task, scope="view", ttl_s=30)
    later(31)
    for token in ("x", "a.b.c", made["token"][:-2], expired, NESTED, "\N{SNOWMAN}"):
        async with page.ws_connect(f"/v1/tasks/{task}/ws", params={"token": token}) as socket:
            assert (await close_of(socket))[0] == 4500
        async with page.ws_connect("/v1/ws", params={"token": token}) as socket:
            assert (await close_of(socket))[0] == 4500
    async with page.ws_connect(f"/v1/tasks/{task}/ws") as socket:
        assert (await close_of(socket))[0] == 4500


async def test_a_token_for_another_task_is_closed_with_4501(page: aiohttp.ClientSession, start: Start) -> None:
    """The code does not say whether the task exists."""
    one, other = await start(HELD), await start(HELD)
    for task in (other["task"]["id"], "nobody"):
        async with page.ws_connect(f"/v1/tasks/{task}/ws", params={"token": one["token"]}) as socket:
            assert (await close_of(socket))[0] == 4501


async def test_a_token_without_the_scope_is_closed_with_4501(
    page: aiohttp.ClientSession, start: Start, relay: Running
) -> None:
    """The scope `cancel` does not include `view`."""
    made = await start(HELD)
    token, _ = relay.context.access.mint(made["task"]["id"], scope="cancel", ttl_s=60)
    async with page.ws_connect(f"/v1/tasks/{made['task']['id']}/ws", params={"token": token}) as socket:
        assert (await close_of(socket))[0] == 4501


async def test_an_unknown_task_is_closed_with_4504(client: aiohttp.ClientSession, relay: Running) -> None:
    """Only an API key is received that it does not exist."""
    async with client.ws_connect("/v1/tasks/nobody/ws") as socket:
        assert (await close_of(socket))[0] == 4504
    assert (relay.context.hub.viewers, relay.context.hub.channels) == (0, 0)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"\x01", "send text frames"),
        ("not json", "JSON"),
        ("[]", "object"),
        ("{}", "type"),
        ('{"type":"shout"}', "type"),
        ('{"type":"subscribe"}', "name exactly one of task, tag and all"),
        ('{"type":"subscribe","task":"a","tag":"b"}', "name exactly one of task, tag and all"),
        ('{"type":"subscribe","task":7}', "task"),
        ('{"type":"subscribe","task":"\\ud800"}', "JSON"),
        ('{"type":"auth"}', "token"),
        ("[" * 10_000, "JSON"),
        ('{"type":"subscribe","task":"%s"}' % ("x" * 16_400), "16384 bytes"),
        ("x" * 1_000_000, "16384 bytes"),
    ],
)
@pytest.mark.parametrize("many", [True, False], ids=["many", "one"])
async def test_a_protocol_error_is_closed_with_4505_and_a_reason(
    client: aiohttp.ClientSession, start: Start, relay: Running, many: bool, said: bytes | str, reason: str
) -> None:
    """The reason says what is wrong and quotes nothing that the client sent."""
    path = "/v1/ws" if many else f"/v1/tasks/{(await start(HELD))['task']['id']}/ws"
    async with client.ws_connect(path) as socket:
        if isinstance(said, bytes):
            await socket.send_bytes(said)
        else:
            await socket.send_str(said)
        code, why = await close_of(socket)

    assert code == 4505
    assert reason in why
    assert "xxx" not in why
    assert relay.context.hub.viewers == 0


async def test_the_websocket_of_a_task_refuses_subscriptions(client: aiohttp.ClientSession, start: Start) -> None:
    """`/v1/ws` is the endpoint for several tasks."""
    made = await start(HELD)
    async with client.ws_connect(f"/v1/tasks/{made['task']['id']}/ws") as socket:
        await subscribe(socket, made["task"]["id"])
        assert (await close_of(socket))[0] == 4505


async def test_a_client_that_does_not_subscribe_is_closed_with_4505(
    page: aiohttp.ClientSession, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that subscribes in time stays connected."""
    made = await start(HELD)
    monkeypatch.setattr(ws, "FIRST_SUBSCRIBE_S", 0.05)
    async with page.ws_connect("/v1/ws") as idle, page.ws_connect("/v1/ws") as busy:
        await subscribe(busy, made["task"]["id"], token=made["token"])
        assert (await next_message(busy))["type"] == "snapshot"
        code, why = await close_of(idle)
        assert (code, "no subscription" in why) == (4505, True)
        await subscribe(busy, made["task"]["id"], token=made["token"])
        assert (await next_message(busy))["type"] == "snapshot"


async def test_a_client_whose_subscriptions_all_fail_is_closed_with_4505(
    page: aiohttp.ClientSession, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would keep its slot. One successful subscription is enough, even if it is over."""
    made = await start("")
    timers: list[asyncio.TimerHandle] = []
    close_after = ws._close_after

    def close_after_an_hour(viewer: WebSocketViewer, _limit_s: float) -> asyncio.TimerHandle:
        timers.append(close_after(viewer, 3600))
        return timers[-1]

    monkeypatch.setattr(ws, "_close_after", close_after_an_hour)
    async with page.ws_connect("/v1/ws") as stranger, page.ws_connect("/v1/ws") as viewer:
        await subscribe(viewer, made["task"]["id"], token=made["token"])
        while (await next_message(viewer))["type"] != "done":
            pass
        await subscribe(stranger, made["task"]["id"], token="x")
        assert (await next_message(stranger))["code"] == "unauthorized"
        (running,) = [timer for timer in timers if not timer.cancelled()]
        running._run()
        code, why = await close_of(stranger)
        assert (code, "no subscription" in why) == (4505, True)
        await subscribe(viewer, made["task"]["id"], token=made["token"])
        assert (await next_message(viewer))["type"] == "snapshot"


async def test_a_close_reason_is_cut_to_fit_its_frame(
    client: aiohttp.ClientSession, relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A close frame has room for 123 bytes, and characters are not split."""

    def refuse(_text: str) -> None:
        raise MessageError("ü" * 200)

    monkeypatch.setattr(ws, "parse", refuse)
    async with client.ws_connect("/v1/ws") as socket:
        await socket.send_str("x")
        assert await close_of(socket) == (4505, "ü" * 61)


async def test_a_page_of_a_foreign_origin_gets_403(client: aiohttp.ClientSession, start: Start) -> None:
    """It does not learn the close code."""
    made = await start(HELD)
    for origin in ("https://evil.example", "null", "http://[", "http://"):
        for path in (f"/v1/tasks/{made['task']['id']}/ws", "/v1/ws"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await client.ws_connect(path, origin=origin)
            assert caught.value.status == 403


async def test_pages_of_the_same_and_of_allowed_origins_can_connect(
    client: aiohttp.ClientSession, start: Start, relay: Running
) -> None:
    """Allowed are the relay itself, its public URL, and the configured origins."""
    made = await start(HELD)
    path = f"/v1/tasks/{made['task']['id']}/ws"
    changes = {"allowed_origins": ("https://app.example",), "public_url": "https://relay.example/"}
    async with relay_with(relay, **changes):
        for origin in (relay.url, "https://app.example", "https://relay.example"):
            async with client.ws_connect(path, origin=origin) as socket:
                assert (await next_message(socket))["type"] == "snapshot"


async def test_a_failed_subscription_does_not_affect_the_others(
    page: aiohttp.ClientSession, start: Start, sandbox: Sandbox, relay: Running
) -> None:
    """Each failure is reported as an error that names its topic."""
    good = [await start(HELD) for _ in range(20)]
    unsubscribed = good[0]["task"]["id"]
    async with page.ws_connect("/v1/ws") as socket:
        for number, made in enumerate(good):
            await subscribe(socket, made["task"]["id"], token=made["token"])
            if number == 10:
                await subscribe(socket, "nobody", token=relay.api_key)
                await subscribe(socket, good[1]["task"]["id"], token=good[2]["token"])
                await subscribe(socket, unsubscribed)
                await subscribe(socket, "nobody", token="x")
                await socket.send_json({"type": "subscribe", "tag": "project:1", "token": good[2]["token"]})
        messages = [await next_message(socket) for _ in range(25)]
        for made in good:
            sandbox.release(made["task"]["upstream_id"])
        done: set[str] = set()
        while len(done) < 20:
            message = await next_message(socket)
            if message["type"] == "done":
                done.add(message["task"])

    errors = [(each.get("task") or each["tag"], each["code"]) for each in messages if each["type"] == "error"]
    assert errors == [
        ("nobody", "not_found"),
        (good[1]["task"]["id"], "forbidden"),
        (unsubscribed, "unauthorized"),
        ("nobody", "unauthorized"),
        ("project:1", "forbidden"),
    ]
    assert done == {made["task"]["id"] for made in good}


async def test_a_client_can_unsubscribe_and_subscribe_again(
    page: aiohttp.ClientSession, start: Start, sandbox: Sandbox
) -> None:
    """Nothing is sent in between, and the new subscription starts with a snapshot."""
    one, other = await start(HELD), await start(HELD)
    async with page.ws_connect("/v1/ws") as socket:
        for made in (one, other):
            await subscribe(socket, made["task"]["id"], token=made["token"])
            assert (await next_message(socket))["type"] == "snapshot"
        await socket.send_json({"type": "unsubscribe", "task": one["task"]["id"]})
        await subscribe(socket, "sync")  # answered once the message before it has been read
        assert (await next_message(socket))["code"] == "unauthorized"
        for made in (one, other):
            sandbox.release(made["task"]["upstream_id"])
        while (message := await next_message(socket))["type"] != "done":
            assert message["task"] == other["task"]["id"]
        await subscribe(socket, one["task"]["id"], token=one["token"])
        assert (await next_message(socket))["task"]["id"] == one["task"]["id"]


async def test_subscriptions_per_connection_are_limited(
    client: aiohttp.ClientSession, start: Start, relay: Running
) -> None:
    """Subscribing again to the same task is allowed at the limit."""
    one, other = (await start(HELD))["task"]["id"], (await start(HELD))["task"]["id"]
    async with relay_with(relay, subscription_limit=1), client.ws_connect("/v1/ws") as socket:
        for task, kind in ((one, "snapshot"), (other, "error"), (one, "snapshot")):
            await subscribe(socket, task)
            assert (await next_message(socket))["type"] == kind


async def test_an_expired_token_ends_the_connection_or_the_subscription(
    page: aiohttp.ClientSession, start: Start, relay: Running, later: Later
) -> None:
    """On the WebSocket of a task it is a close with 4002, on that of several topics an error."""
    short, long = await start(HELD, ttl=60), await start(HELD, ttl=6000)
    task = short["task"]["id"]
    async with (
        page.ws_connect(f"/v1/tasks/{task}/ws", params={"token": short["token"]}) as one,
        page.ws_connect("/v1/ws") as many,
    ):
        assert (await next_message(one))["type"] == "snapshot"
        for made in (short, long):
            await subscribe(many, made["task"]["id"], token=made["token"])
            assert (await next_message(many))["type"] == "snapshot"
        later(61)

        assert (await close_of(one))[0] == 4002
        error = await next_message(many)
        assert (error["task"], error["code"]) == (task, "token_expired")
        await subscribe(many, task, token=short["token"])
        assert (await next_message(many))["code"] == "token_expired"
        await subscribe(many, long["task"]["id"], token=long["token"])
        assert (await next_message(many))["type"] == "snapshot"
    assert relay.context.hub.channels <= 1


async def test_auth_extends_the_subscriptions_that_the_token_covers(
    page: aiohttp.ClientSession, start: Start, relay: Running, later: Later
) -> None:
    """Other subscriptions expire as before."""
    mine, others = await start(HELD, ttl=60), await start(HELD, ttl=60)
    task = mine["task"]["id"]
    fresh, _ = relay.context.access.mint(task, scope="view", ttl_s=6000)
    async with (
        page.ws_connect(f"/v1/tasks/{task}/ws", params={"token": mine["token"]}) as one,
        page.ws_connect("/v1/ws") as many,
    ):
        assert (await next_message(one))["type"] == "snapshot"
        for made in (mine, others):
            await subscribe(many, made["task"]["id"], token=made["token"])
            assert (await next_message(many))["type"] == "snapshot"
        for socket in (one, many):
            await socket.send_json({"type": "auth", "token": fresh})
        await subscribe(many, task)  # without a token: that of the connection is the new one now
        assert (await next_message(many))["type"] == "snapshot"
        (viewer,) = [viewer for viewer in relay.context.hub._viewers if isinstance(viewer, TaskWebSocketViewer)]
        while (viewer.subscriptions["task", task].expires_at or 0) < mine["task"]["created_at"] + 600:  # noqa: ASYNC110 -- `auth` has no answer
            await asyncio.sleep(0)
        later(61)

        error = await next_message(many)
        assert (error["task"], error["code"]) == (others["task"]["id"], "token_expired")
        later(0)
        await one.send_json({"type": "auth", "token": "no good"})
        assert (await close_of(one))[0] == 4500


async def test_a_full_or_draining_relay_closes_with_4004_or_4001(
    client: aiohttp.ClientSession, start: Start, relay: Running
) -> None:
    """Both ask the client to reconnect later."""
    made = await start(HELD)
    path = f"/v1/tasks/{made['task']['id']}/ws"
    async with client.ws_connect(path) as first:
        assert (await next_message(first))["type"] == "snapshot"
        relay.context.viewers.limit = 1
        for address in (path, "/v1/ws"):
            async with client.ws_connect(address) as socket:
                assert (await close_of(socket))[0] == 4004
        relay.context.tasks._supervisor.draining = True
        for address in (path, "/v1/ws"):
            async with client.ws_connect(address) as socket:
                assert (await close_of(socket))[0] == 4001
        draining = asyncio.create_task(relay.context.hub.drain(0))
        assert (await close_of(first))[0] == 4001
        await draining


async def test_a_failing_journal_closes_with_1011(
    client: aiohttp.ClientSession, start: Start, relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client reconnects later, and no HTTP response is written among the frames."""
    made = await start(HELD)

    async def fail(_task: str) -> Snapshot | None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(relay.journal, "snapshot", fail)
    async with client.ws_connect(f"/v1/tasks/{made['task']['id']}/ws") as socket:
        assert (await close_of(socket))[0] == 1011
    async with client.ws_connect("/v1/ws") as socket:
        await subscribe(socket, made["task"]["id"])
        assert (await close_of(socket))[0] == 1011


async def test_an_unexpected_error_cuts_only_its_connection(
    client: aiohttp.ClientSession, relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No HTTP response is written among the frames, and the relay goes on."""

    async def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(relay.context.hub, "subscribe", fail, raising=False)
        async with client.ws_connect("/v1/tasks/x/ws") as socket:
            message = await socket.receive()
            assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
            assert socket.close_code == 1006
    async with client.get("/livez") as answer:
        assert answer.status == 200
    assert relay.context.hub.viewers == 0


async def test_a_client_that_does_not_read_the_answers_is_not_read_further(
    relay: Running, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the answers would fill the memory."""
    asked = 0
    check = relay.context.access.check

    def count(credential: str | None) -> object:
        nonlocal asked
        asked += 1
        if credential == "x":
            raise RequestError(Code.FORBIDDEN, "n" * 4000)
        return check(credential)

    monkeypatch.setattr(relay.context.access, "check", count)
    async with relay_with(relay, message_rate=10_000), client.ws_connect("/v1/ws", max_msg_size=0) as socket:
        assert socket._response.connection is not None
        transport = socket._response.connection.transport
        assert transport is not None
        transport.pause_reading()
        for _ in range(5000):
            await asyncio.wait_for(subscribe(socket, "nobody", token="x"), 60)
        (viewer,) = relay.context.hub._viewers
        seen = -1
        while seen != asked:  # until it has stopped reading
            seen = asked
            for _ in range(50):
                await asyncio.sleep(0)

        assert asked < 5000
        assert viewer.buffered() < 256 * 1024
        transport.resume_reading()
        for _ in range(5000):
            assert (await next_message(socket))["code"] == "forbidden"

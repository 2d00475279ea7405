"""The WebSockets: who gets in and by which way, what is said to whom, and the codes with which it ends."""

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
from relay.web.live import websocket as ws
from relay.web.live.messages import MessageError
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
    """A client without any credential of its own."""
    async with aiohttp.ClientSession(relay.url) as session:
        yield session


@asynccontextmanager
async def relay_with(relay: Running, **settings: object) -> AsyncIterator[None]:
    """Run with some settings changed."""
    config = relay.context.config
    relay.context.config = config.model_copy(update=settings)
    yield
    relay.context.config = config


async def heard(socket: Socket) -> Message:
    """Return the next message that is no ping."""
    while (message := orjson.loads(await socket.receive_str()))["type"] == "ping":
        pass
    return dict(message)


async def close_of(socket: Socket) -> tuple[int, str]:
    """Read to the end; return the close code and its reason."""
    while True:
        message = await socket.receive()
        if message.type is aiohttp.WSMsgType.CLOSE:
            return message.data, message.extra or ""
        assert message.type is aiohttp.WSMsgType.TEXT, message


async def subscribe(socket: Socket, task: str, **more: str) -> None:
    await socket.send_json({"type": "subscribe", "task": task} | more)


async def test_the_token_comes_by_header_by_subprotocol_or_in_the_address(
    page: aiohttp.ClientSession, start: Start
) -> None:
    """Each way opens the task; `relay.v1` is selected where it is offered, and never the token."""
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
            assert (await heard(socket))["type"] == "snapshot"


async def test_a_task_that_has_ended_is_told_and_closed(
    page: aiohttp.ClientSession, start: Start, sandbox: Sandbox, relay: Running, tell: Tell
) -> None:
    """The final state, or what was missed of it, then 1000."""
    made = await start(HELD)
    task, upstream_id = made["task"], made["task"]["upstream_id"]
    path, params = f"/v1/tasks/{task['id']}/ws", {"token": made["token"]}
    async with page.ws_connect(path, params=params) as socket:
        first = await heard(socket)
        sandbox.release(upstream_id)
        messages = [first]
        while messages[-1]["type"] != "done":
            messages.append(await heard(socket))
        assert await close_of(socket) == (1000, "the task has ended")
    known, seq = tell([first]), tell(messages).seq

    async with page.ws_connect(path, params=params) as socket:
        assert (await heard(socket))["task"]["done"]["verdict"] == "succeeded"
        assert (await close_of(socket))[0] == 1000
    async with page.ws_connect(path, params=params | {"cursor": f"{known.epoch}:{known.seq}"}) as socket:
        resumed = await heard(socket)
        missed = [await heard(socket) for _ in range(resumed["events"])]
        assert tell([resumed, *missed], known).seq == seq
        assert (await close_of(socket))[0] == 1000
    assert relay.context.hub.channels == 0


async def test_a_token_that_is_no_good_is_closed_with_4500(
    page: aiohttp.ClientSession, start: Start, relay: Running, later: Later
) -> None:
    """Broken, foreign, expired or none at all: accepted, told, and not to come back."""
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
    """A good token, but not for this, and nothing is said about whether this exists."""
    one, other = await start(HELD), await start(HELD)
    for task in (other["task"]["id"], "nobody"):
        async with page.ws_connect(f"/v1/tasks/{task}/ws", params={"token": one["token"]}) as socket:
            assert (await close_of(socket))[0] == 4501


async def test_a_token_without_the_scope_is_closed_with_4501(
    page: aiohttp.ClientSession, start: Start, relay: Running
) -> None:
    """Who may cancel may not look for that."""
    made = await start(HELD)
    token, _ = relay.context.access.mint(made["task"]["id"], scope="cancel", ttl_s=60)
    async with page.ws_connect(f"/v1/tasks/{made['task']['id']}/ws", params={"token": token}) as socket:
        assert (await close_of(socket))[0] == 4501


async def test_a_task_that_is_not_there_is_closed_with_4504(client: aiohttp.ClientSession, relay: Running) -> None:
    """Who may see everything may know that."""
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
async def test_who_does_not_speak_the_protocol_is_closed_with_4505_and_told_why(
    client: aiohttp.ClientSession, start: Start, relay: Running, many: bool, said: bytes | str, reason: str
) -> None:
    """Bytes, no JSON, no message of ours, too large a one: the reason says which, and repeats nothing of it."""
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


async def test_a_socket_about_one_task_takes_no_other(client: aiohttp.ClientSession, start: Start) -> None:
    """Many tasks have their own address."""
    made = await start(HELD)
    async with client.ws_connect(f"/v1/tasks/{made['task']['id']}/ws") as socket:
        await subscribe(socket, made["task"]["id"])
        assert (await close_of(socket))[0] == 4505


async def test_who_subscribes_to_nothing_is_closed_with_4505(
    page: aiohttp.ClientSession, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open socket without a subscription costs something and is worth nothing; with one it stays."""
    made = await start(HELD)
    monkeypatch.setattr(ws, "FIRST_SUBSCRIBE_S", 0.05)
    async with page.ws_connect("/v1/ws") as idle, page.ws_connect("/v1/ws") as busy:
        await subscribe(busy, made["task"]["id"], token=made["token"])
        assert (await heard(busy))["type"] == "snapshot"
        code, why = await close_of(idle)
        assert (code, "subscribed" in why) == (4505, True)
        await subscribe(busy, made["task"]["id"], token=made["token"])
        assert (await heard(busy))["type"] == "snapshot"


async def test_who_is_allowed_nothing_is_closed_with_4505_however_often_it_asks(
    page: aiohttp.ClientSession, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger would keep a viewer's place by asking once; who was allowed something, be it over, stays."""
    made = await start("")
    monkeypatch.setattr(ws, "FIRST_SUCCESS_S", 0.2)
    async with page.ws_connect("/v1/ws") as stranger, page.ws_connect("/v1/ws") as viewer:
        await subscribe(viewer, made["task"]["id"], token=made["token"])
        await subscribe(stranger, made["task"]["id"], token="x")
        assert (await heard(stranger))["code"] == "unauthorized"
        code, why = await close_of(stranger)
        assert (code, "subscribed" in why) == (4505, True)
        while (await heard(viewer))["type"] != "done":
            pass
        await subscribe(viewer, made["task"]["id"], token=made["token"])
        assert (await heard(viewer))["type"] == "snapshot"


async def test_a_close_reason_fits_its_frame(
    client: aiohttp.ClientSession, relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A close frame holds 123 bytes of reason, and no half character."""

    def refuse(_text: str) -> None:
        raise MessageError("ü" * 200)

    monkeypatch.setattr(ws, "parse", refuse)
    async with client.ws_connect("/v1/ws") as socket:
        await socket.send_str("x")
        assert await close_of(socket) == (4505, "ü" * 61)


async def test_pages_of_a_foreign_origin_get_a_403(client: aiohttp.ClientSession, start: Start) -> None:
    """The one refusal that is HTTP's: a page that may not use the relay learns nothing, not even its close codes."""
    made = await start(HELD)
    for origin in ("https://evil.example", "null", "http://[", "http://"):
        for path in (f"/v1/tasks/{made['task']['id']}/ws", "/v1/ws"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await client.ws_connect(path, origin=origin)
            assert caught.value.status == 403


async def test_pages_of_the_same_and_of_allowed_origins_get_in(
    client: aiohttp.ClientSession, start: Start, relay: Running
) -> None:
    """The relay's own pages, those of its public address, and those that the operator named."""
    made = await start(HELD)
    path = f"/v1/tasks/{made['task']['id']}/ws"
    changes = {"allowed_origins": ("https://app.example",), "public_url": "https://relay.example/"}
    async with relay_with(relay, **changes):
        for origin in (relay.url, "https://app.example", "https://relay.example"):
            async with client.ws_connect(path, origin=origin) as socket:
                assert (await heard(socket))["type"] == "snapshot"


async def test_a_fault_of_one_subscription_leaves_the_others_alone(
    page: aiohttp.ClientSession, start: Start, sandbox: Sandbox, relay: Running
) -> None:
    """Twenty good ones, and among them each kind of bad one: an error for each bad one, a story for each good one."""
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
        messages = [await heard(socket) for _ in range(25)]
        for made in good:
            sandbox.release(made["task"]["upstream_id"])
        done: set[str] = set()
        while len(done) < 20:
            message = await heard(socket)
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


async def test_coming_back_to_a_task_without_a_cursor_gets_its_state(
    page: aiohttp.ClientSession, start: Start, sandbox: Sandbox
) -> None:
    """Unsubscribed is forgotten: nothing comes, until it is subscribed again."""
    one, other = await start(HELD), await start(HELD)
    async with page.ws_connect("/v1/ws") as socket:
        for made in (one, other):
            await subscribe(socket, made["task"]["id"], token=made["token"])
            assert (await heard(socket))["type"] == "snapshot"
        await socket.send_json({"type": "unsubscribe", "task": one["task"]["id"]})
        await subscribe(socket, "sync")  # answered once the message before it has been read
        assert (await heard(socket))["code"] == "unauthorized"
        for made in (one, other):
            sandbox.release(made["task"]["upstream_id"])
        while (message := await heard(socket))["type"] != "done":
            assert message["task"] == other["task"]["id"]
        await subscribe(socket, one["task"]["id"], token=one["token"])
        assert (await heard(socket))["task"]["id"] == one["task"]["id"]


async def test_a_connection_follows_only_so_many(client: aiohttp.ClientSession, start: Start, relay: Running) -> None:
    """Past the limit one more is an error; one that is followed already may be begun anew."""
    one, other = (await start(HELD))["task"]["id"], (await start(HELD))["task"]["id"]
    async with relay_with(relay, subscription_limit=1), client.ws_connect("/v1/ws") as socket:
        for task, kind in ((one, "snapshot"), (other, "error"), (one, "snapshot")):
            await subscribe(socket, task)
            assert (await heard(socket))["type"] == kind


async def test_a_token_that_expires_while_open_is_closed_with_4002(
    page: aiohttp.ClientSession, start: Start, relay: Running, later: Later
) -> None:
    """Come back with a fresh one: on one task the connection ends, on many just that subscription."""
    short, long = await start(HELD, ttl=60), await start(HELD, ttl=6000)
    task = short["task"]["id"]
    async with (
        page.ws_connect(f"/v1/tasks/{task}/ws", params={"token": short["token"]}) as one,
        page.ws_connect("/v1/ws") as many,
    ):
        assert (await heard(one))["type"] == "snapshot"
        for made in (short, long):
            await subscribe(many, made["task"]["id"], token=made["token"])
            assert (await heard(many))["type"] == "snapshot"
        later(61)

        assert (await close_of(one))[0] == 4002
        error = await heard(many)
        assert (error["task"], error["code"]) == (task, "token_expired")
        await subscribe(many, task, token=short["token"])
        assert (await heard(many))["code"] == "token_expired"
        await subscribe(many, long["task"]["id"], token=long["token"])
        assert (await heard(many))["type"] == "snapshot"
    assert relay.context.hub.channels <= 1


async def test_a_fresh_token_carries_on_what_it_covers(
    page: aiohttp.ClientSession, start: Start, relay: Running, later: Later
) -> None:
    """`auth` renews the one connection, and of many subscriptions those that it is for."""
    mine, others = await start(HELD, ttl=60), await start(HELD, ttl=60)
    task = mine["task"]["id"]
    fresh, _ = relay.context.access.mint(task, scope="view", ttl_s=6000)
    async with (
        page.ws_connect(f"/v1/tasks/{task}/ws", params={"token": mine["token"]}) as one,
        page.ws_connect("/v1/ws") as many,
    ):
        assert (await heard(one))["type"] == "snapshot"
        for made in (mine, others):
            await subscribe(many, made["task"]["id"], token=made["token"])
            assert (await heard(many))["type"] == "snapshot"
        for socket in (one, many):
            await socket.send_json({"type": "auth", "token": fresh})
        await subscribe(many, task)  # without a token of its own: the connection's is the fresh one now
        assert (await heard(many))["type"] == "snapshot"
        (viewer,) = [viewer for viewer in relay.context.hub._viewers if isinstance(viewer, TaskWebSocketViewer)]
        while (viewer.subscriptions["task", task].expires_at or 0) < mine["task"]["created_at"] + 600:  # noqa: ASYNC110 -- `auth` has no answer
            await asyncio.sleep(0)
        later(61)

        error = await heard(many)
        assert (error["task"], error["code"]) == (others["task"]["id"], "token_expired")
        later(0)
        await one.send_json({"type": "auth", "token": "no good"})
        assert (await close_of(one))[0] == 4500


async def test_a_full_or_draining_relay_says_so(client: aiohttp.ClientSession, start: Start, relay: Running) -> None:
    """4004 and 4001: both come back, later."""
    made = await start(HELD)
    path = f"/v1/tasks/{made['task']['id']}/ws"
    async with client.ws_connect(path) as first:
        assert (await heard(first))["type"] == "snapshot"
        relay.context.viewers._limit = 1
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


async def test_a_store_that_fails_is_no_fault_of_the_viewer(
    client: aiohttp.ClientSession, start: Start, relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1011, which comes back; and no HTTP answer in the middle of the frames."""
    made = await start(HELD)

    async def fail(_task: str) -> Snapshot | None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(relay.context.journal, "snapshot", fail)
    async with client.ws_connect(f"/v1/tasks/{made['task']['id']}/ws") as socket:
        assert (await close_of(socket))[0] == 1011
    async with client.ws_connect("/v1/ws") as socket:
        await subscribe(socket, made["task"]["id"])
        assert (await close_of(socket))[0] == 1011


async def test_a_bug_cuts_the_connection_and_nothing_else(
    client: aiohttp.ClientSession, relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody foresaw: no HTTP answer is written among the frames, and the relay lives."""

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


async def test_who_asks_without_reading_is_heard_no_further(
    relay: Running, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each bad question has an answer; whoever does not read them may not pile them up in our memory."""
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
            assert (await heard(socket))["code"] == "forbidden"

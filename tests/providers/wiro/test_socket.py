"""Tests for the task socket: subscription, filtering of frames, closing, and secrecy of the token."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from relay.core.events import Stage
from relay.core.signals import LogSeen, Signal, StageSeen
from relay.core.upstream import UpstreamTask
from relay.errors import UpstreamUnavailable
from relay.providers.wiro.socket import FRAME_LIMIT_BYTES, follow

TOKEN = "eDcCm5yyUfIvMFspTwww49OUfgXkQt"
TASK = UpstreamTask(upstream_id="2221", socket_token=TOKEN)

Script = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def wiro(script: Script) -> AsyncIterator[str]:
    """Serve a socket that reads the subscription and then runs `script`; yield its URL."""

    async def handle(connection: ServerConnection) -> None:
        assert json.loads(await connection.recv()) == {"type": "task_info", "tasktoken": TOKEN}
        await script(connection)

    async with serve(handle, "127.0.0.1", 0, max_size=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/v1"


def frames(*said: dict[str, object] | str | bytes) -> Script:
    async def script(connection: ServerConnection) -> None:
        for frame in said:
            await connection.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    return script


def line(text: str, **fields: object) -> dict[str, object]:
    return {"type": "task_output", "message": text, **fields}


async def heard(url: str, task: UpstreamTask = TASK) -> list[Signal]:
    async with follow(url, task) as signals:
        return [signal async for signal in signals]


def texts(signals: list[Signal]) -> list[str]:
    return [signal.text for signal in signals if isinstance(signal, LogSeen)]


async def test_a_redirect_is_not_followed() -> None:
    """The target of the redirect would receive the task's token and could stop the task."""
    reached = []

    async def stranger(connection: ServerConnection) -> None:
        reached.append(await connection.recv())

    async with serve(stranger, "127.0.0.1", 0) as elsewhere:
        port = next(iter(elsewhere.sockets)).getsockname()[1]

        def redirect(connection: ServerConnection, _request: Request) -> Response:
            response = connection.respond(HTTPStatus.FOUND, "")
            response.headers["Location"] = f"ws://127.0.0.1:{port}/v1"
            return response

        async with serve(stranger, "127.0.0.1", 0, process_request=redirect) as server:
            with pytest.raises(UpstreamUnavailable, match="could not be opened"):
                await heard(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/v1")

    assert reached == []


async def test_the_frames_of_the_task_come_as_signals_in_their_order() -> None:
    """The welcome that some servers send first is skipped."""
    script = frames(
        {"type": "connected", "version": "1.0"}, {"type": "task_start"}, line("a"), line("b"), {"type": "task_end"}
    )
    async with wiro(script) as url:
        assert await heard(url) == [
            StageSeen(stage=Stage.START),
            LogSeen(stream="stdout", text="a"),
            LogSeen(stream="stdout", text="b"),
            StageSeen(stage=Stage.END),
        ]


async def test_only_our_own_frames_are_taken() -> None:
    """The token decides if there is one, else the ID; a frame with neither belongs to the task."""
    script = frames(
        line("our token", tasktoken=TOKEN, id="9"),
        line("other token", tasktoken="other", id="2221"),
        line("our id", id=2221),
        line("other id", id="9"),
        line("neither"),
    )
    async with wiro(script) as url:
        assert texts(await heard(url)) == ["our token", "our id", "neither"]
        unnamed = UpstreamTask(upstream_id=None, socket_token=TOKEN)
        assert texts(await heard(url, unnamed)) == ["our token", "our id", "other id", "neither"]


async def test_bad_frames_are_skipped_and_logged_once_each_without_their_content() -> None:
    """A malformed frame does not affect later ones; neither it nor the token is logged."""
    script = frames(b"PCM16", "{half secret", "{half secret", '["secret"]', {"type": "task_novel"}, line("on"))
    with capture_logs() as logs:
        async with wiro(script) as url:
            assert texts(await heard(url)) == ["on"]

    assert [entry["reason"] for entry in logs] == ["binary", "not JSON", "not an object", "unknown type"]
    assert all(entry["event"] == "frame.skipped" and entry["upstream_id"] == "2221" for entry in logs)
    assert "secret" not in str(logs)
    assert TOKEN not in str(logs)


@pytest.mark.parametrize("code", [1000, 1001, 1011, 4000])
async def test_a_close_ends_the_iterator_whatever_its_code(code: int) -> None:
    """The record says why the task ended."""

    async def script(connection: ServerConnection) -> None:
        await connection.send(json.dumps(line("last")))
        await connection.close(code)

    async with wiro(script) as url:
        assert texts(await heard(url)) == ["last"]


async def test_a_lost_connection_ends_the_iterator() -> None:
    """The connection ends without a closing handshake (1006)."""

    async def script(connection: ServerConnection) -> None:
        await connection.send(json.dumps(line("last")))
        connection.transport.abort()

    async with wiro(script) as url:
        assert texts(await heard(url)) in (["last"], [])


async def test_long_frames_are_read_and_too_long_ones_end_the_stream() -> None:
    """An answer that is repeated with every chunk exceeds 1 MiB; above 16 MiB the record must be read."""

    async def script(connection: ServerConnection) -> None:
        await connection.send(json.dumps(line("x" * 2**21)))
        await connection.send(json.dumps(line("x" * FRAME_LIMIT_BYTES)))

    async with wiro(script) as url:
        assert [len(text) for text in texts(await heard(url))] == [2**21]


async def test_leaving_closes_the_connection() -> None:
    """The server sees the close at once, even if the reader leaves early."""
    closed = asyncio.Event()

    async def script(connection: ServerConnection) -> None:
        await connection.send(json.dumps(line("first")))
        await connection.wait_closed()
        closed.set()

    async with wiro(script) as url:
        async with follow(url, TASK) as signals:
            assert await anext(signals) == LogSeen(stream="stdout", text="first")
        await closed.wait()


async def test_a_socket_that_cannot_be_opened_is_unavailable(unused_tcp_port: int) -> None:
    """No server, or not a WebSocket server; the message does not contain the token."""

    async def no_websocket(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(no_websocket, "127.0.0.1", 0)
    async with server:
        http_port = server.sockets[0].getsockname()[1]
        for address in (f"ws://127.0.0.1:{unused_tcp_port}", f"ws://127.0.0.1:{http_port}", "http://127.0.0.1"):
            with pytest.raises(UpstreamUnavailable, match="could not be opened") as caught:
                await heard(address)
            assert TOKEN not in str(caught.value)


async def test_a_socket_that_closes_before_the_subscription_is_unavailable() -> None:
    """The close arrives together with the response to the handshake, as from a server that is shutting down."""

    async def close_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = ServerProtocol()
        server.receive_data(await reader.readuntil(b"\r\n\r\n"))
        (request,) = server.events_received()
        assert isinstance(request, Request)
        server.send_response(server.accept(request))
        server.send_close(CloseCode.GOING_AWAY)
        writer.write(b"".join(server.data_to_send()))
        await reader.read(1)  # the client's close
        writer.close()

    server = await asyncio.start_server(close_at_once, "127.0.0.1", 0)
    async with server:
        with pytest.raises(UpstreamUnavailable, match="closed before the subscription was sent"):
            await heard(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")


async def test_a_task_without_a_token_is_not_followed() -> None:
    """Without a token, no subscription is possible."""
    with pytest.raises(UpstreamUnavailable, match="no socket token"):
        await heard("ws://127.0.0.1:1", UpstreamTask(upstream_id="2221", socket_token=None))

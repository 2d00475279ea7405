"""The frames, closes and callbacks of a recorded task."""

import asyncio

import orjson
import pytest
from aiohttp import WSMsgType, web

from tests.lab import Line, ended, picture, record, running, said, sent
from tests.sandbox.recording.client import playing, to_the_end


async def test_frame_and_record_can_have_different_outputs() -> None:
    """The frame has one picture, the record four."""
    four = [picture(f"{number}.png") for number in range(4)]

    async with playing(*running(), *ended(four[:1], recorded=four)) as client:
        task, token = await client.run()
        async with client.subscribed(token) as socket:
            frames = await to_the_end(socket)
        detail = await client.detail(task)

    assert [each["name"] for each in frames[-1]["message"]] == ["0.png"]
    assert [each["name"] for each in detail["outputs"]] == ["0.png", "1.png", "2.png", "3.png"]


@pytest.mark.parametrize(
    ("line", "kind", "data"),
    [
        ({"body": "no JSON"}, WSMsgType.TEXT, "no JSON"),
        ({"body": {"message": "\ud83d"}}, WSMsgType.TEXT, '{"message": "\\ud83d"}'),
        ({"body": ["a list"]}, WSMsgType.TEXT, '["a list"]'),
        ({"body": "AAEC", "encoding": "base64"}, WSMsgType.BINARY, b"\x00\x01\x02"),
    ],
    ids=["not_json", "half_emoji", "array", "binary"],
)
async def test_any_frame_can_be_sent(line: Line, kind: WSMsgType, data: str | bytes) -> None:
    """A body can be text, any JSON value, or bytes."""
    async with playing(sent("socket"), said("socket", **line)) as client:
        _, token = await client.run()
        async with client.subscribed(token) as socket:
            message = await socket.receive()

    assert (message.type, message.data) == (kind, data)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ({"close": 4001, "reason": "as you like"}, 4001),
        ({"close": 1006}, 1006),
        ({"body": "\ud83d"}, 1007),
        ({"body": "gwA=", "encoding": "base64", "frame": "raw"}, 1002),
    ],
    ids=["code", "cut", "text_that_is_no_utf_8", "reserved_opcode"],
)
async def test_a_socket_can_end_in_any_way(line: Line, code: int) -> None:
    """With a close code, without a closing handshake, or by an invalid frame."""
    async with playing(sent("socket"), said("socket", **line)) as client:
        _, token = await client.run()
        async with client.subscribed(token) as socket:
            message = await socket.receive()

    assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR)
    assert socket.close_code == code


async def test_a_callback_has_the_record_or_any_body() -> None:
    """A line can wait until the callback was answered."""
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def hook(request: web.Request) -> web.Response:
        received.put_nowait(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", hook)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    lines = (said("callback"), sent("callback"), said("callback", body="not JSON"))
    try:
        async with playing(*lines) as client:
            task, _ = await client.run(callbackUrl=f"http://127.0.0.1:{runner.addresses[0][1]}/hook")
            first, second = await received.get(), await received.get()
    finally:
        await runner.cleanup()

    assert orjson.loads(first)["tasklist"][0]["id"] == task
    assert second == b"not JSON"


async def test_a_callback_to_another_host_is_not_sent() -> None:
    """The lines after it are played."""
    async with playing(said("callback"), record(status="task_start")) as client:
        task, _ = await client.run(callbackUrl="http://192.0.2.1/hook")
        await client.sandbox.until(task, lambda task: task.status == "task_start")

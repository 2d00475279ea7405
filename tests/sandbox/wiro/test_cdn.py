"""What leaves the sandbox besides its answers: the files of a task, and its callback."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from relay.sandbox import Sandbox
from relay.sandbox.shared.pictures import CLIP_BYTES

IMAGE = "bytedance/text-to-image-seedream-v4"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(speed=1000, accounts={"a-key": None}) as sandbox:
        yield sandbox


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"x-api-key": "a-key"}) as http:
        yield http


async def finished(
    sandbox: Sandbox, http: aiohttp.ClientSession, switches: str = "", model: str = IMAGE, **fields: object
) -> list[dict[str, str]]:
    """Run a task to its end and return its outputs."""
    body = {"prompt": f"a cat [sandbox: {switches}]"} | fields
    async with http.post(f"{sandbox.api_url}/Run/{model}", json=body) as answer:
        task_id = (await answer.json())["taskid"]
    await sandbox.until(task_id, lambda task: task.verdict)
    async with http.post(f"{sandbox.api_url}/Task/Detail", json={"taskid": task_id}) as answer:
        outputs: list[dict[str, str]] = (await answer.json())["tasklist"][0]["outputs"]
        return outputs


async def test_each_output_is_a_picture_of_its_own(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Of the size that was promised, of the shape that was asked, for any page."""
    outputs = await finished(sandbox, http, size="2560x1440", maxImages=2)
    pictures = []
    for output in outputs:
        async with http.get(output["url"]) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert answer.content_type == "image/png"
            pictures.append(await answer.read())

    assert [str(len(picture)) for picture in pictures] == [output["size"] for output in outputs]
    assert pictures[0] != pictures[1]
    assert pictures[0][16:24] == (512).to_bytes(4, "big") + (288).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("asked", "status", "first", "length"),
    [
        ("bytes=0-99", 206, 0, 100),
        ("bytes=100-", 206, 100, CLIP_BYTES - 100),
        ("bytes=-5", 206, CLIP_BYTES - 5, 5),
        ("bytes=99999999-", 416, 0, 0),
        ("lines=1-2", 200, 0, CLIP_BYTES),
    ],
)
async def test_a_video_is_one_webm_that_can_be_read_in_parts(
    sandbox: Sandbox, http: aiohttp.ClientSession, asked: str, status: int, first: int, length: int
) -> None:
    """A player seeks by ranges."""
    (output,) = await finished(sandbox, http, model="bytedance/image-to-video-seedance-v1")
    async with http.get(output["url"], headers={"Range": asked}) as answer:
        part = await answer.read()

    assert (output["name"], output["contenttype"]) == ("0.webm", "video/webm")
    assert (answer.status, len(part)) == (status, length)
    if status == 206:
        assert answer.headers["Content-Range"] == f"bytes {first}-{first + length - 1}/{CLIP_BYTES}"


@pytest.mark.parametrize("switch", ["cdn_status=403", "cdn_expires_s=0"])
async def test_a_file_may_be_denied(sandbox: Sandbox, http: aiohttp.ClientSession, switch: str) -> None:
    """From the first, or once it has expired."""
    (output,) = await finished(sandbox, http, switch)
    async with http.get(output["url"]) as answer:
        assert answer.status == 403


async def test_a_file_that_was_never_made_is_not_there(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Neither beside the outputs of a task, nor in a folder that nobody has."""
    (output,) = await finished(sandbox, http)
    for url in (output["url"].replace("0.png", "1.png"), f"{sandbox.origin}/cdn/nowhere/0.png"):
        async with http.get(url) as answer:
            assert answer.status == 404


@pytest.fixture
async def callbacks() -> AsyncIterator[tuple[str, list[dict[str, object]]]]:
    """A receiver of callbacks: its address and what it got."""
    received: list[dict[str, object]] = []

    async def receive(request: web.Request) -> web.Response:
        received.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", receive)
    async with TestServer(app) as server:
        yield str(server.make_url("/hook")), received


@pytest.mark.parametrize(
    ("shape", "keys"),
    [
        ("tasklist", {"result", "errors", "total", "tasklist"}),
        ("task", {"id", "status", "outputs", "pexit"}),
        ("status", {"taskid", "status", "outputs"}),
    ],
)
async def test_the_callback_has_three_shapes_and_may_come_again(
    sandbox: Sandbox,
    http: aiohttp.ClientSession,
    callbacks: tuple[str, list[dict[str, object]]],
    shape: str,
    keys: set[str],
) -> None:
    """It is sent as often as asked; early, so that it is here before the task has ended."""
    url, received = callbacks
    await finished(sandbox, http, f"webhook={shape}, webhook_times=2, webhook_early", callbackUrl=url)

    assert len(received) == 2
    assert keys <= set(received[0])
    assert "task_postprocess_end" in str(received[0])


async def test_a_duplicated_end_does_not_repeat_the_callback(
    sandbox: Sandbox, http: aiohttp.ClientSession, callbacks: tuple[str, list[dict[str, object]]]
) -> None:
    """A frame sent twice is still one end."""
    url, received = callbacks
    await finished(sandbox, http, "webhook_early, duplicate_every=1", callbackUrl=url)

    assert len(received) == 1


async def test_a_callback_never_leaves_the_machine(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """An address beyond loopback is not called, and the task does not mind."""
    (output,) = await finished(sandbox, http, "webhook_early", callbackUrl="http://192.0.2.1/hook")

    assert output["name"] == "0.png"

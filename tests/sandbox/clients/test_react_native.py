"""
The requests of Wiro's React Native SDK, and what it reads from the responses.

https://github.com/wiroai/ReactNative-QuickStart, packages/wirokit/src/client/wiro-client.ts
"""

import time
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import aiohttp
import orjson
import pytest
from websockets.asyncio.client import connect

from relay.sandbox import Sandbox
from tests.sandbox.clients.caller import IMAGE, Body, Caller, plain, signed

AGENT = {"User-Agent": "wirokit-react-native/0.1.0"}
CHAT = "wiro/sandbox-chat"


@pytest.fixture(params=["signed", "plain"])
def sdk(request: pytest.FixtureRequest, sandbox: Sandbox, http: aiohttp.ClientSession) -> Caller:
    """Return the client with and without a secret; its nonces are in milliseconds."""
    auth = plain() if request.param == "plain" else signed(str(time.time_ns() // 1_000_000))
    return Caller(sandbox, http, AGENT | auth)


async def test_it_searches_models(sdk: Caller) -> None:
    """All its options are sent: numbers as text, a category and an owner."""
    listed = await sdk.post(
        "/Tool/List",
        {
            "categories": ["text-to-video"],
            "hideworkflows": True,
            "limit": "20",
            "search": "video",
            "sort": "relevance",
            "start": "0",
            "summary": True,
            "slugowner": "bytedance",
            "order": "DESC",
        },
    )

    assert [tool["slugproject"] for tool in listed["tool"]] == ["image-to-video-seedance-v1"]
    tool = listed["tool"][0]
    assert tool["image"].startswith("http")
    assert (int(tool["taskstat"]["runcount"]), tool["categories"], isinstance(tool["dynamicprice"], str)) == (
        1304,
        ["tool", "text-to-video", "image-to-video", "partner", "ByteDance", "use-agent"],
        True,
    )


async def test_it_explores(sdk: Caller) -> None:
    """The body is an empty object; the response has categories with models."""
    explored = await sdk.post("/Tool/Explore", {})

    assert explored["result"] is True
    assert all(each["id"] and each["title"] and each["tools"] for each in explored["explore"])


async def test_it_reads_a_schema(sdk: Caller) -> None:
    """Parameters are in groups; options have a label and a value."""
    entry = await sdk.post("/Tool/Detail", {"slugowner": "bytedance", "slugproject": "text-to-image-seedream-v4"})
    items = [item for group in entry["tool"][0]["parameters"] for item in group["items"]]

    assert [item["id"] for item in items] == ["prompt", "size", "maxImages", "watermark"]
    assert all(option["label"] and option["value"] for item in items for option in item["options"])


async def test_it_runs_and_polls_to_the_end(sdk: Caller) -> None:
    """It polls Task/Detail by token; numbers are sent as numbers, flags as text."""
    body = {"prompt": "One poster", "size": "3024x1296", "maxImages": 1, "watermark": "false"}
    started = await sdk.run(body)
    task: Body = {}
    while task.get("status") not in ("task_postprocess_end", "task_cancel"):
        detail = await sdk.post("/Task/Detail", {"tasktoken": started["socketaccesstoken"]})
        (task,) = detail["tasklist"]

    assert task["id"] == started["taskid"]
    assert (task["pexit"], task["parameters"]) == ("0", body)
    assert task["outputs"][0]["contenttype"] == "image/png"
    by_id = await sdk.post("/Task/Detail", {"taskid": started["taskid"]})
    assert by_id["tasklist"][0]["socketaccesstoken"] == started["socketaccesstoken"]


async def test_it_follows_a_task_on_a_bare_socket(sdk: Caller) -> None:
    """It sends no headers and one frame, reads JSON objects until the terminal frame, and closes with 1001."""
    sdk.sandbox.next_run(await_subscriber=True)
    started = await sdk.run({"prompt": "One poster"})
    frames: list[Body] = []
    async with connect(sdk.sandbox.socket_url) as socket:
        await socket.send('{"type":"task_info","tasktoken":"' + started["socketaccesstoken"] + '"}')
        while not frames or frames[-1]["type"] not in ("task_postprocess_end", "task_cancel"):
            frames.append(orjson.loads(await socket.recv()))
        await socket.close(code=1001)

    assert all(isinstance(frame, dict) for frame in frames)
    assert frames[-1]["message"][0]["url"].startswith("http")


async def answer_read(sdk: Caller, switches: str = "") -> list[str]:
    """Run a language model and return the texts of its answer, as the SDK reads them from frames."""
    started = await sdk.run({"prompt": f"Why? [sandbox: await_subscriber, {switches}]", "session_id": "s"}, CHAT)
    texts = []
    async with connect(sdk.sandbox.socket_url) as socket:
        await socket.send('{"type":"task_info","tasktoken":"' + started["socketaccesstoken"] + '"}')
        frame: Body = {"type": ""}
        while frame["type"] != "task_postprocess_end":
            frame = orjson.loads(await socket.recv())
            message: Any = frame.get("message")
            if isinstance(message, dict) and frame["type"] == "task_output" and message.get("answer"):
                texts.append("".join(message["answer"]))
    await sdk.sandbox.until(started["taskid"], lambda task: task.verdict)
    detail = await sdk.post("/Task/Detail", {"tasktoken": started["socketaccesstoken"]})
    assert detail["tasklist"][0]["outputs"][0]["content"]["raw"]
    return texts


async def test_it_reads_a_streamed_answer(sdk: Caller) -> None:
    """It reads lists, which gen-2 does not have by default; then it shows no text before the end."""
    is_gen2 = (await answer_read(sdk)) == []
    texts = await answer_read(sdk, "answer_lists")

    assert is_gen2 == (sdk.sandbox.tasks[next(iter(sdk.sandbox.tasks))].identity.dialect == "gen2")
    assert len(texts) > 3
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))


async def test_it_cancels_by_id_and_kills_by_id_or_token(sdk: Caller) -> None:
    """It reads only `result` from the response."""
    waiting = await sdk.held("task_queue")
    assert (await sdk.post("/Task/Cancel", {"taskid": waiting["taskid"]}))["result"] is True
    for name, key in (("taskid", "taskid"), ("socketaccesstoken", "socketaccesstoken")):
        started = await sdk.held("task_start")
        assert (await sdk.post("/Task/Kill", {name: started[key]}))["result"] is True


def multipart_body() -> tuple[bytes, dict[str, str]]:
    """Return a multipart body with one part named `file`, and its header."""
    boundary = "wirokit-3f2a"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="in.png"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = head.encode() + b"\x89PNG" + f"\r\n--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


async def test_it_uploads_a_file_and_runs_a_model_with_its_url(sdk: Caller) -> None:
    """The model accepts the URL in a list."""
    body, header = multipart_body()
    async with sdk.http.post(
        f"{sdk.sandbox.api_url}/File/Upload", data=body, headers={**sdk.headers, **header}
    ) as response:
        (uploaded,) = (await response.json())["list"]

    started = await sdk.run({"prompt": "A fox", "inputImage": [uploaded["url"]]}, "bytedance/seedream-v4")
    assert uploaded["name"] == "in.png"
    assert sdk.sandbox.tasks[started["taskid"]].identity.parameters["inputImage"] == [uploaded["url"]]


async def test_it_uploads_a_stream_of_unknown_length(sdk: Caller) -> None:
    """`fetch` sends it in chunks."""
    body, header = multipart_body()

    async def chunks() -> AsyncIterator[bytes]:
        yield body[:50]
        yield body[50:]

    headers = {**sdk.headers, **header}
    async with sdk.http.post(f"{sdk.sandbox.api_url}/File/Upload", data=chunks(), headers=headers) as response:
        assert (await response.json())["list"][0]["size"] == "4"


async def test_it_sends_a_callback_url(sdk: Caller) -> None:
    """The callback URL is not a parameter, and an empty string is a value."""
    started = await sdk.run({"prompt": "lake", "callbackUrl": "https://example.com/hook", "multiPrompt": ""}, IMAGE)
    detail = await sdk.post("/Task/Detail", {"taskid": started["taskid"]})

    assert detail["tasklist"][0]["parameters"] == {"prompt": "lake", "multiPrompt": ""}
    assert detail["tasklist"][0]["callbackurl"] == "https://example.com/hook"

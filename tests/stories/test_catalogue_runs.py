"""What the platforms receive for a model of the catalogue: exactly what their documents print, checked first."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from relay.app import Running
from relay.catalogue.catalogue import load
from relay.sandbox import Sandbox

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]
Sent = list[tuple[str, str, object]]

DESERT = (
    "A serene desert landscape at dusk, a lone traveler riding a camel toward ancient ruins, golden sky with stars "
    "starting to appear."
)
LAKE = (
    "A tranquil mountain lake at dawn, mist hovering above the water, pine trees reflected perfectly, photorealistic "
    "scenery."
)
SKIER = (
    "A skier glides over fresh snow, joyously smiling while kicking up large clouds of snow as he turns. Accelerating "
    "gradually down the slope, the camera moves smoothly alongside."
)
BOARD = (
    "Draw the following system of binary linear equations and the corresponding solution steps on the blackboard: "
    "5x + 2y = 26; 2x -y = 5."
)
PICTURES = [f"https://example.com/image{number}.jpg" for number in range(1, 15)]

PRINTED: list[tuple[str, dict[str, object], str, Sent]] = [
    (
        "bytedance/text-to-image-seedream-v4",
        {"prompt": DESERT},
        "bytedance/text-to-image-seedream-v4",
        [
            ("prompt", "string", DESERT),
            ("size", "string", "2048x2048"),
            ("maxImages", "number", 1),
            ("watermark", "string", "false"),
        ],
    ),
    (
        "ByteDance/seedream-v4",
        {"prompt": DESERT, "inputImage": PICTURES},
        "bytedance/seedream-v4",
        [
            ("inputImage", "array", PICTURES),
            ("prompt", "string", DESERT),
            ("size", "string", "2048x2048"),
            ("maxImages", "number", 1),
            ("watermark", "string", "false"),
        ],
    ),
    (  # the official n8n node sends every field, filled in or not
        "bytedance/seedream-v4",
        {"prompt": DESERT, "inputImageUrl": "", "maxImages": "", "size": "2048x2048", "watermark": "false"},
        "bytedance/seedream-v4",
        [
            ("prompt", "string", DESERT),
            ("size", "string", "2048x2048"),
            ("maxImages", "number", 1),
            ("watermark", "string", "false"),
        ],
    ),
    (
        "bytedance/seedream-v4",
        {"prompt": DESERT, "inputImage": PICTURES[0], "inputImageUrl": PICTURES[1]},
        "bytedance/seedream-v4",
        [
            ("inputImage", "array", PICTURES[:2]),
            ("prompt", "string", DESERT),
            ("size", "string", "2048x2048"),
            ("maxImages", "number", 1),
            ("watermark", "string", "false"),
        ],
    ),
    (
        "bytedance/text-to-image-seedream-v3",
        {"prompt": LAKE},
        "bytedance/text-to-image-seedream-v3",
        [
            ("prompt", "string", LAKE),
            ("size", "string", "1024x1024"),
            ("watermark", "string", "false"),
            ("guidanceScale", "string", "1"),
            ("seed", "string", "1969632740"),
        ],
    ),
    (
        "bytedance/image-to-video-seedance-v1",
        {"inputImageUrl": "image-to-video-seedance-v1-input.jpg"},
        "ByteDance/image-to-video-seedance-v1",
        [
            ("inputImageUrl", "string", "image-to-video-seedance-v1-input.jpg"),
            ("prompt", "string", SKIER),
            ("resolution", "string", "480p"),
            ("ratio", "string", "16:9"),
            ("duration", "string", "5"),
            ("fps", "string", "24"),
            ("watermark", "string", "false"),
            ("seed", "null", None),
            ("camerafixed", "string", "false"),
        ],
    ),
]
"""Model as asked, input as given, model as sent, fields as sent: as the documents of the models print them."""


def sent(sandbox: Sandbox) -> Sent:
    return [(field.name, field.type, field.value) for field in sandbox.runs[-1].fields]


async def start(client: aiohttp.ClientSession, model: str, given: Mapping[str, object]) -> tuple[int, dict[str, Any]]:
    async with client.post("/v1/tasks", json={"model": model, "input": given}) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize(("model", "given", "spelt", "printed"), PRINTED, ids=[row[0] for row in PRINTED])
async def test_a_run_with_defaults_sends_what_the_document_prints(
    client: aiohttp.ClientSession, sandbox: Sandbox, model: str, given: dict[str, object], spelt: str, printed: Sent
) -> None:
    """Names, values, JSON types, order and the model's spelling. The client's own input is kept."""
    status, made = await start(client, model, given)
    async with client.get(f"/v1/tasks/{made['task']['id']}/input") as answer:
        kept = (await answer.json())["input"]

    assert (status, kept, made["task"]["model"]) == (201, given, model)
    (run,) = sandbox.runs
    assert (run.model, run.content_type) == (spelt, "application/json")
    assert sent(sandbox) == printed


async def test_a_run_on_apikley_sends_what_the_document_prints(make_relay: MakeRelay, sandbox: Sandbox) -> None:
    """The catalogue says which provider has the model."""
    settings = {"apikley_api_key": sandbox.apikley_key, "apikley_api_url": sandbox.apikley_url}
    async with make_relay(**settings) as relay, client_of(relay) as client:
        status, made = await start(client, "ByteDance/Seedream-v4-text-to-image", {"prompt": BOARD})

    assert (status, made["task"]["provider"]) == (201, "apikley")
    (created,) = sandbox.created
    assert created.body == {
        "model": "bytedance/seedream-v4-text-to-image",
        "input": {"prompt": BOARD, "image_size": "square_hd", "image_resolution": "1K", "max_images": 1},
    }


@pytest.mark.parametrize("model", [model.model for model in load() if model.provider == "wiro"])
async def test_every_option_of_every_select_runs(client: aiohttp.ClientSession, sandbox: Sandbox, model: str) -> None:
    """The relay and the platform accept each, in its printed form."""
    listed = load().find("wiro", model)
    assert listed is not None
    for each in listed.inputs:
        for option in each.options:
            status, made = await start(client, model, {"prompt": "a cat", each.name: option.value})
            assert status == 201, made
            assert (each.name, "string", option.value) in sent(sandbox)


async def test_every_option_of_every_select_runs_on_apikley(make_relay: MakeRelay, sandbox: Sandbox) -> None:
    """The same on the other platform."""
    model = load().find("apikley", "bytedance/seedream-v4-text-to-image")
    assert model is not None
    options = [(each.name, option.value) for each in model.inputs for option in each.options]
    settings = {"apikley_api_key": sandbox.apikley_key, "apikley_api_url": sandbox.apikley_url}
    async with make_relay(**settings) as relay, client_of(relay) as client:
        for name, value in options:
            status, made = await start(client, model.model, {"prompt": "a cat", name: value})
            assert status == 201, made

    assert len(options) == 12
    assert [created.body["input"][name] for created, (name, _) in zip(sandbox.created, options, strict=True)] == [  # type: ignore[index]
        value for _, value in options
    ]


async def test_invalid_input_is_rejected_before_a_task_is_created(
    client: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    """422 with a field for each error and what is allowed. Nothing is sent, and the idempotency key stays free."""
    body: dict[str, object] = {"model": "bytedance/seedream-v4", "input": {"prompt": "a cat", "size": "1K", "n": 1}}
    headers = {"Idempotency-Key": "once"}
    async with client.post("/v1/tasks", json=body, headers=headers) as answer:
        problem = await answer.json()
    async with client.get("/v1/tasks") as listed:
        assert (await listed.json())["tasks"] == []

    assert (answer.status, problem["code"]) == (422, "invalid_input")
    assert [error["field"] for error in problem["errors"]] == ["input.size", "input.n"]
    assert problem["errors"][0]["message"].startswith("must be one of 2048x2048, 2304x1728, ")
    assert problem["detail"].startswith("size must be one of 2048x2048, ")
    assert "task" not in problem
    assert sandbox.runs == ()
    async with client.post("/v1/tasks", json=body | {"input": {"prompt": "a cat"}}, headers=headers) as answer:
        assert answer.status == 201


async def test_a_model_of_a_provider_without_credentials_is_rejected(client: aiohttp.ClientSession) -> None:
    """Otherwise another provider would be asked for it."""
    status, problem = await start(client, "bytedance/seedream-v4-text-to-image", {"prompt": "a cat"})

    assert status == 422
    assert [error["field"] for error in problem["errors"]] == ["model"]


async def test_a_queued_task_sends_the_same_after_a_restart(make_relay: MakeRelay, tmp_path: Path) -> None:
    """The journal has the checked input."""
    settings: dict[str, object] = {"store": f"sqlite:///{tmp_path}/relay.db"}
    model, given, _, printed = PRINTED[3]
    async with Sandbox(speed=50, concurrency=1) as box:
        settings |= {"wiro_api_url": box.api_url, "wiro_socket_url": box.socket_url}
        async with make_relay(**settings) as relay, client_of(relay) as client:
            box.next_run(hold_at="task_start")
            await start(client, model, {"prompt": "first"})
            status, made = await start(client, model, given)
            assert (status, made["task"]["state"]) == (202, "held")
        async with make_relay(**settings) as relay, client_of(relay) as client:
            (running,) = box.tasks
            await box.until(running, lambda task: task.holding_at)
            box.release(running)
            async with client.get(
                f"/v1/tasks/{made['task']['id']}/events", headers={"Accept": "text/event-stream"}
            ) as stream:
                assert b'"verdict":"succeeded"' in await stream.read()
        assert sent(box) == printed


async def test_another_model_is_checked_against_the_platforms_description(
    client: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    """An unknown input is rejected; other input is sent as it is."""
    status, problem = await start(client, "wiro/sandbox-chat", {"prompt": "rivers", "temperature": 1})
    assert (status, sandbox.runs) == (422, ())
    assert [error["field"] for error in problem["errors"]] == ["input.temperature"]
    assert "its inputs are prompt, session_id, user_id, messages, " in problem["errors"][0]["message"]
    status, _ = await start(client, "Wiro/sandbox-chat", {"user_id": "7", "prompt": "rivers"})

    assert status == 201
    assert sandbox.runs[-1].model == "Wiro/sandbox-chat"
    assert sent(sandbox) == [("user_id", "string", "7"), ("prompt", "string", "rivers")]


async def test_a_model_without_a_description_is_passed_on(client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """The platform decides, and the log says that nothing was checked."""
    with capture_logs() as lines:
        status, problem = await start(client, "nobody/nothing", {"x": 1})

    assert (status, problem["errors"][0]["field"]) == (422, "model")
    assert [run.model for run in sandbox.runs] == ["nobody/nothing"]
    assert [line["model"] for line in lines if line["event"] == "model.unchecked"] == ["nobody/nothing"]


def client_of(relay: Running) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(relay.url, headers={"Authorization": f"Bearer {relay.api_key}"})

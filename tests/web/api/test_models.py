"""`GET /v1/models`: the catalogue, and models that only their platform knows."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest

from relay.app import Running
from relay.sandbox import Sandbox
from relay.web.api.openapi import schemas as all_schemas

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]
Json = dict[str, Any]


async def get(client: aiohttp.ClientSession, path: str) -> tuple[int, Json]:
    async with client.get(path) as answer:
        return answer.status, await answer.json()


async def test_the_catalogue_is_listed(client: aiohttp.ClientSession) -> None:
    """Each model has its inputs, examples and schema, and whether it is available."""
    _, listed = await get(client, "/v1/models")
    models: dict[str, Json] = {model["model"]: model for model in listed["models"]}

    assert {name: model["available"] for name, model in models.items()} == {
        "bytedance/text-to-image-seedream-v4": True,
        "bytedance/seedream-v4": True,
        "bytedance/text-to-image-seedream-v3": True,
        "bytedance/image-to-video-seedance-v1": True,
        "bytedance/seedream-v4-text-to-image": False,
    }
    video = models["bytedance/image-to-video-seedance-v1"]
    assert len(video["inspires"]) == 6
    inputs = {each["name"]: each for each in video["inputs"]}
    assert inputs["duration"] == {
        "name": "duration",
        "label": "Duration",
        "help": "Generated video duration in seconds.",
        "type": "select",
        "required": False,
        "default": "5",
        "options": [{"value": "5", "label": "5"}, {"value": "10", "label": "10"}],
        "part": None,
        "accept": [],
        "limits": {},
    }
    assert inputs["seed"]["limits"] == {"minimum": -1, "maximum": 4294967295, "integer": True}
    assert video["schema"]["properties"]["duration"]["enum"] == ["5", "10"]
    images = models["bytedance/seedream-v4"]["inputs"][0]
    assert (images["type"], images["limits"]) == ("combinefileinput", {"max_items": 14})
    assert (images["part"], images["accept"][:2]) == ("inputImage", ["image/jpeg", "image/png"])
    prompt = models["bytedance/seedream-v4-text-to-image"]["inputs"][0]
    assert (prompt["required"], prompt["limits"]) == (True, {"max_length": 5000})


async def test_the_list_has_the_fields_of_the_openapi_document(client: aiohttp.ClientSession) -> None:
    """In the same order."""
    _, listed = await get(client, "/v1/models")
    schemas = all_schemas()

    for model in listed["models"]:
        assert list(model) == schemas["Model"]["required"]
        for each in model["inputs"]:
            assert list(each) == schemas["ModelInput"]["required"]
            assert each["type"] in schemas["ModelInput"]["properties"]["type"]["enum"]


@pytest.mark.parametrize("name", ["bytedance/seedream-v4", "ByteDance/SEEDREAM-v4"])
async def test_a_model_is_shown_by_its_name_in_any_case(client: aiohttp.ClientSession, name: str) -> None:
    """The response has the spelling of the list."""
    status, shown = await get(client, f"/v1/models/{name}")
    _, listed = await get(client, "/v1/models")

    assert status == 200
    model = next(model for model in listed["models"] if model["model"] == "bytedance/seedream-v4")
    assert shown == {**model, "usual": None}


async def test_a_model_that_only_its_platform_knows_is_shown(client: aiohttp.ClientSession) -> None:
    """In the same format as a model of the catalogue."""
    status, shown = await get(client, "/v1/models/wiro/sandbox-chat")

    assert status == 200
    assert (shown["model"], shown["provider"], shown["available"]) == ("wiro/sandbox-chat", "wiro", True)
    inputs = [each["name"] for each in shown["inputs"]]
    assert inputs[:3] == ["prompt", "session_id", "user_id"]
    assert "previousTaskToken" in inputs
    assert shown["schema"]["properties"]["prompt"]["type"] == "string"


@pytest.mark.parametrize(
    "path", ["nobody/nothing", "%2e%2e/%20", "bytedance/seedream-v4?provider=nobody", "wiro/sandbox-chat?provider=x"]
)
async def test_an_unknown_model_is_not_found(client: aiohttp.ClientSession, path: str) -> None:
    """Also with an invalid name or an unknown provider."""
    status, problem = await get(client, f"/v1/models/{path}")

    assert (status, problem["code"]) == (404, "not_found")


async def test_an_unreachable_platform_is_not_an_unknown_model(make_relay: MakeRelay) -> None:
    """It is a 502, because the model may exist."""
    async with (
        make_relay(wiro_api_url="http://127.0.0.1:1/v1") as relay,
        aiohttp.ClientSession(relay.url, headers={"Authorization": f"Bearer {relay.api_key}"}) as client,
    ):
        for _ in range(2):
            status, problem = await get(client, "/v1/models/some/body")
            assert (status, problem["code"]) == (502, "upstream_unavailable")


async def test_models_need_an_api_key(relay: Running, sandbox: Sandbox) -> None:
    """A viewer token or no credential is rejected."""
    token, _ = relay.context.access.mint("some-task", scope="view", ttl_s=60)
    for credential, status in (({}, 401), ({"Authorization": f"Bearer {token}"}, 403)):
        async with aiohttp.ClientSession(relay.url, headers=credential) as client:
            for path in ("/v1/models", "/v1/models/bytedance/seedream-v4"):
                assert (await get(client, path))[0] == status
    assert sandbox.runs == ()

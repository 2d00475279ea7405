"""The catalogue of models, as the calls about tools show it."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest

from relay.sandbox import Faults, Sandbox

Body = dict[str, Any]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(accounts={"a-key": None}) as sandbox:
        yield sandbox


async def post(sandbox: Sandbox, call: str, **body: object) -> Any:
    async with (
        aiohttp.ClientSession(headers={"x-api-key": "a-key"}) as http,
        http.post(f"{sandbox.api_url}/{call}", json=body) as answer,
    ):
        return await answer.json()


async def detail(sandbox: Sandbox, project: str = "text-to-image-seedream-v4", owner: str = "bytedance") -> Body:
    tool: Body = (await post(sandbox, "Tool/Detail", slugowner=owner, slugproject=project))["tool"][0]
    return tool


@pytest.mark.parametrize(
    ("asked", "projects"),
    [
        ({"categories": ["text-to-video"]}, ["image-to-video-seedance-v1"]),
        ({"categories": ["LLM", "text-to-video"]}, ["sandbox-chat", "image-to-video-seedance-v1"]),
        ({"tags": "wiro"}, ["sandbox-collage", "sandbox-chat"]),
        ({"slugowner": "WIRO", "sort": "id", "order": "ASC"}, ["sandbox-chat", "sandbox-collage"]),
        ({"search": "a model that generates videos from an image for me", "limit": 1}, ["image-to-video-seedance-v1"]),
        ({"search": "zzz"}, []),
        ({"sort": "ratedusercount", "limit": "2"}, ["seedream-v4", "image-to-video-seedance-v1"]),
        ({"sort": "id", "order": "ASC", "start": "1", "limit": "1"}, ["seedream-v4"]),
    ],
    ids=str,
)
async def test_models_are_filtered_sorted_and_paged(sandbox: Sandbox, asked: Body, projects: list[str]) -> None:
    """Any of the categories, any of the tags, any word of a search; the most hits come first."""
    listed = await post(sandbox, "Tool/List", **asked)

    found = [tool["slugproject"] for tool in listed["tool"]]
    assert sorted(found) == sorted(projects)
    if "sort" in asked or "limit" in asked:
        assert found == projects
    assert int(listed["total"]) >= len(found)


async def test_explore_shows_each_category_with_its_models(sandbox: Sandbox) -> None:
    """With a title, an address and a total, as the official clients read them."""
    explored = await post(sandbox, "Tool/Explore")
    categories = {each["title"]: each for each in explored["explore"]}

    assert set(categories["text-to-video"]) == {"id", "title", "tools", "url", "total"}
    assert categories["text-to-video"]["total"] == 1
    assert categories["text-to-video"]["tools"][0]["cleanslugproject"] == "image-to-video-seedance-v1"


async def test_a_model_has_the_texts_of_its_page(sandbox: Sandbox) -> None:
    """Help, labels of options, prompts that inspire, a cover that can be fetched, counts."""
    tool = await detail(sandbox)
    items = {item["id"]: item for item in tool["parameters"][0]["items"]}
    async with aiohttp.ClientSession() as http, http.get(tool["image"]) as cover:
        kind = cover.content_type

    assert items["prompt"]["note"].startswith("Please provide how many images")
    assert items["size"]["options"][0] == {"label": "2048x2048 (1:1)", "value": "2048x2048"}
    assert len(tool["inspire"]) == 5
    assert kind == "image/png"
    assert (tool["commentcount"], tool["ratedusercount"]) == ("1", "3")


async def test_a_model_is_shown_as_an_openapi_document_for_each_kind_of_project(sandbox: Sandbox) -> None:
    """A bare list without an envelope: that is what the clients that ask for it read."""
    specs = await post(sandbox, "Tool/DetailOpenAPI", slugowner="bytedance", slugproject="text-to-image-seedream-v4")
    signed, plain = (each["spec"] for each in specs)
    schema = signed["components"]["schemas"]["RunToolSchema"]

    assert [each["type"] for each in specs] == ["signature", "apikey"]
    assert [*signed["security"][0]] == ["ApiKeyAuth", "NonceAuth", "SignatureAuth"]
    assert [*plain["security"][0]] == ["ApiKeyAuth"]
    assert schema["required"] == ["prompt"]
    assert schema["properties"]["size"]["x-options"][0]["label"] == "2048x2048 (1:1)"
    assert schema["properties"]["maxImages"]["maximum"] == 15


@pytest.mark.parametrize(("shape", "kind"), [("json", str), ("array", list), ("object", dict)])
async def test_the_price_is_text_in_lists_and_may_be_anything_in_the_detail(shape: str, kind: type) -> None:
    """The official SDKs differ on it."""
    faults = Faults().with_switches({"dynamicprice": shape})
    async with Sandbox(accounts={"a-key": None}, faults=faults) as sandbox:
        listed = (await post(sandbox, "Tool/List"))["tool"][0]
        shown = await detail(sandbox)

    assert orjson.loads(listed["dynamicprice"])[0]["priceMethod"] == "cps"
    assert isinstance(shown["dynamicprice"], kind)


async def test_the_switches_of_the_catalogue() -> None:
    """No parameters, other names of a number's type, options without values."""
    async with Sandbox(accounts={"a-key": None}, faults=Faults(parameters="null")) as sandbox:
        assert (await detail(sandbox))["parameters"] is None
    faults = Faults(number_type="numeric", option_values=False)
    async with Sandbox(accounts={"a-key": None}, faults=faults) as sandbox:
        items = {item["id"]: item for item in (await detail(sandbox))["parameters"][0]["items"]}

    assert items["maxImages"]["type"] == "numeric"
    assert items["size"]["options"][0] == {"label": "2048x2048 (1:1)"}

"""
The catalogue of models, as the Tool calls return it.

`catalogue`, `models` and `openapi` are tested here too.
"""

from typing import Any

import aiohttp
import orjson
import pytest

from relay.sandbox import PLAIN_KEY, Faults, Sandbox
from tests.sandbox.calls import Body


async def test_tool_detail_has_the_types_of_file_inputs(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """One file, several files, or files and URLs mixed."""
    body = {"slugowner": "wiro", "slugproject": "sandbox-collage"}
    async with http.post(f"{sandbox.api_url}/Tool/Detail", json=body) as response:
        (group,) = (await response.json())["tool"][0]["parameters"]

    assert [(item["id"], item["type"], item["required"]) for item in group["items"]] == [
        ("inputImage", "fileinput", True),
        ("inputDocumentMultiple", "multifileinput", False),
        ("inputImageClothes", "combinefileinput", False),
        ("prompt", "textarea", False),
    ]


async def call(sandbox: Sandbox, name: str, **body: object) -> Any:
    async with (
        aiohttp.ClientSession(headers={"x-api-key": PLAIN_KEY}) as http,
        http.post(f"{sandbox.api_url}/{name}", json=body) as response,
    ):
        return await response.json()


async def tool(sandbox: Sandbox, project: str = "text-to-image-seedream-v4", owner: str = "bytedance") -> Body:
    entry: Body = (await call(sandbox, "Tool/Detail", slugowner=owner, slugproject=project))["tool"][0]
    return entry


@pytest.mark.parametrize(
    ("requested", "projects"),
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
async def test_models_are_filtered_sorted_and_paged(sandbox: Sandbox, requested: Body, projects: list[str]) -> None:
    """A model matches any category, any tag and any word of the search; the best match comes first."""
    listed = await call(sandbox, "Tool/List", **requested)

    found = [tool["slugproject"] for tool in listed["tool"]]
    assert sorted(found) == sorted(projects)
    if "sort" in requested or "limit" in requested:
        assert found == projects
    assert int(listed["total"]) >= len(found)


async def test_explore_returns_categories_with_models(sandbox: Sandbox) -> None:
    """With the title, address and total that the official clients read."""
    explored = await call(sandbox, "Tool/Explore")
    categories = {each["title"]: each for each in explored["explore"]}

    assert set(categories["text-to-video"]) == {"id", "title", "tools", "url", "total"}
    assert categories["text-to-video"]["total"] == 1
    assert categories["text-to-video"]["tools"][0]["cleanslugproject"] == "image-to-video-seedance-v1"


async def test_a_model_has_the_texts_of_its_page(sandbox: Sandbox) -> None:
    """Help texts, option labels, sample prompts, a cover that can be fetched, and counters."""
    model = await tool(sandbox)
    items = {item["id"]: item for item in model["parameters"][0]["items"]}
    async with aiohttp.ClientSession() as http, http.get(model["image"]) as cover:
        kind = cover.content_type

    assert items["prompt"]["note"].startswith("Please provide how many images")
    assert items["size"]["options"][0] == {"label": "2048x2048 (1:1)", "value": "2048x2048"}
    assert len(model["inspire"]) == 5
    assert kind == "image/png"
    assert (model["commentcount"], model["ratedusercount"]) == ("1", "3")


async def test_a_model_has_an_openapi_document_for_each_kind_of_project(sandbox: Sandbox) -> None:
    """The list has no envelope, as clients expect."""
    specs = await call(sandbox, "Tool/DetailOpenAPI", slugowner="bytedance", slugproject="text-to-image-seedream-v4")
    signed, plain = (each["spec"] for each in specs)
    schema = signed["components"]["schemas"]["RunToolSchema"]

    assert [each["type"] for each in specs] == ["signature", "apikey"]
    assert [*signed["security"][0]] == ["ApiKeyAuth", "NonceAuth", "SignatureAuth"]
    assert [*plain["security"][0]] == ["ApiKeyAuth"]
    assert schema["required"] == ["prompt"]
    assert schema["properties"]["size"]["x-options"][0]["label"] == "2048x2048 (1:1)"
    assert schema["properties"]["maxImages"]["maximum"] == 15


@pytest.mark.parametrize(("shape", "kind"), [("json", str), ("array", list), ("object", dict)])
async def test_the_price_has_several_forms(shape: str, kind: type) -> None:
    """In Tool/List it is a JSON string; in Tool/Detail the official SDKs expect different types."""
    faults = Faults().with_switches({"dynamicprice": shape})
    async with Sandbox(faults=faults) as sandbox:
        listed = (await call(sandbox, "Tool/List"))["tool"][0]
        shown_entry = await tool(sandbox)

    assert orjson.loads(listed["dynamicprice"])[0]["priceMethod"] == "cps"
    assert isinstance(shown_entry["dynamicprice"], kind)


async def test_switches_change_the_catalogue() -> None:
    """No parameters, another name for numeric types, and options without values."""
    async with Sandbox(faults=Faults(parameters="null")) as sandbox:
        assert (await tool(sandbox))["parameters"] is None
    faults = Faults(number_type="numeric", option_values=False)
    async with Sandbox(faults=faults) as sandbox:
        items = {item["id"]: item for item in (await tool(sandbox))["parameters"][0]["items"]}

    assert items["maxImages"]["type"] == "numeric"
    assert items["size"]["options"][0] == {"label": "2048x2048 (1:1)"}


async def test_tool_detail_lists_the_inputs_of_a_model(sandbox: Sandbox) -> None:
    """They are in groups."""
    (group,) = (await tool(sandbox, "seedream-v4"))["parameters"]

    assert [item["id"] for item in group["items"]] == ["inputImage", "prompt", "size", "maxImages", "watermark"]


@pytest.mark.parametrize("name", ["Tool/Detail", "Tool/DetailOpenAPI"])
async def test_an_unknown_model_is_refused(sandbox: Sandbox, name: str) -> None:
    """Both calls return the same error."""
    response = await call(sandbox, name, slugowner="nobody", slugproject="nothing")

    assert response["errors"] == [{"code": 1, "message": "slug-owner-project-not-exist"}]


async def test_an_openapi_document_describes_file_inputs(sandbox: Sandbox) -> None:
    """They are URIs; an optional input is not in `required`."""
    specs = await call(sandbox, "Tool/DetailOpenAPI", slugowner="wiro", slugproject="sandbox-collage")
    schema = specs[0]["spec"]["components"]["schemas"]["RunToolSchema"]

    assert schema["properties"]["inputImage"]["format"] == "uri"
    assert schema["required"] == ["inputImage"]

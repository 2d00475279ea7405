"""File inputs of a Run."""

import aiohttp
import pytest

from relay.sandbox import Sandbox
from tests.sandbox.wiro.uploads import COLLAGE, EDIT, PNG, URL, Entry, run_form


@pytest.mark.parametrize(
    ("model", "entries", "message"),
    [
        (COLLAGE, [], "Request files [inputImage] required"),
        (COLLAGE, [("inputImage", ""), ("inputImageUrl", " ")], "Request files [inputImage] required"),
        (COLLAGE, [("inputImage", PNG), ("inputImageUrl", URL)], "Request files [inputImage] must be between 1 and 1"),
        (
            COLLAGE,
            [("inputImage", URL), ("inputDocumentMultiple", b"1"), ("inputDocumentMultipleUrl", "a,b, c")],
            "Request files [inputDocumentMultiple] must be between 0 and 3",
        ),
        (
            COLLAGE,
            [("inputImage", URL), *[("inputImageClothes", b"1")] * 5],
            "Request files [inputImageClothes] must be between 0 and 4",
        ),
        (
            EDIT,
            [*[("inputImage", b"1")] * 8, *[("inputImage", URL)] * 7, ("prompt", "x")],
            "Request files [inputImage] must be between 0 and 14",
        ),
        (EDIT, [("prompt", b"a file for a text")], "Request parameter [prompt] required"),
    ],
)
async def test_too_few_or_too_many_files_are_refused(
    sandbox: Sandbox, http: aiohttp.ClientSession, model: str, entries: list[Entry], message: str
) -> None:
    """Files and URLs are counted together."""
    response = await run_form(sandbox, http, model, *entries)

    assert response == {"result": False, "errors": [{"code": 0, "message": message}]}
    assert not sandbox.tasks


@pytest.mark.parametrize(
    ("model", "entries"),
    [
        (COLLAGE, [("inputImage", PNG), ("inputImageUrl", "")]),
        (COLLAGE, [("inputImage", ""), ("inputImageUrl", URL)]),
        (COLLAGE, [("inputImage", URL)]),
        (
            COLLAGE,
            [("inputImage", URL), ("inputDocumentMultiple", b"1"), ("inputDocumentMultipleUrl", f"{URL},{URL}")],
        ),
        (COLLAGE, [("inputImage", URL), ("inputImageClothes", b"1"), ("inputImageClothes", URL)]),
        (EDIT, [*[("inputImage", b"1")] * 14, ("prompt", "x")]),
        (EDIT, [*[("inputImage", URL)] * 14, ("prompt", "x")]),
        (EDIT, [("inputImage", b"1"), *[("inputImage", URL)] * 13, ("prompt", "x")]),
        (EDIT, [("prompt", "x")]),
    ],
)
async def test_files_are_accepted_in_every_documented_form(
    sandbox: Sandbox, http: aiohttp.ClientSession, model: str, entries: list[Entry]
) -> None:
    """As files, as URLs in the field or in its `Url` field, and mixed."""
    assert (await run_form(sandbox, http, model, *entries))["result"] is True


async def test_urls_can_be_a_json_list(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The limit of 14 applies here too."""
    for count, accepted in ((14, True), (15, False)):
        body = {"inputImage": [URL] * count, "prompt": "x"}
        async with http.post(f"{sandbox.api_url}/Run/{EDIT}", json=body) as response:
            assert (await response.json())["result"] is accepted

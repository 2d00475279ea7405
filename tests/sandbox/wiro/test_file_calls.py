"""
Wiro's file API: uploads, folders, the three forms of responses, and faults.

`file_entries` is tested here too.
"""

import hashlib
from typing import Any

import aiohttp
import pytest

from relay.errors import ConfigError
from relay.sandbox import PLAIN_KEY, Sandbox
from relay.sandbox.wiro.file_store import File
from tests.sandbox.calls import OTHER_KEY, refusal

DATA = b"a,b\n1,2\n" * 20_000


async def upload(sandbox: Sandbox, http: aiohttp.ClientSession, **fields: str) -> dict[str, Any]:
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("file", DATA, filename="dataset.csv", content_type="text/csv")
    for name, value in fields.items():
        form.add_field(name, value)
    async with http.post(f"{sandbox.api_url}/File/Upload", data=form) as response:
        body: dict[str, Any] = await response.json()
        return body


async def test_an_uploaded_file_can_be_read(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Numbers are text; the URL returns the file and works as the input of a Run."""
    response = await upload(sandbox, http)

    (listed,) = response["list"]
    assert list(response) == ["errors", "list", "result"]
    assert set(listed) == {"id", "name", "contenttype", "size", "parentid", "url", "addedtime", "accesskey"}
    assert (listed["name"], listed["contenttype"], listed["size"]) == ("dataset.csv", "text/csv", str(len(DATA)))
    async with http.get(listed["url"]) as served:
        assert (served.content_type, await served.read()) == ("text/csv", DATA)
    async with http.post(f"{sandbox.api_url}/Run/wiro/sandbox-collage", json={"inputImage": listed["url"]}) as started:
        assert (await started.json())["result"] is True


async def make_folder(
    sandbox: Sandbox, http: aiohttp.ClientSession, key: str = PLAIN_KEY, **fields: object
) -> dict[str, Any]:
    url = f"{sandbox.api_url}/File/FolderCreate"
    async with http.post(url, json=fields, headers={"x-api-key": key}) as response:
        body: dict[str, Any] = await response.json()
        return body


async def test_file_calls_are_logged(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """With their fields in order, and the id of the new entry."""
    await make_folder(sandbox, http, name="training-data", parentid=None)
    (folder,) = sandbox.files
    await upload(sandbox, http, folderid=folder)
    await make_folder(sandbox, http, name="no/slash")

    folder_call, upload_call, refused_call = sandbox.file_calls
    file = File(
        filename="dataset.csv", content_type="text/csv", size=len(DATA), sha256=hashlib.sha256(DATA).hexdigest()
    )
    assert (folder_call.call, folder_call.content_type, folder_call.created) == (
        "FolderCreate",
        "application/json",
        folder,
    )
    assert [(field.name, field.type, field.value) for field in folder_call.fields] == [
        ("name", "string", "training-data"),
        ("parentid", "null", None),
    ]
    assert (upload_call.call, upload_call.content_type) == ("Upload", "multipart/form-data")
    assert [(field.name, field.value) for field in upload_call.fields] == [("file", file), ("folderid", folder)]
    assert refused_call.created is None
    entry = sandbox.files[upload_call.created or ""]
    assert (entry.name, entry.parent, entry.file) == ("dataset.csv", folder, file)


@pytest.mark.parametrize("name", ["folderid", "folderId"])
async def test_a_file_is_stored_in_a_folder(sandbox: Sandbox, http: aiohttp.ClientSession, name: str) -> None:
    """Wiro's documentation uses two names for the field; without it, files and folders have the same parent."""
    folder = (await make_folder(sandbox, http, name="one"))["list"][0]

    assert (await upload(sandbox, http, **{name: folder["id"]}))["list"][0]["parentid"] == folder["id"]
    assert (await upload(sandbox, http))["list"][0]["parentid"] == folder["parentid"]


@pytest.mark.parametrize(
    ("shape", "folder_keys", "file_keys"),
    [
        (
            "list",
            {"id", "name", "contenttype", "size", "parentid", "addedtime"},
            {"id", "name", "contenttype", "size", "parentid", "url", "addedtime", "accesskey"},
        ),
        (
            "samples",
            {"id", "name", "parentid", "size", "isfolder", "created"},
            {"id", "name", "parentid", "size", "isfolder", "created"},
        ),
        (
            "data",
            {"id", "name", "parentId", "createdAt"},
            {"id", "name", "contenttype", "size", "parentid", "url", "addedtime", "accesskey"},
        ),
    ],
)
async def test_responses_have_three_forms(
    sandbox: Sandbox, http: aiohttp.ClientSession, shape: str, folder_keys: set[str], file_keys: set[str]
) -> None:
    """A list with all fields, a list with few fields, and a folder in `data`."""
    sandbox.next_file_call(file_answer=shape)
    sandbox.next_file_call(file_answer=shape)
    folder = await make_folder(sandbox, http, name="one")
    sent = await upload(sandbox, http)

    assert set(folder["data"] if shape == "data" else folder["list"][0]) == folder_keys
    assert set(sent["list"][0]) == file_keys


async def test_invalid_file_calls_are_refused(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """No file, no name, an invalid name, or a folder of another account."""
    foreign = (await make_folder(sandbox, http, key=OTHER_KEY, name="theirs"))["list"][0]["id"]
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("file", "a text, not a file")
    async with http.post(f"{sandbox.api_url}/File/Upload", data=form) as response:
        assert refusal(await response.json()) == (0, "Request files [file] required")

    assert refusal(await make_folder(sandbox, http)) == (0, "Request parameter [name] required")
    assert refusal(await make_folder(sandbox, http, name="two words")) == (0, "invalid-parameters")
    assert refusal(await make_folder(sandbox, http, name="one", parentid=foreign)) == (0, "invalid-parameters")
    assert refusal(await upload(sandbox, http, folderid=foreign)) == (0, "invalid-parameters")
    assert len(sandbox.files) == 1


@pytest.mark.parametrize(
    ("switches", "status", "stored"),
    [
        ({"file_http": "429", "retry_after_s": 3}, 429, 0),
        ({"file_http": "502:html"}, 502, 0),
        ({"file_http": "200:truncated"}, 200, 1),
        ({"body_stop": 65536}, 413, 0),
        ({"body_stop": "0:503:empty"}, 503, 0),
        ({"file_error": "0:invalid-parameters"}, 200, 0),
    ],
)
async def test_an_upload_can_fail(
    sandbox: Sandbox, http: aiohttp.ClientSession, switches: dict[str, object], status: int, stored: int
) -> None:
    """The fault affects one call; the next one succeeds."""
    sandbox.next_file_call(**switches)
    form = aiohttp.FormData()
    form.add_field("file", DATA, filename="a.csv")
    async with http.post(f"{sandbox.api_url}/File/Upload", data=form) as response:
        assert (response.status, response.headers.get("Retry-After")) == (status, "3" if status == 429 else None)
        await response.read()

    assert len(sandbox.files) == stored
    assert (await upload(sandbox, http))["result"] is True


async def test_file_calls_have_their_own_queue_of_switches(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The control API accepts both queues."""
    async with http.post(f"{sandbox.control_url}/faults", json={"next_file": [{"file_error": "1:no"}]}) as response:
        assert await response.json() == {"queued": 1}
    async with http.post(f"{sandbox.api_url}/Run/bytedance/seedream-v4", json={"prompt": "x"}) as response:
        assert (await response.json())["result"] is True

    assert refusal(await make_folder(sandbox, http, name="one")) == (1, "no")
    with pytest.raises(ConfigError):
        sandbox.next_file_call(file_answer="poem")

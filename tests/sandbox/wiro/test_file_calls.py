"""The upstream's store of files: uploads, folders, the three shapes of their answers, and how they go wrong."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from relay.errors import ConfigError
from relay.sandbox import Sandbox
from relay.sandbox.wiro.file_store import File

DATA = b"a,b\n1,2\n" * 20_000


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(speed=1000, accounts={"a-key": None, "other-key": None}) as sandbox:
        yield sandbox


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"x-api-key": "a-key"}) as http:
        yield http


async def upload(sandbox: Sandbox, http: aiohttp.ClientSession, **fields: str) -> dict[str, Any]:
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("file", DATA, filename="dataset.csv", content_type="text/csv")
    for name, value in fields.items():
        form.add_field(name, value)
    async with http.post(f"{sandbox.api_url}/File/Upload", data=form) as answer:
        body: dict[str, Any] = await answer.json()
        return body


async def make_folder(
    sandbox: Sandbox, http: aiohttp.ClientSession, key: str = "a-key", **fields: object
) -> dict[str, Any]:
    url = f"{sandbox.api_url}/File/FolderCreate"
    async with http.post(url, json=fields, headers={"x-api-key": key}) as answer:
        body: dict[str, Any] = await answer.json()
        return body


def refusal(answer: dict[str, Any]) -> tuple[int, str]:
    assert answer["result"] is False
    return answer["errors"][0]["code"], answer["errors"][0]["message"]


async def test_an_upload_is_listed_and_can_be_read(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Numbers are text; the address gives what was sent, and serves as the input of a Run."""
    answer = await upload(sandbox, http)

    (listed,) = answer["list"]
    assert list(answer) == ["errors", "list", "result"]
    assert set(listed) == {"id", "name", "contenttype", "size", "parentid", "url", "addedtime", "accesskey"}
    assert (listed["name"], listed["contenttype"], listed["size"]) == ("dataset.csv", "text/csv", str(len(DATA)))
    async with http.get(listed["url"]) as served:
        assert (served.content_type, await served.read()) == ("text/csv", DATA)
    async with http.post(f"{sandbox.api_url}/Run/wiro/sandbox-collage", json={"inputImage": listed["url"]}) as started:
        assert (await started.json())["result"] is True


async def test_a_call_about_files_is_on_record(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """With its fields in order, and what came of it."""
    await make_folder(sandbox, http, name="training-data", parentid=None)
    (folder,) = sandbox.files
    await upload(sandbox, http, folderid=folder)
    await make_folder(sandbox, http, name="no/slash")

    made, sent, refused = sandbox.file_calls
    file = File(
        filename="dataset.csv", content_type="text/csv", size=len(DATA), sha256=hashlib.sha256(DATA).hexdigest()
    )
    assert (made.call, made.content_type, made.created) == ("FolderCreate", "application/json", folder)
    assert [(field.name, field.type, field.value) for field in made.fields] == [
        ("name", "string", "training-data"),
        ("parentid", "null", None),
    ]
    assert (sent.call, sent.content_type) == ("Upload", "multipart/form-data")
    assert [(field.name, field.value) for field in sent.fields] == [("file", file), ("folderid", folder)]
    assert refused.created is None
    entry = sandbox.files[sent.created or ""]
    assert (entry.name, entry.parent, entry.file) == ("dataset.csv", folder, file)


@pytest.mark.parametrize("name", ["folderid", "folderId"])
async def test_a_file_goes_into_its_folder(sandbox: Sandbox, http: aiohttp.ClientSession, name: str) -> None:
    """Its documents spell the field both ways; without one it goes where the folders are."""
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
async def test_the_documents_print_three_answers(
    sandbox: Sandbox, http: aiohttp.ClientSession, shape: str, folder_keys: set[str], file_keys: set[str]
) -> None:
    """A list with everything, a list with little, and a folder by itself."""
    sandbox.next_file_call(file_answer=shape)
    sandbox.next_file_call(file_answer=shape)
    made = await make_folder(sandbox, http, name="one")
    sent = await upload(sandbox, http)

    assert set(made["data"] if shape == "data" else made["list"][0]) == folder_keys
    assert set(sent["list"][0]) == file_keys


async def test_what_is_missing_or_not_there_is_refused(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """No file, no name, a name with other signs, somebody else's folder."""
    theirs = (await make_folder(sandbox, http, key="other-key", name="theirs"))["list"][0]["id"]
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("file", "a text, not a file")
    async with http.post(f"{sandbox.api_url}/File/Upload", data=form) as answer:
        assert refusal(await answer.json()) == (0, "Request files [file] required")

    assert refusal(await make_folder(sandbox, http)) == (0, "Request parameter [name] required")
    assert refusal(await make_folder(sandbox, http, name="two words")) == (0, "invalid-parameters")
    assert refusal(await make_folder(sandbox, http, name="one", parentid=theirs)) == (0, "invalid-parameters")
    assert refusal(await upload(sandbox, http, folderid=theirs)) == (0, "invalid-parameters")
    assert len(sandbox.files) == 1


@pytest.mark.parametrize(
    ("switches", "status", "made"),
    [
        ({"file_http": "429", "retry_after_s": 3}, 429, 0),
        ({"file_http": "502:html"}, 502, 0),
        ({"file_http": "200:truncated"}, 200, 1),
        ({"body_stop": 65536}, 413, 0),
        ({"body_stop": "0:503:empty"}, 503, 0),
        ({"file_error": "0:invalid-parameters"}, 200, 0),
    ],
)
async def test_an_upload_may_go_wrong(
    sandbox: Sandbox, http: aiohttp.ClientSession, switches: dict[str, object], status: int, made: int
) -> None:
    """Once; the next one is taken."""
    sandbox.next_file_call(**switches)
    form = aiohttp.FormData()
    form.add_field("file", DATA, filename="a.csv")
    async with http.post(f"{sandbox.api_url}/File/Upload", data=form) as answer:
        assert (answer.status, answer.headers.get("Retry-After")) == (status, "3" if status == 429 else None)
        await answer.read()

    assert len(sandbox.files) == made
    assert (await upload(sandbox, http))["result"] is True


async def test_switches_for_files_are_not_used_up_by_runs(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Each queue is its own; the desk takes both."""
    async with http.post(f"{sandbox.control_url}/faults", json={"next_file": [{"file_error": "1:no"}]}) as answer:
        assert await answer.json() == {"queued": 1}
    async with http.post(f"{sandbox.api_url}/Run/bytedance/seedream-v4", json={"prompt": "x"}) as answer:
        assert (await answer.json())["result"] is True

    assert refusal(await make_folder(sandbox, http, name="one")) == (1, "no")
    with pytest.raises(ConfigError):
        sandbox.next_file_call(file_answer="poem")

"""Runs that carry files: what is on record of them, what is refused, and how their bodies may be stopped midway."""

import asyncio
import hashlib
import re
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.sandbox import Faults, Sandbox
from relay.sandbox.wiro import file_store
from relay.sandbox.wiro.file_store import File

EDIT = "bytedance/seedream-v4"
COLLAGE = "wiro/sandbox-collage"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 700
URL = "https://example.com/two.jpg"
Entry = tuple[str, str | bytes]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(speed=1000, accounts={"a-key": None}) as sandbox:
        yield sandbox


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"x-api-key": "a-key"}) as http:
        yield http


def form(*entries: Entry) -> aiohttp.FormData:
    """Text for text, and for bytes a file."""
    made = aiohttp.FormData(default_to_multipart=True, quote_fields=False)
    for number, (name, value) in enumerate(entries):
        if isinstance(value, bytes):
            made.add_field(name, value, filename=f"picture {number}.png", content_type="image/png")
        else:
            made.add_field(name, value)
    return made


async def run(sandbox: Sandbox, http: aiohttp.ClientSession, model: str, *entries: Entry) -> dict[str, Any]:
    async with http.post(f"{sandbox.api_url}/Run/{model}", data=form(*entries)) as answer:
        body: dict[str, Any] = await answer.json()
        return body


async def detail(sandbox: Sandbox, http: aiohttp.ClientSession, task: str) -> dict[str, Any]:
    async with http.post(f"{sandbox.api_url}/Task/Detail", json={"taskid": task}) as answer:
        entry: dict[str, Any] = (await answer.json())["tasklist"][0]
        return entry


async def test_every_part_is_on_record_in_its_order(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Texts as they came, files by name, type, size and hash; a name may come again."""
    await run(sandbox, http, EDIT, ("inputImage", PNG), ("inputImage", URL), ("inputImage", b""), ("prompt", "a cat"))

    (request,) = sandbox.runs
    sha256 = hashlib.sha256(PNG).hexdigest()
    empty = hashlib.sha256(b"").hexdigest()
    assert request.content_type == "multipart/form-data"
    assert [(field.name, field.type, field.value) for field in request.fields] == [
        ("inputImage", "file", File(filename="picture 0.png", content_type="image/png", size=len(PNG), sha256=sha256)),
        ("inputImage", "string", URL),
        ("inputImage", "file", File(filename="picture 2.png", content_type="image/png", size=0, sha256=empty)),
        ("prompt", "string", "a cat"),
    ]
    async with http.get(f"{sandbox.control_url}/tasks") as answer:
        shown = (await answer.json())["runs"][0]["fields"]
    assert shown[0]["value"] == {
        "filename": "picture 0.png",
        "content_type": "image/png",
        "size": len(PNG),
        "sha256": sha256,
    }


async def test_the_detail_has_an_address_for_each_file(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """One alone stands by itself, several in a list; the file is there, in parts if wished, until it is deleted."""
    one = await run(sandbox, http, EDIT, ("inputImage", PNG), ("prompt", "a cat"))
    two = await run(sandbox, http, EDIT, ("inputImage", PNG), ("inputImage", URL), ("prompt", "a cat"))

    parameters = (await detail(sandbox, http, one["taskid"]))["parameters"]
    address = parameters["inputImage"]
    assert re.fullmatch(re.escape(f"{sandbox.api_url}/File/") + r"[A-Za-z0-9]{30}/inputImage-\d+\.png", address)
    assert parameters["prompt"] == "a cat"
    listed = (await detail(sandbox, http, two["taskid"]))["parameters"]["inputImage"]
    assert listed[0].startswith(f"{sandbox.api_url}/File/")
    assert listed[1:] == [URL]

    async with http.get(address, headers={"Range": "bytes=8-15"}) as answer:
        assert (answer.status, answer.content_type, await answer.read()) == (206, "image/png", PNG[8:16])
    await sandbox.until(one["taskid"], lambda task: task.verdict)
    await http.post(f"{sandbox.api_url}/Task/InputOutputDelete", json={"tasktoken": one["socketaccesstoken"]})
    async with http.get(address) as answer:
        assert answer.status == 404


async def test_the_files_are_gone_with_the_sandbox(http: aiohttp.ClientSession) -> None:
    """They were on disk, where a large one belongs, and nothing stays behind."""
    async with Sandbox(speed=1000, accounts={"a-key": None}) as sandbox:
        await run(sandbox, http, EDIT, ("inputImage", PNG), ("prompt", "a cat"))
        file = sandbox.runs[0].fields[0].value
        assert isinstance(file, File)
        found = sandbox._wiro.files.get(file.key)
        assert found is not None
        assert found[1].read_bytes() == PNG

    assert not found[1].exists()


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
async def test_files_that_do_not_fit_are_refused(
    sandbox: Sandbox, http: aiohttp.ClientSession, model: str, entries: list[Entry], message: str
) -> None:
    """None where one is needed, or more than the model takes, files and addresses counted together."""
    answer = await run(sandbox, http, model, *entries)

    assert answer == {"result": False, "errors": [{"code": 0, "message": message}]}
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
async def test_files_come_in_every_documented_way(
    sandbox: Sandbox, http: aiohttp.ClientSession, model: str, entries: list[Entry]
) -> None:
    """As files, as addresses in the field itself or in its twin, and mixed."""
    assert (await run(sandbox, http, model, *entries))["result"] is True


async def test_a_list_of_addresses_may_come_as_json(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """No file, no multipart: and fifteen are too many here as well."""
    for count, fits in ((14, True), (15, False)):
        body = {"inputImage": [URL] * count, "prompt": "x"}
        async with http.post(f"{sandbox.api_url}/Run/{EDIT}", json=body) as answer:
            assert (await answer.json())["result"] is fits


async def test_the_tool_says_how_its_files_come(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """One, several, or a mixture."""
    body = {"slugowner": "wiro", "slugproject": "sandbox-collage"}
    async with http.post(f"{sandbox.api_url}/Tool/Detail", json=body) as answer:
        (group,) = (await answer.json())["tool"][0]["parameters"]

    assert [(item["id"], item["type"], item["required"]) for item in group["items"]] == [
        ("inputImage", "fileinput", True),
        ("inputDocumentMultiple", "multifileinput", False),
        ("inputImageClothes", "combinefileinput", False),
        ("prompt", "textarea", False),
    ]


@pytest.mark.parametrize("path", ["/Run/bytedance/seedream-v4", "/File/Upload", "/Task/Detail"])
async def test_a_body_without_a_length_may_be_refused(http: aiohttp.ClientSession, path: str) -> None:
    """No document says whether Wiro takes chunks: `chunked=refused` answers as a server that does not."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"prompt":'
        yield b'"x"}'

    headers = {"Content-Type": "application/json"}
    for faults, works in [(Faults(), True), (Faults(chunked="refused"), False)]:
        async with (
            Sandbox(accounts={"a-key": None}, faults=faults) as sandbox,
            http.post(sandbox.api_url + path, data=chunks(), headers=headers) as answer,
        ):
            assert (answer.status, answer.content_type) == ((200, "application/json") if works else (411, "text/html"))
            assert len(sandbox.runs) == (works and path.startswith("/Run"))


async def test_a_call_that_takes_no_files_does_not_read_one(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """It answers as if nothing had been said."""
    body = form(("file", PNG), ("taskid", "1"))
    async with http.post(f"{sandbox.api_url}/Task/Detail", data=body) as answer:
        (error,) = (await answer.json())["errors"]
    assert error == {"code": 0, "message": "taskid or socketaccesstoken is required"}


async def test_a_large_file_is_never_whole_in_memory(
    sandbox: Sandbox, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """Of 32 MiB, sent from disk by this same process, both sides together hold less than a sixteenth."""
    large = tmp_path / "large.png"
    large.write_bytes(PNG[:1024] * 32 * 1024)
    await run(sandbox, http, EDIT, ("inputImage", PNG), ("prompt", "x"))
    with large.open("rb") as opened:
        made = aiohttp.FormData()
        made.add_field("inputImage", opened, filename="large.png", content_type="image/png")
        made.add_field("prompt", "x")
        tracemalloc.start()
        try:
            async with http.post(f"{sandbox.api_url}/Run/{EDIT}", data=made) as answer:
                assert (await answer.json())["result"] is True
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    file = sandbox.runs[-1].fields[0].value
    assert isinstance(file, File)
    assert file.size == 32 * 1024 * 1024
    assert peak < file.size / 16


async def test_a_file_beyond_the_limit_is_413(
    sandbox: Sandbox, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may have just so many bytes; what had come of it is thrown away."""
    monkeypatch.setattr(file_store, "MAX_FILE_BYTES", len(PNG))
    assert (await run(sandbox, http, EDIT, ("inputImage", PNG), ("prompt", "x")))["result"] is True

    body = form(("inputImage", PNG + b"1"), ("prompt", "x"))
    async with http.post(f"{sandbox.api_url}/Run/{EDIT}", data=body) as answer:
        assert (answer.status, answer.content_type) == (413, "text/html")
        assert answer.headers["Connection"] == "close"
    file = sandbox.runs[0].fields[0].value
    assert isinstance(file, File)
    kept = sandbox._wiro.files.get(file.key)
    assert kept is not None
    assert [path.name for path in kept[1].parent.iterdir()] == [file.key]


async def begin(sandbox: Sandbox, length: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send the head of a Run with a file, and the first bytes of the file."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sandbox.origin.rpartition(":")[2]))
    head = (
        f"POST /v1/Run/{EDIT} HTTP/1.1\r\nHost: sandbox\r\nx-api-key: a-key\r\nContent-Length: {length}\r\n"
        "Content-Type: multipart/form-data; boundary=line\r\n\r\n"
        '--line\r\nContent-Disposition: form-data; name="inputImage"; filename="a.png"\r\n\r\n'
    )
    writer.write(head.encode() + PNG)
    await writer.drain()
    return reader, writer


async def test_a_refusal_may_come_while_the_file_is_on_its_way(sandbox: Sandbox) -> None:
    """The answer is there although most of the body was never sent."""
    sandbox.next_run(body_stop=65536)
    reader, writer = await begin(sandbox, 10_000_000)

    try:
        async with asyncio.timeout(60):
            assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")  # its phrase is another since Python 3.13
    finally:
        writer.close()
    assert not sandbox.runs


async def test_a_connection_may_break_while_the_file_is_on_its_way(sandbox: Sandbox) -> None:
    """Nothing is answered, and nothing was started."""
    sandbox.next_run(body_stop="65536:drop")
    reader, writer = await begin(sandbox, 10_000_000)

    async with asyncio.timeout(60):
        try:
            answered = await reader.read()
        except ConnectionError:
            answered = b""
    writer.close()
    assert answered == b""
    assert not sandbox.runs


async def test_a_sender_who_leaves_in_the_middle_has_started_nothing(sandbox: Sandbox) -> None:
    """Half a body is no Run."""
    _, writer = await begin(sandbox, 10_000_000)
    writer.transport.abort()
    async with aiohttp.ClientSession(headers={"x-api-key": "a-key"}) as http:
        await run(sandbox, http, EDIT, ("inputImage", PNG), ("prompt", "x"))

    assert [(field.name, field.type) for field in sandbox.runs[0].fields] == [
        ("inputImage", "file"),
        ("prompt", "string"),
    ]
    assert len(sandbox.runs) == 1


async def test_half_a_file_is_not_kept() -> None:
    """Whatever broke it off, nothing of it stays on disk."""

    async def broken_off() -> AsyncIterator[bytes]:
        yield PNG
        raise ConnectionResetError

    async def whole() -> AsyncIterator[bytes]:
        yield PNG

    with file_store.FileStore() as kept:
        file = await kept.put(whole(), filename="a.png", content_type="image/png")
        with pytest.raises(ConnectionResetError):
            await kept.put(broken_off(), filename="b.png", content_type="image/png")
        found = kept.get(file.key)
        assert found is not None
        assert [path.name for path in found[1].parent.iterdir()] == [file.key]


async def test_a_slow_upload_is_taken_all_the_same(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """It takes as long as it takes: here a fifth of a second at least."""
    sandbox.next_run(body_bytes_per_s=len(PNG) * 5)
    clock = asyncio.get_running_loop().time
    began = clock()

    assert (await run(sandbox, http, EDIT, ("inputImage", PNG), ("prompt", "x")))["result"] is True
    assert clock() - began >= 0.2

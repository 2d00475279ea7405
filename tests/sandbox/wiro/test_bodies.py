"""Request bodies: JSON, forms and multipart, and how reading them can be slowed down or stopped."""

import asyncio
import hashlib
import re

import aiohttp
import pytest

from relay.sandbox import PLAIN_KEY, Faults, Sandbox
from relay.sandbox.wiro import bodies
from relay.sandbox.wiro.file_store import File
from tests.sandbox.calls import IMAGE, detail, refusal
from tests.sandbox.wiro.uploads import EDIT, PNG, URL, form, run_form


async def test_all_parts_are_logged_in_order(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Texts as they are, files with name, type, size and hash; names can repeat."""
    await run_form(
        sandbox, http, EDIT, ("inputImage", PNG), ("inputImage", URL), ("inputImage", b""), ("prompt", "a cat")
    )

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
    async with http.get(f"{sandbox.control_url}/tasks") as response:
        entry = (await response.json())["runs"][0]["fields"]
    assert entry[0]["value"] == {
        "filename": "picture 0.png",
        "content_type": "image/png",
        "size": len(PNG),
        "sha256": sha256,
    }


async def test_a_call_without_file_inputs_ignores_the_body(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """It is answered as if the body were empty."""
    body = form(("file", PNG), ("taskid", "1"))
    async with http.post(f"{sandbox.api_url}/Task/Detail", data=body) as response:
        (error,) = (await response.json())["errors"]
    assert error == {"code": 0, "message": "taskid or socketaccesstoken is required"}


async def start_upload(sandbox: Sandbox, length: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send the head of a Run with a file, and the first bytes of the file."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sandbox.origin.rpartition(":")[2]))
    head = (
        f"POST /v1/Run/{EDIT} HTTP/1.1\r\nHost: sandbox\r\nx-api-key: {PLAIN_KEY}\r\nContent-Length: {length}\r\n"
        "Content-Type: multipart/form-data; boundary=line\r\n\r\n"
        '--line\r\nContent-Disposition: form-data; name="inputImage"; filename="a.png"\r\n\r\n'
    )
    writer.write(head.encode() + PNG)
    await writer.drain()
    return reader, writer


async def test_a_response_can_arrive_during_an_upload(sandbox: Sandbox) -> None:
    """The client receives it although it has not sent most of the body."""
    sandbox.next_run(body_stop=65536)
    reader, writer = await start_upload(sandbox, 10_000_000)

    try:
        async with asyncio.timeout(60):
            assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")  # its phrase is another since Python 3.13
    finally:
        writer.close()
    assert not sandbox.runs


async def test_a_connection_can_close_during_an_upload(sandbox: Sandbox) -> None:
    """There is no response, and no task is started."""
    sandbox.next_run(body_stop="65536:drop")
    reader, writer = await start_upload(sandbox, 10_000_000)

    async with asyncio.timeout(60):
        try:
            answered = await reader.read()
        except ConnectionError:
            answered = b""
    writer.close()
    assert answered == b""
    assert not sandbox.runs


async def test_an_aborted_upload_starts_no_task(sandbox: Sandbox) -> None:
    """An incomplete body is not logged as a Run."""
    _, writer = await start_upload(sandbox, 10_000_000)
    writer.transport.abort()
    async with aiohttp.ClientSession(headers={"x-api-key": PLAIN_KEY}) as http:
        await run_form(sandbox, http, EDIT, ("inputImage", PNG), ("prompt", "x"))

    assert [(field.name, field.type) for field in sandbox.runs[0].fields] == [
        ("inputImage", "file"),
        ("prompt", "string"),
    ]
    assert len(sandbox.runs) == 1


async def test_a_body_can_be_read_slowly(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """At five times its size per second, it takes at least a fifth of a second."""
    sandbox.next_run(body_bytes_per_s=len(PNG) * 5)
    clock = asyncio.get_running_loop().time
    began = clock()

    assert (await run_form(sandbox, http, EDIT, ("inputImage", PNG), ("prompt", "x")))["result"] is True
    assert clock() - began >= 0.2


async def test_a_form_is_equivalent_to_json(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Clients send Run and Task/Detail as forms; a name that repeats becomes a list."""
    form = [("prompt", "a cat & a dog"), ("maxImages", "2"), ("watermark", ""), ("tag", "a"), ("tag", "b")]
    async with http.post(f"{sandbox.api_url}/Run/{IMAGE}", data=aiohttp.FormData(form)) as response:
        task = (await response.json())["taskid"]
    async with http.post(f"{sandbox.api_url}/Task/Detail", data={"taskid": task}) as response:
        entry = (await response.json())["tasklist"][0]

    assert sandbox.runs[0].content_type == "application/x-www-form-urlencoded"
    assert entry["parameters"] == {"prompt": "a cat & a dog", "maxImages": "2", "watermark": "", "tag": ["a", "b"]}


async def test_a_form_that_is_not_utf_8_is_refused(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The error is the one for invalid parameters."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with http.post(f"{sandbox.api_url}/Run/{IMAGE}", data=b"prompt=%ff\xff", headers=headers) as response:
        assert (await response.json())["errors"][0]["message"] == "Request parameters are invalid."


async def test_json_with_a_multipart_header_can_be_refused(http: aiohttp.ClientSession) -> None:
    """By default it is read, because the models' pages print it; `boundaryless=refused` refuses it."""
    headers = {"Content-Type": "multipart/form-data"}
    for faults, accepted in [(Faults(), True), (Faults(boundaryless="refused"), False)]:
        async with (
            Sandbox(faults=faults) as sandbox,
            http.post(f"{sandbox.api_url}/Run/{IMAGE}", data=b'{"prompt":"x"}', headers=headers) as response,
        ):
            result = await response.json()
        assert result["result"] is accepted
        if not accepted:
            assert refusal(result) == (0, "Request parameters are invalid.")


async def test_task_detail_has_an_address_for_each_file(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Several files of an input are a list; each can be read, also in part, until it is deleted."""
    one = await run_form(sandbox, http, EDIT, ("inputImage", PNG), ("prompt", "a cat"))
    two = await run_form(sandbox, http, EDIT, ("inputImage", PNG), ("inputImage", URL), ("prompt", "a cat"))

    parameters = (await detail(sandbox, http, one["taskid"]))["parameters"]
    address = parameters["inputImage"]
    assert re.fullmatch(re.escape(f"{sandbox.api_url}/File/") + r"[A-Za-z0-9]{30}/inputImage-\d+\.png", address)
    assert parameters["prompt"] == "a cat"
    listed = (await detail(sandbox, http, two["taskid"]))["parameters"]["inputImage"]
    assert listed[0].startswith(f"{sandbox.api_url}/File/")
    assert listed[1:] == [URL]

    async with http.get(address, headers={"Range": "bytes=8-15"}) as response:
        assert (response.status, response.content_type, await response.read()) == (206, "image/png", PNG[8:16])
    await sandbox.until(one["taskid"], lambda task: task.verdict)
    await http.post(f"{sandbox.api_url}/Task/InputOutputDelete", json={"tasktoken": one["socketaccesstoken"]})
    async with http.get(address) as response:
        assert response.status == 404


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b"[]"),
        ("multipart/form-data; boundary=x", b"no boundary"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\na part without a name\r\n--x--\r\n"),
    ],
)
async def test_an_invalid_body_is_refused(
    sandbox: Sandbox, http: aiohttp.ClientSession, content_type: str, body: bytes
) -> None:
    """The error is the same for all formats."""
    headers = {"Content-Type": content_type}
    for call in (f"Run/{IMAGE}", "File/FolderCreate"):
        async with http.post(f"{sandbox.api_url}/{call}", data=body, headers=headers) as response:
            assert refusal(await response.json()) == (0, "Request parameters are invalid.")


async def test_an_empty_body_has_no_fields(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """It is not an invalid body."""
    async with http.post(f"{sandbox.api_url}/Run/{IMAGE}") as response:
        assert refusal(await response.json()) == (0, "Request parameter [prompt] required")


async def test_a_text_above_the_limit_is_refused_with_413(
    sandbox: Sandbox, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit applies to JSON and to each text part of a form."""
    monkeypatch.setattr(bodies, "_MAX_TEXT_BYTES", 100)
    async with http.post(f"{sandbox.api_url}/Run/{IMAGE}", json={"prompt": "x" * 101}) as response:
        assert response.status == 413


@pytest.mark.parametrize(("value", "text"), [("a", "a"), (1, "1"), (1.5, "1.5"), (True, ""), (None, ""), ([], "")])
def test_only_strings_and_numbers_are_text(value: object, text: str) -> None:
    """Other values are as if they were missing."""
    assert bodies.text({"name": value}, "name") == text

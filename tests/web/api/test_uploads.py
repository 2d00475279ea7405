"""
Uploads: which are accepted, how early others are rejected, and that the spool is empty afterwards.

`file_bodies`, `files`, `idempotency` and `multipart` are tested here too.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from relay.app import Running
from relay.sandbox import File, Sandbox
from tests.sample_files import JPEG, PDF, form, png

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

EDIT = {"model": "bytedance/seedream-v4", "input": {"prompt": "a cat"}}
BOUNDARY = "a-boundary"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def part(name: str, data: bytes, *, filename: str | None = None, more: str = "") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
    head += f'; filename="{filename}"' if filename is not None else ""
    return f"{head}\r\n{more}\r\n".encode() + data + b"\r\n"


def task(body: object = EDIT) -> bytes:
    return part("task", orjson.dumps(body))


END = f"--{BOUNDARY}--\r\n".encode()


async def post(
    client: aiohttp.ClientSession, body: object, path: str = "/v1/tasks", **headers: str
) -> tuple[int, dict[str, Any]]:
    sent = HEADERS | headers if isinstance(body, bytes) else headers
    async with client.post(path, data=body, headers=sent) as answer:
        return answer.status, await answer.json()


async def turn() -> None:
    """Let the event loop run other tasks."""
    await asyncio.sleep(0)


async def spool_empty(relay: Running) -> None:
    """Wait until the spool is empty."""
    async with asyncio.timeout(60):
        while relay.context.spool.used_bytes:
            await turn()


async def test_a_task_is_started_with_files(client: aiohttp.ClientSession, relay: Running, sandbox: Sandbox) -> None:
    """The platform gets them unchanged, with the type detected from their bytes. The spool is empty afterwards."""
    cat = part("inputImage", png(), filename="cat.dat")
    dog = part("inputImage", JPEG, filename="../../my cats/dog.jpg", more="Content-Type: text/plain\r\n")
    status, made = await post(client, task() + cat + dog + END)

    assert (status, made["task"]["state"]) == (201, "queued")
    (run,) = sandbox.runs
    files = [field.value for field in run.fields if isinstance(field.value, File)]
    assert [(file.filename, file.content_type, file.sha256) for file in files] == [
        ("cat.dat", "image/png", sha256(png()).hexdigest()),
        ("dog.jpg", "image/jpeg", sha256(JPEG).hexdigest()),
    ]
    await spool_empty(relay)


async def test_uploaded_files_are_listed_with_the_input(client: aiohttp.ClientSession) -> None:
    """With name, type, size and digest, also after they were deleted."""
    _, made = await post(client, form(EDIT, ("inputImage", "cat.png", png())))
    async with client.get(f"/v1/tasks/{made['task']['id']}/input") as answer:
        shown = await answer.json()

    assert shown["files"] == [
        {
            "input": "inputImage",
            "filename": "cat.png",
            "content_type": "image/png",
            "size": len(png()),
            "sha256": sha256(png()).hexdigest(),
        }
    ]
    assert shown["input"] == EDIT["input"]


async def test_a_form_without_files_is_sent_as_json(client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """The platform gets a form only if there are files."""
    status, _ = await post(client, form(EDIT))

    assert (status, sandbox.runs[0].content_type) == (201, "application/json")


async def test_the_largest_number_of_parts(client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """A hundred, including the JSON."""
    files = part("a", b"x", filename="x") * 99
    status, _ = await post(client, task({"model": "no/body", "input": {}}) + files + END)

    assert status == 422
    assert len(sandbox.runs[0].fields) == 99


async def test_invalid_utf_8_in_a_filename_is_replaced(make_relay: MakeRelay, sandbox: Sandbox, tmp_path: Path) -> None:
    """Old clients send Latin-1. The file is accepted."""
    body = task() + part("inputImage", png(), filename="caf?.png").replace(b"?", b"\xe9") + END
    async with make_relay(store=f"sqlite:///{tmp_path}/relay.db") as relay, client_of(relay) as client:
        status, made = await post(client, body, **{"Idempotency-Key": "once"})
        stored, _ = await post(client, body[len(task()) :], "/v1/files")

    assert (status, stored) == (201, 201), made
    (file,) = [field.value for field in sandbox.runs[0].fields if isinstance(field.value, File)]
    assert file.filename == "caf\ufffd.png"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (END, 400, "The first part of the body must be `task`"),
        (part("inputImage", png(), filename="a.png") + task() + END, 400, "The first part of the body must be `task`"),
        (task() + task() + END, 400, "must be the first part, and must not be repeated"),
        (task() + part("prompt", b"a dog") + END, 400, "'prompt' is not a file: it has no filename"),
        (part("task", b"{") + END, 400, "is not valid JSON"),
        (part("task", b"[]") + END, 400, "must be a JSON object"),
        (task({"input": {}}) + END, 422, "model: Field required"),
        (task(EDIT | {"input": {"prompt": ""}}) + END, 422, "prompt is required"),
        (task() + part("inputImage", b"", filename="a.png") + END, 422, "inputImage: the file is empty"),
        (task() + part("inputImage", PDF, filename="a.png") + END, 422, "takes files of image/jpeg, "),
        (task() + part("inputImage", b"text", filename="a.png") + END, 422, "this one is of an unknown type"),
        (task() + part("mask", png(), filename="a.png") + END, 422, "mask is not an input of bytedance/seedream-v4"),
        (task() + part("prompt", png(), filename="a.png") + END, 422, "prompt does not take files"),
        (task() + part("inputImage", png(), filename="a.png") * 15 + END, 422, "at most 14 entries; 15 were given"),
        (task() + part("", png(), filename="a.png") + END, 400, "must have a name of 1 to 200"),
        (
            task() + part("caf?", png(), filename="a.png").replace(b"?", b"\xe9") + END,
            400,
            "must have a name of 1 to 200",
        ),
        (part("task", b"{}") + part("x", b"") * 100 + END, 422, "model: Field required"),
        (task({"model": "no/body", "input": {}}) + part("a", b"x", filename="x") * 100 + END, 400, "than 100 parts"),
        (
            task() + part("inputImage", b"aaaa", filename="a", more="Content-Transfer-Encoding: base64\r\n") + END,
            400,
            "must not use Content-Transfer-Encoding",
        ),
        (
            task() + part("x", b"--y--\r\n", more="Content-Type: multipart/mixed; boundary=y\r\n") + END,
            400,
            "Nested multipart bodies",
        ),
        (task() + part("inputImage", png(), filename="a.png"), 400, "malformed or incomplete"),
        (b"", 400, "malformed or incomplete"),
        (b"what is this?", 400, "malformed or incomplete"),
    ],
)
async def test_an_invalid_start_is_rejected_without_effect(
    client: aiohttp.ClientSession, relay: Running, sandbox: Sandbox, body: bytes, status: int, message: str
) -> None:
    """The message says what is wrong. There is no task, no run and no file."""
    answered, problem = await post(client, body)

    assert (answered, message in problem["detail"]) == (status, True), problem
    async with client.get("/v1/tasks") as listed:
        assert (await listed.json())["tasks"] == []
    assert sandbox.runs == ()
    assert relay.context.spool.used_bytes == 0


async def test_a_file_for_a_platform_without_files_is_rejected(make_relay: MakeRelay, sandbox: Sandbox) -> None:
    """Apikley takes URLs only."""
    settings = {"apikley_api_key": sandbox.apikley_key, "apikley_api_url": sandbox.apikley_url}
    body = form(
        {"model": "some/model", "input": {}, "provider": "apikley"},
        ("image", "cat.png", png()),
    )
    async with make_relay(**settings) as relay, client_of(relay) as client:
        status, problem = await post(client, body)
        stored = await post(client, form({}, ("file", "cat.png", png())), "/v1/folders")

    assert (status, problem["errors"][0]) == (
        422,
        {"field": "input.image", "message": "apikley takes no files; use a URL"},
    )
    assert stored[0] == 415


class TestEarly:
    """Uploads that cannot be accepted are rejected before their end."""

    async def rejected(self, client: aiohttp.ClientSession, start: bytes) -> dict[str, Any]:
        """Send the beginning of an upload that never ends, and return the problem."""
        over = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield start
            while not over.is_set():
                yield bytes(1000)
                await turn()

        try:
            async with client.post("/v1/tasks", data=endless(), headers=HEADERS) as answer:
                problem: dict[str, Any] = await answer.json()
                return problem
        finally:
            over.set()

    async def test_a_file_of_the_wrong_type(self, client: aiohttp.ClientSession) -> None:
        """The first bytes are enough to detect the type."""
        begun = part("inputImage", PDF * 40, filename="a.png")[:-2]
        assert (await self.rejected(client, task() + begun))["code"] == "invalid_input"

    async def test_one_file_too_many(self, client: aiohttp.ClientSession) -> None:
        """The files before it are discarded."""
        files = part("inputImage", png(), filename="a.png") * 14
        begun = part("inputImage", png() + bytes(9000), filename="a.png")[:-2]
        assert (await self.rejected(client, task() + files + begun))["status"] == 422

    async def test_a_file_that_is_too_large(self, make_relay: MakeRelay) -> None:
        """The problem has the limit, and the rest is not read."""
        async with make_relay(file_limit_bytes=100_000) as relay, client_of(relay) as client:
            begun = part("inputImage", png() + bytes(200_000), filename="a.png")[:-2]
            problem = await self.rejected(client, task() + begun)
            assert relay.context.spool.used_bytes == 0

        assert (problem["status"], problem["detail"]) == (413, "A file may have at most 100000 bytes.")

    async def test_a_full_spool(self, make_relay: MakeRelay) -> None:
        """The client may retry, because queued files leave the spool."""
        async with make_relay(spool_limit_bytes=100_000) as relay, client_of(relay) as client:
            begun = part("inputImage", png() + bytes(200_000), filename="a.png")[:-2]
            assert (await self.rejected(client, task() + begun))["code"] == "rate_limited"

    async def test_an_invalid_input_in_the_json(self, client: aiohttp.ClientSession) -> None:
        """It is rejected before any file is read."""
        begun = task(EDIT | {"input": {"prompt": "x", "size": "1x1"}}) + part("inputImage", b"", filename="a.png")[:-2]
        assert (await self.rejected(client, begun))["errors"][0]["field"] == "input.size"

    async def test_a_bad_idempotency_key(self, client: aiohttp.ClientSession) -> None:
        """It is rejected before any file is read."""
        client.headers["Idempotency-Key"] = "x" * 300
        begun = task() + part("inputImage", b"", filename="a.png")[:-2]
        assert (await self.rejected(client, begun))["detail"].startswith("`Idempotency-Key` must be ")

    async def test_without_a_key(self, relay: Running) -> None:
        """A client without a credential cannot upload."""
        async with aiohttp.ClientSession(relay.url) as stranger:
            assert (await self.rejected(stranger, task()))["code"] == "unauthorized"


async def test_an_upload_is_discarded_when_its_client_disconnects(
    client: aiohttp.ClientSession, relay: Running
) -> None:
    """The client disconnects in the middle of a file."""
    spooled = asyncio.Event()

    async def half() -> AsyncIterator[bytes]:
        yield task() + part("inputImage", png() + bytes(100_000), filename="a.png")[:-2]
        while not relay.context.spool.used_bytes:
            await turn()
        spooled.set()
        await asyncio.Event().wait()

    sending = asyncio.create_task(post(client, half(), **HEADERS))
    await spooled.wait()
    sending.cancel()

    await spool_empty(relay)


class TestIdempotency:
    """Two forms under one key are the same request if their JSON and their files are equal."""

    async def test_the_same_request_returns_the_first_task(
        self, client: aiohttp.ClientSession, relay: Running, sandbox: Sandbox
    ) -> None:
        """Its files are discarded."""
        sent = [
            await post(client, form(EDIT, ("inputImage", "cat.png", png())), **{"Idempotency-Key": "once"})
            for _ in range(2)
        ]

        assert [status for status, _ in sent] == [201, 201]
        assert sent[0][1]["task"]["id"] == sent[1][1]["task"]["id"]
        assert len(sandbox.runs) == 1
        await spool_empty(relay)

    @pytest.mark.parametrize(
        "other",
        [
            form(EDIT, ("inputImage", "cat.png", png(1))),
            form(EDIT, ("inputImage", "dog.png", png())),
            form(EDIT, ("inputImage", "cat.png", png()), ("inputImage", "cat.png", png())),
            form(EDIT | {"tags": ["x"]}, ("inputImage", "cat.png", png())),
            form(EDIT),
        ],
        ids=["bytes", "name", "number", "task", "none"],
    )
    async def test_a_different_request_is_a_conflict(
        self, client: aiohttp.ClientSession, relay: Running, other: aiohttp.FormData
    ) -> None:
        """Its files are discarded."""
        key = {"Idempotency-Key": "once"}
        await post(client, form(EDIT, ("inputImage", "cat.png", png())), **key)

        assert (await post(client, other, **key))[0] == 409
        await spool_empty(relay)


class TestFileStore:
    """Uploads to the platform's file store."""

    async def test_a_file_and_a_folder(self, client: aiohttp.ClientSession, relay: Running, sandbox: Sandbox) -> None:
        """A file can be uploaded into a folder, and its URL can be used as an input."""
        async with client.post("/v1/folders", json={"name": "cats"}) as answer:
            made = await answer.json()
            assert (answer.status, made["folder"]["name"]) == (201, "cats")
        body = aiohttp.FormData()
        body.add_field("folder", made["folder"]["id"])
        body.add_field("file", png(), filename="cat.png")
        status, stored = await post(client, body, "/v1/files")

        file = stored["file"]
        assert (status, file["folder"], file["name"]) == (201, made["folder"]["id"], "cat.png")
        assert (file["size"], file["content_type"]) == (len(png()), "image/png")
        assert set(file) == {"id", "name", "content_type", "size", "url", "folder"}
        async with client.get(file["url"]) as download:
            assert await download.read() == png()
        assert relay.context.spool.used_bytes == 0
        status, _ = await post(client, form(EDIT | {"input": {"prompt": "x", "inputImage": [file["url"]]}}))
        assert (status, len(sandbox.runs)) == (201, 1)

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (part("folder", b"x") + END, "must have a file"),
            (part("file", png(), filename="a.png") * 2 + END, "must have one file"),
            (part("file", png(), filename="a.png") + part("folder", b"x") + END, "as its last part"),
            (part("colour", b"red") + part("file", png(), filename="a.png") + END, "colour: Extra inputs"),
            (
                part("provider", b"else") + part("file", png(), filename="a.png") + END,
                "with a file store: wiro",
            ),
        ],
    )
    async def test_an_invalid_upload_is_rejected(
        self, client: aiohttp.ClientSession, sandbox: Sandbox, relay: Running, body: bytes, message: str
    ) -> None:
        """The platform is not called."""
        status, problem = await post(client, body, "/v1/files")

        assert (status in (400, 422), message in problem["detail"]) == (True, True), problem
        assert sandbox.file_calls == ()
        assert relay.context.spool.used_bytes == 0

    async def test_an_unanswered_upload_is_reported_as_unknown(
        self, client: aiohttp.ClientSession, relay: Running, sandbox: Sandbox
    ) -> None:
        """The relay does not look for the file, so the caller has to know that it may exist."""
        sandbox.next_file_call(file_http="drop")
        status, problem = await post(client, part("file", png(), filename="cat.png") + END, "/v1/files")

        assert (status, problem["detail"].endswith("It is unknown whether the file exists.")) == (502, True)
        assert relay.context.spool.used_bytes == 0

    async def test_an_error_of_the_platform_is_passed_on(self, client: aiohttp.ClientSession) -> None:
        """The problem has the platform's message."""
        async with client.post("/v1/folders", json={"name": "cats", "parent": "nobodys"}) as answer:
            problem = await answer.json()

        assert (answer.status, problem["upstream"]["message"]) == (502, "invalid-parameters")


def client_of(relay: Running) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(relay.url, headers={"Authorization": f"Bearer {relay.api_key}"})

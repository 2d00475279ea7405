"""Runs with files, from the client to the platform: in every form, while queued, over a restart, and of any size."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.app import Running
from relay.files.upload import Upload
from relay.sandbox import File, Sandbox
from tests.conftest import API_KEY
from tests.sample_files import form, png

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

EDIT = "bytedance/seedream-v4"
DESERT = (
    "A serene desert landscape at dusk, a lone traveler riding a camel toward ancient ruins, golden sky with stars "
    "starting to appear."
)
URLS = [f"https://example.com/image{number}.jpg" for number in range(1, 15)]


def sent(sandbox: Sandbox) -> list[tuple[str, object]]:
    """Return the names and values of the last run. A file is given by its name and digest."""
    return [
        (field.name, (field.value.filename, field.value.sha256) if isinstance(field.value, File) else field.value)
        for field in sandbox.runs[-1].fields
    ]


def given(number: int) -> tuple[str, str, bytes]:
    return ("inputImage", f"image{number}.jpg", png(number))


def as_sent(number: int) -> tuple[str, object]:
    return ("inputImage", (f"image{number}.jpg", sha256(png(number)).hexdigest()))


async def ended(client: aiohttp.ClientSession, task: str) -> str:
    """Wait for a task's end and return its verdict."""
    async with client.get(f"/v1/tasks/{task}/events", headers={"Accept": "text/event-stream"}) as stream:
        found = re.search(rb'"verdict":"(\w+)"', await stream.read())
        assert found is not None
        return found[1].decode()


@pytest.mark.parametrize("files", [1, 3, 14])
async def test_images_are_sent_as_the_document_prints_them(
    client: aiohttp.ClientSession, sandbox: Sandbox, files: int
) -> None:
    """Files, or files and addresses, fourteen in all: a form with the names, values and order of the document."""
    urls = URLS[files:]
    task = {"model": EDIT, "input": {"prompt": DESERT} | ({"inputImage": urls} if urls else {})}
    async with client.post("/v1/tasks", data=form(task, *map(given, range(files)))) as answer:
        made = await answer.json()
        assert answer.status == 201, made

    (run,) = sandbox.runs
    assert (run.model, run.content_type) == (EDIT, "multipart/form-data")
    assert sent(sandbox) == [
        *map(as_sent, range(files)),
        *(("inputImage", url) for url in urls),
        ("prompt", DESERT),
        ("size", "2048x2048"),
        ("maxImages", "1"),
        ("watermark", "false"),
    ]
    assert await ended(client, made["task"]["id"]) == "succeeded"


COLLAGE = "wiro/sandbox-collage"
IMAGE, PAGES, CLOTHES = "inputImage", "inputDocumentMultiple", "inputImageClothes"


@pytest.mark.parametrize(
    ("files", "given_input"),
    [
        ((IMAGE,), {}),
        ((PAGES, PAGES), {f"{IMAGE}Url": URLS[0]}),
        ((IMAGE, PAGES), {f"{PAGES}Url": ",".join(URLS[:2])}),
        ((IMAGE, CLOTHES), {CLOTHES: URLS[:3], "prompt": "a cat"}),
    ],
)
async def test_the_files_of_another_model_keep_their_input_names(
    client: aiohttp.ClientSession, sandbox: Sandbox, files: tuple[str, ...], given_input: dict[str, Any]
) -> None:
    """One file, several, or a list of both. An address goes into the twin input if the platform has one."""
    parts = [(name, f"{number}.png", png(number)) for number, name in enumerate(files)]
    async with client.post("/v1/tasks", data=form({"model": COLLAGE, "input": given_input}, *parts)) as answer:
        assert answer.status == 201, await answer.text()

    listed = {name: value if isinstance(value, list) else [value] for name, value in given_input.items()}
    assert sent(sandbox) == [
        *((name, (filename, sha256(data).hexdigest())) for name, filename, data in parts),
        *((name, value) for name, values in listed.items() for value in values),
    ]


@pytest.mark.parametrize(
    ("files", "given_input", "said"),
    [
        ((), {}, "inputImageUrl is required"),
        ((IMAGE, IMAGE), {}, "inputImage takes one file, or one URL"),
        ((IMAGE,), {f"{IMAGE}Url": URLS[0]}, "inputImage takes one file, or one URL"),
        ((IMAGE, "prompt"), {}, "prompt does not take files"),
        ((IMAGE, "hat"), {}, "hat is not an input of wiro/sandbox-collage"),
        ((IMAGE,), {IMAGE: URLS[0]}, "inputImage takes one file, or one URL"),
        ((), {IMAGE: "cat.png"}, "inputImage takes a file: upload it under this name"),
        ((IMAGE,), {CLOTHES: ["shirt.png"]}, "inputImageClothes.0 must be a URL"),
    ],
)
async def test_files_that_another_model_does_not_take_are_rejected(
    client: aiohttp.ClientSession, sandbox: Sandbox, files: tuple[str, ...], given_input: dict[str, Any], said: str
) -> None:
    """According to the platform's description of the model, before anything is sent."""
    parts = [(name, f"{number}.png", png(number)) for number, name in enumerate(files)]
    async with client.post("/v1/tasks", data=form({"model": COLLAGE, "input": given_input}, *parts)) as answer:
        problem = await answer.json()

    assert (answer.status, said in problem["detail"]) == (422, True), problem
    assert sandbox.runs == ()


async def test_the_files_of_a_queued_task_are_sent_after_a_restart(make_relay: MakeRelay, tmp_path: Path) -> None:
    """They stay in the spool until the platform has taken the task."""
    settings: dict[str, object] = {"store": f"sqlite:///{tmp_path}/relay.db"}
    async with Sandbox(speed=50, concurrency=1) as box:
        settings |= {"wiro_api_url": box.api_url, "wiro_socket_url": box.socket_url}
        async with make_relay(**settings) as relay, client_of(relay) as client:
            box.next_run(hold_at="task_start")
            async with client.post("/v1/tasks", json={"model": EDIT, "input": {"prompt": "first"}}) as answer:
                assert answer.status == 201
            body = form({"model": EDIT, "input": {"prompt": DESERT}}, given(1))
            async with client.post("/v1/tasks", data=body) as answer:
                made = await answer.json()
                assert (answer.status, made["task"]["state"]) == (202, "held")
            lost = Upload(relay.context.spool)
            await lost.add("x", "x", "image/png", once(b"left behind by a request that was killed"))
        async with make_relay(**settings) as relay, client_of(relay) as client:
            assert relay.context.spool.used_bytes == len(png(1))
            (running,) = box.tasks
            await box.until(running, lambda task: task.holding_at)
            box.release(running)
            assert await ended(client, made["task"]["id"]) == "succeeded"
            assert sent(box)[0] == as_sent(1)
            assert relay.context.spool.used_bytes == 0
        assert list((tmp_path / "relay.db.spool").iterdir()) == []


async def test_a_task_whose_file_is_missing_fails_unsent(make_relay: MakeRelay, tmp_path: Path) -> None:
    """The directory was emptied while it was queued; the task says so."""
    settings: dict[str, object] = {"store": f"sqlite:///{tmp_path}/relay.db"}
    async with Sandbox(speed=50, concurrency=1) as box:
        settings |= {"wiro_api_url": box.api_url, "wiro_socket_url": box.socket_url}
        async with make_relay(**settings) as relay, client_of(relay) as client:
            box.next_run(hold_at="task_start")
            async with client.post("/v1/tasks", json={"model": EDIT, "input": {"prompt": "first"}}):
                pass
            async with client.post("/v1/tasks", data=form({"model": EDIT, "input": {"prompt": "x"}}, given(1))) as held:
                made = await held.json()
            for path in (tmp_path / "relay.db.spool").rglob("0"):
                path.unlink()
            (running,) = box.tasks
            await box.until(running, lambda task: task.holding_at)
            box.release(running)
            assert await ended(client, made["task"]["id"]) == "failed"
            async with client.get(f"/v1/tasks/{made['task']['id']}") as answer:
                done = (await answer.json())["done"]

    assert "the file uploaded for inputImage is missing" in str(done)
    assert list(box.tasks) == [running]


async def test_a_run_with_files_that_was_not_answered_is_not_sent_again(
    client: aiohttp.ClientSession, relay: Running, sandbox: Sandbox
) -> None:
    """It is found in the platform's list by its input, where a file is only an address. Its files are deleted."""
    sandbox.next_run(run_http="drop")
    body = form({"model": EDIT, "input": {"prompt": "x", "inputImage": URLS[:1]}}, given(1))
    async with client.post("/v1/tasks", data=body) as answer:
        made = await answer.json()
        assert answer.status == 202

    assert await ended(client, made["task"]["id"]) == "succeeded"
    assert len(sandbox.runs) == 1
    assert relay.context.spool.used_bytes == 0


async def test_the_files_of_a_run_that_is_searched_for_are_deleted(
    client: aiohttp.ClientSession, relay: Running, sandbox: Sandbox
) -> None:
    """The run is never sent again, however long the search takes."""
    sandbox.next_run(run_http="drop_before")
    async with client.post("/v1/tasks", data=form({"model": EDIT, "input": {"prompt": "x"}}, given(1))) as answer:
        made = await answer.json()
    await swept(relay)

    async with client.get(f"/v1/tasks/{made['task']['id']}") as answer:
        assert (await answer.json())["state"] == "submitting"


async def test_an_upload_that_a_restart_interrupts_is_sent_by_the_next_process(
    make_relay: MakeRelay, tmp_path: Path
) -> None:
    """The platform lacks its end, so it was not started: it is queued and not lost."""
    size_bytes = 2**24
    large = png() + bytes(size_bytes - len(png()))
    settings: dict[str, object] = {"store": f"sqlite:///{tmp_path}/relay.db"}
    async with Sandbox(speed=50) as box:
        settings |= {"wiro_api_url": box.api_url, "wiro_socket_url": box.socket_url}
        box.next_run(body_bytes_per_s=2**20)
        async with make_relay(**settings) as relay, client_of(relay) as client:
            body = form({"model": EDIT, "input": {"prompt": "x"}}, ("inputImage", "large.png", large))
            starting = asyncio.create_task(start(client, body))
            await followed(relay)
            (task,) = (await (await client.get("/v1/tasks")).json())["tasks"]
        starting.cancel()
        async with make_relay(**settings) as relay, client_of(relay) as client:
            assert await ended(client, task["id"]) == "succeeded"

        assert len(box.tasks) == 1
        file = box.runs[-1].fields[0].value
        assert isinstance(file, File)
        assert file.sha256 == sha256(large).hexdigest()


async def test_canceling_a_task_interrupts_its_upload(
    client: aiohttp.ClientSession, relay: Running, sandbox: Sandbox
) -> None:
    """While it is certain that nothing was started. Nothing runs and nothing is billed."""
    sandbox.next_run(body_bytes_per_s=2**20)
    large = png() + bytes(2**24)
    body = form({"model": EDIT, "input": {"prompt": "x"}}, ("inputImage", "large.png", large))
    starting = asyncio.create_task(start(client, body))
    await followed(relay)
    (task,) = (await (await client.get("/v1/tasks")).json())["tasks"]
    async with client.post(f"/v1/tasks/{task['id']}/cancel") as answer:
        assert answer.status == 202

    assert await ended(client, task["id"]) == "canceled"
    await starting
    assert sandbox.tasks == {}
    await swept(relay)


async def start(client: aiohttp.ClientSession, body: aiohttp.FormData) -> None:
    async with client.post("/v1/tasks", data=body) as answer:
        await answer.read()


async def followed(relay: Running) -> None:
    """Wait until a task has been created."""
    async with asyncio.timeout(60):
        while not relay.context.tasks.following:
            await turn()


async def swept(relay: Running) -> None:
    """Wait until the spool is empty: there is no event for it."""
    async with asyncio.timeout(60):
        while relay.context.spool.used_bytes:
            await turn()


async def turn() -> None:
    await asyncio.sleep(0)


LARGE_BYTES = 100 * 2**20
MEMORY_BYTES = 20 * 2**20


async def test_a_large_upload_costs_little_memory(sandbox: Sandbox, tmp_path: Path) -> None:
    """A relay process forwards 100 MiB while its memory grows by less than 20 MiB."""
    environ = os.environ | {
        "RELAY_PORT": "0",
        "RELAY_STORE": f"sqlite:///{tmp_path}/relay.db",
        "RELAY_API_KEYS": API_KEY,
        "RELAY_LOG_FORMAT": "json",
        "WIRO_API_KEY": sandbox.api_key,
        "WIRO_API_SECRET": sandbox.api_secret or "",
        "WIRO_API_URL": sandbox.api_url,
        "WIRO_SOCKET_URL": sandbox.socket_url,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relay", "serve", env=environ, stderr=asyncio.subprocess.PIPE, cwd=tmp_path
    )
    try:
        assert process.stderr is not None
        while not (found := re.search(rb'"url": ?"(http://[^"]+)"', await process.stderr.readline())):
            assert process.returncode is None
        async with aiohttp.ClientSession(found[1].decode(), headers={"Authorization": f"Bearer {API_KEY}"}) as client:
            await start_large(client, len(png()))
            before = peak_bytes(process.pid)
            await start_large(client, LARGE_BYTES)
            grown = peak_bytes(process.pid) - before
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()

    file = sandbox.runs[-1].fields[0].value
    assert isinstance(file, File)
    assert file.size == LARGE_BYTES
    assert grown < MEMORY_BYTES


async def start_large(client: aiohttp.ClientSession, size_bytes: int) -> None:
    async def picture() -> AsyncIterator[bytes]:
        yield png()
        for _ in range((size_bytes - len(png())) // 2**16):
            yield bytes(2**16)
        yield bytes((size_bytes - len(png())) % 2**16)

    body = aiohttp.FormData()
    body.add_field("task", f'{{"model":"{EDIT}","input":{{"prompt":"x"}}}}')
    body.add_field("inputImage", picture(), filename="large.png", content_type="image/png")
    async with client.post("/v1/tasks", data=body) as answer:
        assert answer.status == 201, await answer.text()


def peak_bytes(pid: int) -> int:
    """Return the peak memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


async def once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def client_of(relay: Running) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(relay.url, headers={"Authorization": f"Bearer {relay.api_key}"})

"""The files of a task: redirected to the platform, or served from the archive."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.app import Running
from relay.core.events import Output
from relay.journal.file_copies import CopyState
from relay.sandbox import File, Sandbox
from relay.sandbox.shared import pictures
from tests.archive.origin import Hosted, Origin, serving
from tests.e2e import stories
from tests.sample_files import form, png

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

WEBM = pictures.CLIP_PATH.read_bytes()
PNG = pictures.draw("outputs", 640, 480)


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with serving() as started:
        yield started


@pytest.fixture
async def keeper(make_relay: MakeRelay, tmp_path: Path) -> AsyncIterator[Running]:
    """Run a relay with an archive."""
    async with make_relay(archive=f"file://{tmp_path}/results") as started:
        yield started


@pytest.fixture
async def viewer(keeper: Running) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a client with the API key of the relay with an archive."""
    headers = {"Authorization": f"Bearer {keeper.api_key}"}
    async with aiohttp.ClientSession(keeper.url, headers=headers) as session:
        yield session


async def settled(relay: Running, task: str) -> None:
    """Wait until the copies of a task are settled."""
    while True:  # there is no event for it
        copies = await relay.journal.copies.of_task(task)
        if copies and all(copy.state is not CopyState.WAITING for copy in copies):
            return
        await asyncio.sleep(0.01)


async def write(relay: Running, *outputs: Output) -> None:
    """Write the task `made`, which has ended with these results, and wait for their copies."""
    await stories.write_succeeded(relay, "made", *outputs)
    await settled(relay, "made")


async def test_without_an_archive_a_result_is_at_the_platform(
    client: aiohttp.ClientSession, start: Callable[..., Any], sandbox: Sandbox
) -> None:
    """The address is the same for all results from the first moment, and the name in it does not matter."""
    task = (await start())["task"]["id"]
    while not (state := await (await client.get(f"/v1/tasks/{task}")).json())["outputs"]:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    (output,) = state["outputs"]
    assert output["href"] == f"/v1/tasks/{task}/outputs/0/0.png"
    for path in (output["href"], f"/v1/tasks/{task}/outputs/0/x?w=320"):
        async with client.get(path, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (302, output["url"])
            assert answer.headers["Cache-Control"] == "no-store"
    async with client.get(f"/v1/tasks/{task}/outputs") as answer:
        (file,) = (await answer.json())["outputs"]
    assert (file["n"], file["href"], file["copy"]) == (0, output["href"], None)


async def test_the_results_of_a_task_are_kept(keeper: Running, viewer: aiohttp.ClientSession) -> None:
    """Although the platform's host has them late. The copy has the same content, and its state says what it is."""
    prompt = "a cat [sandbox: cdn_misses=1]"
    body = {"model": "bytedance/text-to-image-seedream-v4", "input": {"prompt": prompt}}
    async with viewer.post("/v1/tasks", json=body) as answer:
        task = (await answer.json())["task"]["id"]
    await settled(keeper, task)
    state = await (await viewer.get(f"/v1/tasks/{task}")).json()
    (output,) = state["outputs"]
    async with viewer.get(output["href"], allow_redirects=False) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "image/png"
        assert len(await answer.read()) == output["size"]
    async with viewer.get(f"/v1/tasks/{task}/outputs") as answer:
        (file,) = (await answer.json())["outputs"]
    assert file["copy"]["state"] == "kept"
    assert (file["copy"]["size"], file["copy"]["reason"]) == (output["size"], None)
    assert len(file["copy"]["sha256"]) == 64


async def test_parts_and_conditions(keeper: Running, viewer: aiohttp.ClientSession, origin: Origin) -> None:
    """As a video element requests them. A copy never changes, so browsers may keep it."""
    await write(keeper, Output(content_type="video/webm", name="ä.webm", url=origin.host("a", Hosted(body=WEBM))))
    path = "/v1/tasks/made/outputs/0/x"
    async with viewer.get(path) as answer:
        etag = answer.headers["ETag"]
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert answer.headers["Content-Disposition"] == "inline; filename*=UTF-8''%C3%A4.webm"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert await answer.read() == WEBM
    async with viewer.get(path, headers={"Range": "bytes=100-199", "If-Range": etag}) as answer:
        assert (answer.status, answer.headers["Content-Range"]) == (206, f"bytes 100-199/{len(WEBM)}")
        assert await answer.read() == WEBM[100:200]
    async with viewer.get(path, headers={"If-None-Match": etag}) as answer:
        assert answer.status == 304
    async with viewer.get(path, headers={"Range": f"bytes={len(WEBM)}-"}) as answer:
        assert answer.status == 416
    async with viewer.head(path) as answer:
        assert (answer.status, answer.content_length) == (200, len(WEBM))


async def test_a_token_in_the_address_does_not_forbid_caching(
    keeper: Running, viewer: aiohttp.ClientSession, origin: Origin
) -> None:
    """An image element can send its token in no other way."""
    await write(keeper, Output(content_type="image/png", url=origin.host("a", Hosted(body=PNG))))
    async with viewer.post("/v1/tasks/made/tokens") as answer:
        token = (await answer.json())["token"]
    async with aiohttp.ClientSession(keeper.url) as stranger:
        async with stranger.get("/v1/tasks/made/outputs/0/x", params={"token": token}) as answer:
            assert answer.status == 200
            assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        async with stranger.get("/v1/tasks/made/outputs/0/x") as answer:
            assert answer.status == 401
        async with stranger.get("/v1/tasks/other/outputs/0/x", params={"token": token}) as answer:
            assert answer.status == 403


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("text/html", b"<!doctype html><script>alert(1)</script>"),
    ],
)
async def test_what_can_run_scripts_is_downloaded(
    keeper: Running, viewer: aiohttp.ClientSession, origin: Origin, content_type: str, body: bytes
) -> None:
    """It would run in the relay's origin, next to the pages that have tokens."""
    file = Hosted(body=body, content_type=content_type)
    await write(keeper, Output(content_type=content_type, name="a", url=origin.host("a", file)))
    async with viewer.get("/v1/tasks/made/outputs/0/a") as answer:
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_thumbnails(keeper: Running, viewer: aiohttp.ClientSession, origin: Origin) -> None:
    """Of pictures; of anything else, the file itself is served."""
    text = Output(content_type="text/plain", url=origin.host("b", Hosted(body=b"one", content_type="text/plain")))
    await write(keeper, Output(content_type="image/png", url=origin.host("a", Hosted(body=PNG))), text)
    async with viewer.get("/v1/tasks/made/outputs/0/x?w=160") as answer:
        assert answer.headers["Content-Type"] == "image/webp"
        assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert 0 < len(await answer.read()) < len(PNG)
    async with viewer.get("/v1/tasks/made/outputs/1/x?w=160") as answer:
        assert await answer.text() == "one"
    async with viewer.get("/v1/tasks/made/outputs/0/x?w=161") as answer:
        assert answer.status == 422
        assert "must be one of 160, 320, 640, 1280" in (await answer.json())["detail"]


async def test_what_could_not_be_kept(keeper: Running, viewer: aiohttp.ClientSession, origin: Origin) -> None:
    """Its state says why, and its address leads to the platform."""
    url = origin.host("a", Hosted(late=99, status=410))
    await write(keeper, Output(content_type="image/png", url=url))
    async with viewer.get("/v1/tasks/made/outputs/0/x", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, url)
    async with viewer.get("/v1/tasks/made/outputs") as answer:
        (file,) = (await answer.json())["outputs"]
    assert (file["copy"]["state"], file["copy"]["reason"]) == ("failed", "The platform answered HTTP 410.")


async def test_a_copy_whose_file_is_missing(
    keeper: Running, viewer: aiohttp.ClientSession, origin: Origin, tmp_path: Path
) -> None:
    """If an operator has deleted it, the platform may still have the file."""
    url = origin.host("a", Hosted(body=PNG))
    await write(keeper, Output(content_type="image/png", url=url))
    (tmp_path / "results/made/outputs/0/file").unlink()
    async with viewer.get("/v1/tasks/made/outputs/0/x", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, url)


@pytest.mark.parametrize("number", ["1", "x", "-1", "00000000", "²"])
async def test_there_is_no_such_file(
    keeper: Running, viewer: aiohttp.ClientSession, origin: Origin, number: str
) -> None:
    """Numbers count from 0."""
    await write(keeper, Output(content_type="image/png", url=origin.host("a", Hosted(body=PNG))))
    async with viewer.get(f"/v1/tasks/made/outputs/{number}/x") as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "not_found")


async def test_uploaded_files_are_kept(keeper: Running, viewer: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """For viewers who may see the input."""
    sent = {"model": "bytedance/seedream-v4", "input": {"prompt": "a cat"}}
    picture = png()
    async with viewer.post("/v1/tasks", data=form(sent, ("inputImage", "cat.png", picture))) as answer:
        made = await answer.json()
        assert answer.status == 201, made
    task, path = made["task"]["id"], f"/v1/tasks/{made['task']['id']}/inputs/0/cat.png"
    while keeper.context.spool.used_bytes:  # noqa: ASYNC110 -- until it is copied
        await asyncio.sleep(0.01)
    async with viewer.get(path) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
        assert answer.headers["Content-Disposition"] == "inline; filename*=UTF-8''cat.png"
        assert await answer.read() == picture
    async with viewer.get(path, headers={"Authorization": f"Bearer {made['token']}"}) as answer:
        assert answer.status == 403
    async with viewer.get(f"/v1/tasks/{task}/inputs/1/cat.png") as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "not_found")
    await settled(keeper, task)
    async with viewer.get(f"/v1/tasks/{task}/outputs") as answer:
        assert [file["n"] for file in (await answer.json())["outputs"]] == [0]


async def test_uploaded_files_are_used_again(
    keeper: Running, viewer: aiohttp.ClientSession, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The platform gets the same file. If the archive has lost it, nothing is started."""
    sent, picture = {"model": "bytedance/seedream-v4", "input": {"prompt": "a cat"}}, png()
    async with viewer.post("/v1/tasks", data=form(sent, ("inputImage", "cat.png", picture))) as answer:
        task = (await answer.json())["task"]["id"]
    await settled(keeper, task)
    while keeper.context.spool.used_bytes:  # noqa: ASYNC110 -- until it is copied
        await asyncio.sleep(0.01)
    async with viewer.post(f"/v1/tasks/{task}/again", json={"input": {"prompt": "a dog"}}) as answer:
        made = await answer.json()
        assert answer.status == 201, made
    first, second = ([each.value for each in run.fields if isinstance(each.value, File)] for run in sandbox.runs)
    assert first == second
    assert len(second) == 1
    async with viewer.get(f"/v1/tasks/{made['task']['id']}/input") as answer:
        assert [file["filename"] for file in (await answer.json())["files"]] == ["cat.png"]

    (tmp_path / f"results/{task}/inputs/0/file").unlink()
    async with viewer.post(f"/v1/tasks/{task}/again") as answer:
        assert (answer.status, (await answer.json())["code"]) == (503, "store_unavailable")
    assert len(sandbox.runs) == 2


async def test_an_upload_that_was_not_kept_must_be_replaced(
    relay: Running, client: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    """Without an archive, as it may be configured later."""
    sent = {"model": "bytedance/seedream-v4", "input": {"prompt": "a cat"}}
    async with client.post("/v1/tasks", data=form(sent, ("inputImage", "cat.png", png()))) as answer:
        task = (await answer.json())["task"]["id"]
    async with client.post(f"/v1/tasks/{task}/again") as answer:
        assert (answer.status, (await answer.json())["errors"][0]["field"]) == (422, "input.inputImage")
    async with client.post(f"/v1/tasks/{task}/again", json={"input": {"inputImage": None}}) as answer:
        assert answer.status == 201


async def test_the_files_of_a_deleted_task_are_removed(
    keeper: Running, viewer: aiohttp.ClientSession, origin: Origin, tmp_path: Path
) -> None:
    """At once: nothing waits for the next sweep."""
    await write(keeper, Output(content_type="image/png", url=origin.host("a", Hosted(body=PNG))))
    kept = tmp_path / "results" / "made"
    assert kept.exists()
    async with viewer.delete("/v1/tasks/made") as answer:
        assert answer.status == 204
    while any(files for _, _, files in os.walk(kept)):  # noqa: ASYNC110 -- there is no event
        await asyncio.sleep(0.01)
    async with viewer.get("/v1/tasks/made/outputs/0/x") as answer:
        assert (answer.status, (await answer.json())["code"]) == (410, "gone")

"""All results of a task in one ZIP archive."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from zipfile import ZipFile

import aiohttp
import pytest

from relay.app import Running
from relay.core.events import Output
from relay.journal.file_copies import CopyState
from tests.archive.origin import Hosted, Origin, serving
from tests.e2e import stories

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with serving() as started:
        yield started


def hosted(origin: Origin, *names: str) -> list[Output]:
    """Return a result for each name. The content of its file is the name."""
    return [
        Output(content_type="text/plain", name=name, url=origin.host(f"{n}.txt", Hosted(body=name.encode())))
        for n, name in enumerate(names)
    ]


async def download(relay: Running, task: str = "made") -> tuple[int, bytes]:
    """Download the archive with a viewer token, as a link does."""
    token, _ = relay.context.access.mint(task, scope="view", ttl_s=60)
    async with (
        aiohttp.ClientSession(relay.url) as session,
        session.get(f"/v1/tasks/{task}/outputs.zip", params={"token": token}) as response,
    ):
        if response.status == 200:
            assert response.content_type == "application/zip"
            assert "attachment" in response.headers["Content-Disposition"]
        return response.status, await response.read()


def contents(body: bytes) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(body)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


async def test_results_at_the_platform_are_read_while_they_are_sent(make_relay: MakeRelay, origin: Origin) -> None:
    """One that is missing is listed; without any, the answer is an error, as without permission."""
    async with make_relay() as relay:
        await stories.write_succeeded(relay, "made", *hosted(origin, "a.txt", "a.txt", "gone.txt"))
        del origin.files["2.txt"]

        status, body = await download(relay)

        found = contents(body)
        assert status == 200
        assert found.pop("not-included.txt") == b"gone.txt: The platform answered HTTP 404."
        assert found == {"a.txt": b"a.txt", "a (2).txt": b"a.txt"}

        origin.files.clear()
        assert (await download(relay))[0] == 502
        async with aiohttp.ClientSession(relay.url) as session, session.get("/v1/tasks/made/outputs.zip") as response:
            assert response.status == 401


async def test_kept_results_come_from_the_archive(make_relay: MakeRelay, origin: Origin, tmp_path: Path) -> None:
    """The platform has deleted them."""
    async with make_relay(archive=f"file://{tmp_path}/results") as relay:
        await stories.write_succeeded(relay, "made", *hosted(origin, "a.txt", "b.txt"))
        while {copy.state for copy in await relay.journal.copies.of_task("made")} != {CopyState.KEPT}:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        origin.files.clear()

        _, body = await download(relay)

        assert contents(body) == {"a.txt": b"a.txt", "b.txt": b"b.txt"}


async def test_an_archive_is_limited(make_relay: MakeRelay, origin: Origin) -> None:
    """By what the platform states, and by what is read; a client never takes half of an archive for all of it."""
    async with make_relay(zip_limit_bytes=8) as relay:
        await stories.write_succeeded(relay, "made", *hosted(origin, "a.txt", "b.txt"))
        with pytest.raises(aiohttp.ClientError):
            await download(relay)

        stated = Output(content_type="image/png", name="a.png", size=9, url="https://cdn.example/a.png")
        await stories.write_succeeded(relay, "stated", stated)
        assert (await download(relay, "stated"))[0] == 413

        while not relay.context.result_files.reading.locked():
            await relay.context.result_files.reading.acquire()
        assert (await download(relay))[0] == 429


async def test_a_private_address_is_not_read(make_relay: MakeRelay, origin: Origin) -> None:
    """A platform on the internet cannot make the relay read files in its own network."""
    async with make_relay(wiro_api_url="https://api.wiro.ai/v1") as relay:
        await stories.write_succeeded(relay, "made", *hosted(origin, "a.txt"))

        assert (await download(relay))[0] == 502

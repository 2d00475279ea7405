"""Results from the archive on the relay's pages, after the platform has deleted them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from relay.app import Running
from relay.core.events import Output
from relay.journal.file_copies import CopyState
from relay.sandbox.shared import pictures
from tests.archive.origin import Hosted, Origin, serving
from tests.e2e import stories

pytestmark = pytest.mark.asyncio(loop_scope="session")

View = Callable[[Running, str], str]

SEEK = """async (video) => {
  const sought = new Promise((resolve) => video.addEventListener("seeked", resolve, { once: true }));
  video.currentTime = 3;
  await sought;
  return [video.currentTime, video.seekable.length && video.seekable.end(0) > 3, video.videoWidth];
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def origin() -> AsyncIterator[Origin]:
    async with serving() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def relay(
    make_relay: Callable[..., AbstractAsyncContextManager[Running]], tmp_path: Path
) -> AsyncIterator[Running]:
    """Run a relay with an archive."""
    async with make_relay(archive=f"file://{tmp_path}/results") as started:
        yield started


async def keep(relay: Running, origin: Origin, output: Output, body: bytes) -> None:
    """Write a task with one result, wait until it is kept, and delete it at the platform."""
    url = origin.host("file", Hosted(body=body, content_type=output.content_type))
    output = Output(content_type=output.content_type, name=output.name, url=url)
    await stories.write_succeeded(relay, "made", output)
    while (await relay.journal.copies.of_task("made"))[0].state is not CopyState.KEPT:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    origin.files.clear()


async def test_a_picture_stays_on_the_page(relay: Running, origin: Origin, page: Page, view: View) -> None:
    """Its link opens the copy, too."""
    picture = Output(content_type="image/png", name="a.png")
    await keep(relay, origin, picture, pictures.draw("kept", 64, 48))
    await page.goto(view(relay, "made"))
    image = page.locator("figure img")
    await expect(image).to_be_visible()
    assert await image.evaluate("image => image.naturalWidth") == 64
    link = await page.locator("figcaption a").first.get_attribute("href")
    assert link is not None
    assert link.startswith(f"{relay.url}/v1/tasks/made/outputs/0/a.png?token=")


async def test_a_video_can_be_sought(relay: Running, origin: Origin, page: Page, view: View) -> None:
    """The browser requests parts of the copy."""
    statuses: list[int] = []
    page.on("response", lambda response: statuses.append(response.status) if "/outputs/" in response.url else None)
    await keep(relay, origin, Output(content_type="video/webm", name="a.webm"), pictures.CLIP_PATH.read_bytes())
    await page.goto(view(relay, "made"))
    video = page.locator("figure video")
    await expect(video).to_be_visible()
    assert await video.evaluate(SEEK) == [3, True, 640]
    assert 206 in statuses

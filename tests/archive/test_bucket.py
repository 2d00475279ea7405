"""A relay whose archive is a bucket: results are redirected to it, or to the CDN in front of it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import aiohttp
import pytest

from relay.app import Running
from relay.config import Config
from relay.core.events import Output
from relay.journal.file_copies import CopyState
from relay.sandbox.shared import pictures
from tests.archive.bucket import S3Server
from tests.archive.origin import Hosted, Origin
from tests.e2e import stories

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

PNG = pictures.draw("bucket", 640, 480)
PATH = "/v1/tasks/made/outputs/0/x"


async def served(
    stack: AsyncExitStack, make_relay: MakeRelay, origin: Origin, **settings: Any
) -> aiohttp.ClientSession:
    """Run a relay with a kept result, and return a client of it."""
    relay = await stack.enter_async_context(make_relay(**settings))
    url = origin.host("ä.png", Hosted(body=PNG))
    await stories.write_succeeded(relay, "made", Output(content_type="image/png", name="ä.png", url=url))
    while (await relay.journal.copies.of_task("made"))[0].state is not CopyState.KEPT:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    headers = {"Authorization": f"Bearer {relay.api_key}"}
    return await stack.enter_async_context(aiohttp.ClientSession(relay.url, headers=headers))


async def test_results_are_redirected_to_the_bucket(
    make_relay: MakeRelay, bucket_environment: S3Server, origin: Origin
) -> None:
    """The address there is signed and not cached; parts of the file can be requested, and a thumbnail."""
    async with AsyncExitStack() as stack:
        bucket = await bucket_environment.bucket()
        client = await served(stack, make_relay, origin, archive=f"s3://{bucket}/results")
        stranger = await stack.enter_async_context(aiohttp.ClientSession())
        async with client.get(PATH, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Cache-Control"]) == (302, "no-store")
            location = answer.headers["Location"]
        assert location.startswith(f"{bucket_environment.url}/{bucket}/results/made/outputs/0/file?X-Amz-")
        async with stranger.get(location, headers={"Range": "bytes=10-19"}) as answer:
            assert (answer.status, await answer.read()) == (206, PNG[10:20])
            assert answer.headers["Content-Type"] == "image/png"
            assert answer.headers["Content-Disposition"] == "inline; filename*=UTF-8''%C3%A4.png"
            assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        async with (
            client.head(PATH, allow_redirects=False) as answer,
            stranger.head(answer.headers["Location"]) as there,
        ):
            assert (there.status, there.content_length) == (200, len(PNG))
        async with client.get(f"{PATH}?w=160", allow_redirects=False) as answer:
            thumbnail = answer.headers["Location"]
        async with stranger.get(thumbnail) as answer:
            assert (answer.status, answer.headers["Content-Type"]) == (200, "image/webp")


async def test_results_are_redirected_to_a_cdn(
    make_relay: MakeRelay, bucket_environment: S3Server, origin: Origin
) -> None:
    """Its address is followed by the path in the bucket, without the prefix."""
    settings = {
        "archive": f"s3://{await bucket_environment.bucket()}/results",
        "archive_url": "https://cdn.example.com/r/",
    }
    async with AsyncExitStack() as stack:
        client = await served(stack, make_relay, origin, **settings)
        async with client.get(PATH, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (302, "https://cdn.example.com/r/made/outputs/0/file")


@pytest.mark.parametrize(
    "settings",
    [
        {"RELAY_ARCHIVE": "results"},
        {"RELAY_ARCHIVE": "file://results"},
        {"RELAY_ARCHIVE": "http://bucket.example/x"},
        {"RELAY_ARCHIVE": "s3://key@bucket/x"},
        {"RELAY_ARCHIVE_URL": "https://cdn.example.com"},
        {"RELAY_ARCHIVE": "file:///results", "RELAY_ARCHIVE_URL": "https://cdn.example.com"},
        {"RELAY_ARCHIVE": "s3://bucket", "RELAY_ARCHIVE_URL": "cdn.example.com"},
        {"RELAY_ARCHIVE": "s3://bucket", "RELAY_ARCHIVE_URL": "https://cdn.example.com?x=1"},
    ],
)
def test_settings_that_are_refused(settings: dict[str, str]) -> None:
    """Credentials are in the environment, and a CDN needs a bucket."""
    with pytest.raises(ValueError, match="RELAY_ARCHIVE"):
        Config.model_validate(settings)

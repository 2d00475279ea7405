"""The output files of tasks."""

import aiohttp
import pytest

from relay.sandbox import Sandbox
from relay.sandbox.shared.pictures import CLIP_BYTES
from tests.sandbox.calls import finished


async def test_each_output_is_a_different_picture(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """It has the announced size in bytes and the requested ratio, and pages of any origin can read it."""
    outputs = await finished(sandbox, http, size="2560x1440", maxImages=2)
    pictures = []
    for output in outputs:
        async with http.get(output["url"]) as response:
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert response.content_type == "image/png"
            pictures.append(await response.read())

    assert [str(len(picture)) for picture in pictures] == [output["size"] for output in outputs]
    assert pictures[0] != pictures[1]
    assert pictures[0][16:24] == (512).to_bytes(4, "big") + (288).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("requested", "status", "first", "length"),
    [
        ("bytes=0-99", 206, 0, 100),
        ("bytes=100-", 206, 100, CLIP_BYTES - 100),
        ("bytes=-5", 206, CLIP_BYTES - 5, 5),
        ("bytes=99999999-", 416, 0, 0),
        ("lines=1-2", 200, 0, CLIP_BYTES),
    ],
)
async def test_a_video_can_be_read_in_ranges(
    sandbox: Sandbox, http: aiohttp.ClientSession, requested: str, status: int, first: int, length: int
) -> None:
    """Video players seek with range requests."""
    (output,) = await finished(sandbox, http, model="bytedance/image-to-video-seedance-v1")
    async with http.get(output["url"], headers={"Range": requested}) as response:
        part = await response.read()

    assert (output["name"], output["contenttype"]) == ("0.webm", "video/webm")
    assert (response.status, len(part)) == (status, length)
    if status == 206:
        assert response.headers["Content-Range"] == f"bytes {first}-{first + length - 1}/{CLIP_BYTES}"


@pytest.mark.parametrize("switch", ["cdn_status=403", "cdn_expires_s=0"])
async def test_a_file_can_be_denied(sandbox: Sandbox, http: aiohttp.ClientSession, switch: str) -> None:
    """Always, or after it expires."""
    (output,) = await finished(sandbox, http, switch)
    async with http.get(output["url"]) as response:
        assert response.status == 403


async def test_an_unknown_file_is_not_found(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Beyond the number of outputs, or in an unknown folder."""
    (output,) = await finished(sandbox, http)
    for url in (output["url"].replace("0.png", "1.png"), f"{sandbox.origin}/cdn/nowhere/0.png"):
        async with http.get(url) as response:
            assert response.status == 404


async def test_the_cover_of_a_model_is_a_picture(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Every name has a cover."""
    async with http.get(f"{sandbox.origin}/cdn/covers/any.png") as response:
        assert (response.status, response.content_type) == (200, "image/png")


async def test_a_file_that_is_late_and_breaks_off(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The first requests return 404, then one response ends in the middle; a range has the rest."""
    (output,) = await finished(sandbox, http, "cdn_misses=2,cdn_breaks=1,cdn_bytes=3000000")
    url = output["url"]
    assert output["size"] == "3000000"
    for _ in range(2):
        async with http.get(url) as answer:
            assert answer.status == 404
    with pytest.raises(aiohttp.ClientPayloadError):
        async with http.get(url) as answer:
            await answer.read()
    async with http.get(url) as answer:
        whole = await answer.read()
    assert (len(whole), whole[:4], whole[-1]) == (3_000_000, b"\x89PNG", 0)
    async with http.get(url, headers={"Range": "bytes=1000-"}) as answer:
        assert (answer.status, await answer.read()) == (206, whole[1000:])

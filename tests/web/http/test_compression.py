"""Compression of responses: what is compressed, for which clients, and what is never compressed."""

import gzip
from collections.abc import AsyncIterator

import aiohttp
import orjson
import pytest

from relay.app import Running
from relay.web.http.compression import MIN_BYTES, accepts_gzip


@pytest.fixture
async def plain(relay: Running) -> AsyncIterator[aiohttp.ClientSession]:
    """Send requests that accept gzip, and leave the responses as they are."""
    headers = {"Accept-Encoding": "gzip", "Authorization": f"Bearer {relay.api_key}"}
    async with aiohttp.ClientSession(relay.url, headers=headers, auto_decompress=False) as session:
        yield session


async def test_json_and_pages_are_compressed(plain: aiohttp.ClientSession) -> None:
    """The length is that of the compressed body, and caches keep both forms apart."""
    for path in ("/v1/models", "/openapi.json", "/"):
        async with plain.get(path) as answer:
            body = await answer.read()
        assert answer.headers["Content-Encoding"] == "gzip", path
        assert answer.headers["Vary"] == "Origin, Accept-Encoding"
        assert int(answer.headers["Content-Length"]) == len(body)
        assert len(gzip.decompress(body)) > len(body)
        async with plain.head(path) as head:
            assert (head.status, await head.read()) == (200, b"")
        async with plain.get(path, headers={"Accept-Encoding": "identity"}) as answer:
            assert "Content-Encoding" not in answer.headers
            assert answer.headers["Vary"] == "Origin, Accept-Encoding"
            assert await answer.read() == gzip.decompress(body)


async def test_a_small_response_is_not_compressed(plain: aiohttp.ClientSession) -> None:
    """It fits into one packet anyway."""
    async with plain.get("/v1/tasks") as answer:
        body = await answer.read()

    assert len(body) < MIN_BYTES
    assert "Content-Encoding" not in answer.headers
    assert orjson.loads(body)["tasks"] == []


async def test_an_error_is_compressed_as_well(plain: aiohttp.ClientSession) -> None:
    """A problem that lists many fields is long."""
    input_ = {f"field-{number}": number for number in range(100)}
    async with plain.post("/v1/tasks", json={"model": "wiro/sandbox-image", "input": input_, **input_}) as answer:
        body = await answer.read()

    assert answer.status == 422
    assert answer.headers["Content-Encoding"] == "gzip"
    assert orjson.loads(gzip.decompress(body))["code"] == "invalid_input"


async def test_a_stream_is_not_compressed(plain: aiohttp.ClientSession) -> None:
    """An event would wait in the compressor."""
    headers = {"Accept": "text/event-stream"}
    async with plain.get("/v1/events", params={"all": "true"}, headers=headers) as answer:
        assert answer.content_type == "text/event-stream"
        assert "Content-Encoding" not in answer.headers
        assert (await answer.content.readline()).isascii()


@pytest.mark.parametrize(
    ("accepted", "does"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP, br", True),
        ("br;q=1.0, gzip;q=0.5", True),
        ("gzip; q=0", False),
        ("gzip;q=0.000, *", False),
        ("gzip;q=0.001", True),
        ("*", True),
        ("*;q=0", False),
        ("identity, deflate, xgzip", False),
    ],
)
def test_the_client_decides(accepted: str, does: bool) -> None:
    """By the weights of the codings."""
    assert accepts_gzip(accepted) is does

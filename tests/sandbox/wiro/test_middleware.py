"""
What all calls have in common: unknown paths, CORS, and bodies without a length.

`platform` is tested here too.
"""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from relay.sandbox import Faults, Sandbox
from tests.sandbox.calls import IMAGE, refusal


async def test_pages_of_any_origin_can_call(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The preflight allows the requested headers, and every response can be read, including errors."""
    request_headers = {"Origin": "https://a.example", "Access-Control-Request-Headers": "x-api-key, x-nonce"}
    async with http.options(f"{sandbox.api_url}/Task/Detail", headers=request_headers) as preflight:
        assert preflight.status == 204
        assert preflight.headers["Access-Control-Allow-Headers"] == "x-api-key, x-nonce"
    async with http.post(f"{sandbox.api_url}/Task/Detail", headers={"x-api-key": "nobody"}) as refused:
        assert (refused.status, refused.headers["Access-Control-Allow-Origin"]) == (401, "*")


async def test_cors_can_be_disabled(http: aiohttp.ClientSession) -> None:
    """Wiro's documentation does not promise CORS."""
    async with (
        Sandbox(faults=Faults(cors=False)) as sandbox,
        http.options(f"{sandbox.api_url}/Task/Detail") as preflight,
    ):
        assert preflight.status == 404
        assert "Access-Control-Allow-Origin" not in preflight.headers


async def test_an_unknown_path_or_method_is_404(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The envelope is always the same."""
    for method, path in [("POST", "/v1/Nothing"), ("GET", f"/v1/Run/{IMAGE}"), ("POST", "/v1"), ("GET", "/v1")]:
        async with http.request(method, sandbox.api_url.removesuffix("/v1") + path) as response:
            assert response.status == 404
            assert refusal(await response.json()) == (0, "Error parsing url.")


@pytest.mark.parametrize("path", ["/Run/bytedance/seedream-v4", "/File/Upload", "/Task/Detail"])
async def test_a_body_without_a_length_can_be_refused(http: aiohttp.ClientSession, path: str) -> None:
    """Wiro's documentation does not mention chunked bodies; `chunked=refused` refuses them."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"prompt":'
        yield b'"x"}'

    headers = {"Content-Type": "application/json"}
    for faults, accepted in [(Faults(), True), (Faults(chunked="refused"), False)]:
        async with (
            Sandbox(faults=faults) as sandbox,
            http.post(sandbox.api_url + path, data=chunks(), headers=headers) as response,
        ):
            assert (response.status, response.content_type) == (
                (200, "application/json") if accepted else (411, "text/html")
            )
            assert len(sandbox.runs) == (accepted and path.startswith("/Run"))

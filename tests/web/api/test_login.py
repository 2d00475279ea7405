"""The code of a sign-in link is exchanged for the API key."""

import aiohttp
import pytest

from relay.app import Running


async def test_a_code_is_exchanged_for_the_key_once(relay: Running) -> None:
    """The response is not cached, and a second attempt is rejected."""
    code = relay.login_link().partition("#code=")[2]
    async with aiohttp.ClientSession(relay.url) as page:
        async with page.post("/v1/login", json={"code": code}) as answer:
            assert (answer.status, await answer.json()) == (200, {"key": relay.api_key})
            assert answer.headers["Cache-Control"] == "no-store"
        async with page.post("/v1/login", json={"code": code}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("body", [{}, {"code": ""}, {"code": 1}, {"code": "x" * 65}, {"code": "x", "more": 1}])
async def test_an_invalid_code_is_rejected(relay: Running, body: dict[str, object]) -> None:
    """Like any other invalid body."""
    async with aiohttp.ClientSession(relay.url) as page, page.post("/v1/login", json=body) as answer:
        assert answer.status == 422


async def test_pages_of_other_origins_cannot_exchange_codes(relay: Running) -> None:
    """The origin is rejected before the code is redeemed."""
    code = relay.login_link().partition("#code=")[2]
    async with aiohttp.ClientSession(relay.url) as page:
        async with page.post("/v1/login", json={"code": code}, headers={"Origin": "https://evil.example"}) as answer:
            assert answer.status == 403
        async with page.post("/v1/login", json={"code": code}) as answer:
            assert answer.status == 200

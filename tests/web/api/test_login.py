"""
Codes of sign-in links are valid once and for ten minutes.

`login_codes` is tested here too.
"""

import aiohttp
import pytest

from relay.access.login_codes import LIFETIME_S, LoginCodes
from relay.app import Running


def test_a_code_is_valid_once_and_for_ten_minutes() -> None:
    """Several codes may be valid. Expired ones are dropped."""
    now = 0.0
    codes = LoginCodes(lambda: now)
    first, second, third = codes.make(), codes.make(), codes.make()
    assert len({first, second, third}) == 3
    assert codes.redeem(first)
    assert not codes.redeem(first)
    now = LIFETIME_S - 1
    assert codes.redeem(second)
    now = LIFETIME_S
    assert not codes.redeem(third)
    codes.make()
    assert len(codes._valid_until) == 1
    assert not codes.redeem("\ud800")


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

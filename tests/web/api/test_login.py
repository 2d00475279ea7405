"""The code of a printed link: traded once, and only for ten minutes."""

import aiohttp
import pytest

from relay.access.login_codes import LIFETIME_S, LoginCodes
from relay.app import Running


def test_a_code_is_valid_once_and_for_ten_minutes() -> None:
    """Several may be valid at once; those that are over are forgotten."""
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


async def test_a_code_is_traded_for_the_key_once(relay: Running) -> None:
    """The answer is kept in no cache; a second try learns nothing."""
    code = relay.login_link().partition("#code=")[2]
    async with aiohttp.ClientSession(relay.url) as page:
        async with page.post("/v1/login", json={"code": code}) as answer:
            assert (answer.status, await answer.json()) == (200, {"key": relay.api_key})
            assert answer.headers["Cache-Control"] == "no-store"
        async with page.post("/v1/login", json={"code": code}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("body", [{}, {"code": ""}, {"code": 1}, {"code": "x" * 65}, {"code": "x", "more": 1}])
async def test_what_is_no_code_is_refused(relay: Running, body: dict[str, object]) -> None:
    """As every other body."""
    async with aiohttp.ClientSession(relay.url) as page, page.post("/v1/login", json=body) as answer:
        assert answer.status == 422


async def test_pages_of_others_cannot_trade_codes(relay: Running) -> None:
    """A foreign origin is refused before the code is looked at."""
    code = relay.login_link().partition("#code=")[2]
    async with aiohttp.ClientSession(relay.url) as page:
        async with page.post("/v1/login", json={"code": code}, headers={"Origin": "https://evil.example"}) as answer:
            assert answer.status == 403
        async with page.post("/v1/login", json={"code": code}) as answer:
            assert answer.status == 200

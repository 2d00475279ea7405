"""Who may frame a task: what the relay can tell before it answers, and that in doubt it does not interfere."""

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from relay.web.frames import is_unwelcome

PAGE = "https://shop.example/cart"


def unwelcome(ancestors: str, referer: str | None = PAGE, public_url: str = "", destination: str = "iframe") -> bool:
    headers = {"Host": "relay.example", "Sec-Fetch-Dest": destination}
    if referer is not None:
        headers["Referer"] = referer
    return is_unwelcome(make_mocked_request("GET", "/embed/x", headers=headers), ancestors, public_url)


@pytest.mark.parametrize(
    "ancestors",
    [
        "*",
        "https:",
        "https://shop.example",
        "http://shop.example",
        "shop.example",
        "https://*.example",
        "https://shop.example:443",
        "https://shop.example:*",
        "'self' https://other.example https://SHOP.example",
    ],
)
def test_a_page_that_is_named_is_welcome(ancestors: str) -> None:
    """However a source list may name it."""
    assert not unwelcome(ancestors)


@pytest.mark.parametrize(
    "ancestors",
    ["'none'", "'self'", "http:", "https://shop.example.evil", "https://*.shop.example", "https://shop.example:8443"],
)
def test_a_page_that_is_not_named_is_not(ancestors: str) -> None:
    """A near miss is a miss."""
    assert unwelcome(ancestors)


def test_self_is_the_address_that_the_outside_sees() -> None:
    """Behind a proxy the Host header need not be the one that the browser knows."""
    assert not unwelcome("'self'", "https://relay.example/")
    assert not unwelcome("'self'", "https://outside.example/", public_url="https://outside.example/")


@pytest.mark.parametrize(
    ("referer", "destination"), [(None, "iframe"), ("", "iframe"), ("https://[", "iframe"), (PAGE, "document")]
)
def test_in_doubt_the_policy_alone_decides(referer: str | None, destination: str) -> None:
    """A page that does not say what it is, and one that is no frame, gets what it asked for, policy and all."""
    assert not unwelcome("'none'", referer, destination=destination)


async def test_the_message_may_be_framed_by_all_and_the_task_may_not(client: aiohttp.ClientSession) -> None:
    """What a foreign page gets has no script; the true page keeps its policy."""
    for headers, ancestors in (({"Referer": PAGE}, "*"), ({}, "'self'")):
        async with client.get("/embed/x", headers={"Sec-Fetch-Dest": "iframe", **headers}) as answer:
            assert answer.headers["Content-Security-Policy"].endswith(f"frame-ancestors {ancestors}")
            assert ("<script" in await answer.text()) == (ancestors == "'self'")

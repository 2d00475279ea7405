"""Wrong HTTP responses."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from relay.sandbox.shared.http_faults import faulty_response
from relay.sandbox.switches.values import HttpFault, HttpKind


async def respond(
    kind: HttpKind, *, status: int = 502, proper: web.Response | None = None, closing: asyncio.Event | None = None
) -> web.Response:
    return await faulty_response(
        make_mocked_request("POST", "/"),
        HttpFault(status=status, kind=kind, count=1),
        proper=proper,
        error=lambda status: web.Response(status=status, text="the envelope"),
        retry_after_s=3,
        closing=closing or asyncio.Event(),
    )


async def test_a_hanging_response_ends_when_the_sandbox_closes() -> None:
    """Until then nothing is sent."""
    closing = asyncio.Event()
    hanging = asyncio.create_task(respond("hang", closing=closing))
    await asyncio.sleep(0)
    assert not hanging.done()
    closing.set()

    assert (await hanging).status == 503


@pytest.mark.parametrize(
    ("kind", "status", "text"),
    [
        ("envelope", 502, "the envelope"),
        ("html", 502, "<title>502 Bad Gateway</title>"),
        ("html", 599, "<title>599 Error</title>"),
    ],
)
async def test_a_response_has_a_status_a_body_and_retry_after(kind: HttpKind, status: int, text: str) -> None:
    """The page has the standard reason of the status, if there is one."""
    response = await respond(kind, status=status)

    assert (response.status, response.headers["Retry-After"]) == (status, "3")
    assert text in (response.text or "")


@pytest.mark.parametrize(
    ("proper", "body"),
    [(web.Response(body=b"12345678"), b"1234"), (None, b'{"result":fal'), (web.Response(), b'{"result":fal')],
)
async def test_a_truncated_response_is_the_first_half(proper: web.Response | None, body: bytes) -> None:
    """Without a proper response it is the half of an error envelope."""
    assert (await respond("truncated", status=200, proper=proper)).body == body

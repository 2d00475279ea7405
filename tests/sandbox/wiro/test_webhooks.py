"""
Callbacks of finished tasks.

`shared.background`, `shared.callbacks` and `shared.json_response` are tested here too.
"""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from relay.sandbox import Sandbox
from tests.sandbox.calls import finished


@pytest.fixture
async def callbacks() -> AsyncIterator[tuple[str, list[dict[str, object]]]]:
    """Start a receiver of callbacks; return its address and a list of what it receives."""
    received: list[dict[str, object]] = []

    async def receive(request: web.Request) -> web.Response:
        received.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", receive)
    async with TestServer(app) as server:
        yield str(server.make_url("/hook")), received


@pytest.mark.parametrize(
    ("shape", "keys"),
    [
        ("tasklist", {"result", "errors", "total", "tasklist"}),
        ("task", {"id", "status", "outputs", "pexit"}),
        ("status", {"taskid", "status", "outputs"}),
    ],
)
async def test_the_callback_has_three_forms(
    sandbox: Sandbox,
    http: aiohttp.ClientSession,
    callbacks: tuple[str, list[dict[str, object]]],
    shape: str,
    keys: set[str],
) -> None:
    """It is sent as often as the switch says; sent early, it arrives before the task has ended."""
    url, received = callbacks
    await finished(sandbox, http, f"webhook={shape}, webhook_times=2, webhook_early", callbackUrl=url)

    assert len(received) == 2
    assert keys <= set(received[0])
    assert "task_postprocess_end" in str(received[0])


async def test_a_duplicate_terminal_frame_sends_no_second_callback(
    sandbox: Sandbox, http: aiohttp.ClientSession, callbacks: tuple[str, list[dict[str, object]]]
) -> None:
    """The task has still ended only once."""
    url, received = callbacks
    await finished(sandbox, http, "webhook_early, duplicate_every=1", callbackUrl=url)

    assert len(received) == 1


async def test_a_callback_to_another_host_is_not_sent(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The task succeeds nevertheless."""
    (output,) = await finished(sandbox, http, "webhook_early", callbackUrl="http://192.0.2.1/hook")

    assert output["name"] == "0.png"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/hook", ""])
async def test_a_task_succeeds_whether_its_callback_does_or_not(
    sandbox: Sandbox, http: aiohttp.ClientSession, url: str
) -> None:
    """A connection error is logged."""
    (output,) = await finished(sandbox, http, "webhook_early", callbackUrl=url)

    assert output["name"] == "0.png"

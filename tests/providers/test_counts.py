"""What is counted of calls, and when a platform counts as working."""

import asyncio
from contextlib import suppress

import pytest

from relay.errors import UpstreamUnclear
from relay.providers.counts import Outcome, UpstreamCounts, outcome_of
from tests.hub.fakes import Clock
from tests.providers.test_http import platform


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "ok"),
        (302, "ok"),
        (400, "refused"),
        (401, "unauthorized"),
        (403, "unauthorized"),
        (429, "rate_limited"),
        (500, "server_error"),
    ],
)
def test_a_status_is_an_outcome(status: int, outcome: str) -> None:
    """A redirect is not followed, and the provider decides what it means."""
    assert outcome_of(status) == outcome


def test_a_platform_works_if_it_answers() -> None:
    """Also if it refuses. A call that the relay stopped says nothing."""
    clock = Clock()
    counts = UpstreamCounts(clock)
    outcomes: list[Outcome] = ["unavailable", "refused", "interrupted", "server_error"]
    for clock.now, outcome in enumerate(outcomes, 1):
        counts.called("/Run", outcome, 0.5)
    assert (counts.failed_at, counts.succeeded_at) == (4.0, 2.0)
    assert sum(counts.durations["/Run"].counts) == 4


async def test_every_call_is_counted_under_its_endpoint() -> None:
    """Whatever comes of it."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/good" in head:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        elif b"/hangs" in head:
            await reader.read()

    async with platform(behave) as http:
        await http.call("GET", "/good")
        with pytest.raises(UpstreamUnclear):
            await http.call("GET", "/bad")
        hanging = asyncio.create_task(http.call("GET", "/hangs"))
        await asyncio.sleep(0)
        hanging.cancel()
        with suppress(asyncio.CancelledError):
            await hanging
        assert http._counts.calls == {("/good", "ok"): 1, ("/bad", "unclear"): 1, ("/hangs", "interrupted"): 1}

"""A sandbox in each dialect, called as other people's clients call Wiro: what they send, and none of their code."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from relay.sandbox import Sandbox


@pytest.fixture(params=["gen0", "gen1", "gen2"])
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    """The simulated platform in one of its dialects."""
    async with Sandbox(speed=500, dialect=request.param) as sandbox:
        yield sandbox


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that knows nothing of the platform."""
    async with aiohttp.ClientSession() as http:
        yield http

"""A sandbox in each dialect, for tests that send what existing clients of Wiro send."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from relay.sandbox import Sandbox


@pytest.fixture(params=["gen0", "gen1", "gen2"])
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    """Start a sandbox in one of its dialects."""
    async with Sandbox(speed=500, dialect=request.param) as sandbox:
        yield sandbox


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Return a plain HTTP client."""
    async with aiohttp.ClientSession() as http:
        yield http

"""A sandbox that is a thousand times as fast as the real platforms, and a client with the key of a Wiro project."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from relay.sandbox import API_KEY, API_SECRET, PLAIN_KEY, Sandbox
from tests.sandbox.calls import OTHER_KEY


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Start a sandbox with a project that signs its calls and two that do not."""
    accounts = {API_KEY: API_SECRET, PLAIN_KEY: None, OTHER_KEY: None}
    async with Sandbox(speed=1000, accounts=accounts) as sandbox:
        yield sandbox


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Return a client of a project that does not sign its calls."""
    async with aiohttp.ClientSession(headers={"x-api-key": PLAIN_KEY}) as http:
        yield http

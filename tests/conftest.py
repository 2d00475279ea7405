"""Fixtures of most tests: a simulated platform, a relay that uses it, and a client with the API key."""

import gc
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager

import aiohttp
import pytest
import structlog
from hypothesis import settings

from relay.app import Running, running
from relay.config import Config
from relay.sandbox import Sandbox
from tests.preloaded import Preloaded

# The default prints the variables of every frame, which takes longer than most tests.
structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback

# A test that captures logs leaves structlog configured, and then the levels of `logging` count.
logging.getLogger("web").setLevel(logging.DEBUG)

settings.register_profile("relay", deadline=None)  # a busy machine is slow
settings.load_profile("relay")

pytest_plugins = ["tests.postgres.fixtures"]

API_KEY = "a-management-key-for-tests"


MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]


def pytest_collection_finish() -> None:
    """Exempt the collected tests from garbage collection: going through them takes two percent of the whole run."""
    gc.collect()
    gc.freeze()


def pytest_xdist_auto_num_workers() -> int:
    """Use two workers per core: half of the tests' time is waiting for timers, processes and the disk."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(scope="session")
def preloaded() -> Iterator[Preloaded]:
    """Start a process that runs commands without importing the relay for each."""
    with Preloaded.running() as process:
        yield process


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Start a simulated platform, fifty times as fast as a real one."""
    async with Sandbox(speed=50) as box:
        yield box


@pytest.fixture
def make_relay(sandbox: Sandbox) -> MakeRelay:
    """Return a function that starts a relay for the sandbox; it takes settings by their field names in Config."""

    def make(**settings: object) -> AbstractAsyncContextManager[Running]:
        defaults: dict[str, object] = {
            "port": 0,
            "store": "memory:",
            "api_keys": (API_KEY,),
            "media_sources": sandbox.origin,
            "wiro_api_key": sandbox.api_key,
            "wiro_api_secret": sandbox.api_secret,
            "wiro_api_url": sandbox.api_url,
            "wiro_socket_url": sandbox.socket_url,
            "drain_s": 0.2,
        }
        return running(Config.model_validate(defaults | settings))

    return make


@pytest.fixture
async def relay(make_relay: MakeRelay) -> AsyncIterator[Running]:
    """Start a relay for the sandbox, with its journal in memory."""
    async with make_relay() as started:
        yield started


@pytest.fixture
async def client(relay: Running) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a client session that sends the API key."""
    headers = {"Authorization": f"Bearer {relay.api_key}"}
    async with aiohttp.ClientSession(relay.url, headers=headers) as session:
        yield session

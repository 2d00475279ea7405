"""Fixtures: short leases, and several relays of this process with one database."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from relay.app import Running
from tests.chaos.relay_process import KEY
from tests.cluster.short_times import shorten
from tests.conftest import MakeRelay

StartNodes = Callable[..., AbstractAsyncContextManager[Sequence[Running]]]


@pytest.fixture
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the leases and searches of the nodes in this process."""
    shorten(monkeypatch.setattr)


@pytest.fixture
def start_nodes(make_relay: MakeRelay, tmp_path: Path) -> StartNodes:
    """Return a function that starts relays in this process; it takes the address of their database, and settings."""

    @asynccontextmanager
    async def start(store: str, *, count: int = 3, **settings: object) -> AsyncIterator[Sequence[Running]]:
        async with AsyncExitStack() as stack:
            shared = {"store": store, "spool": tmp_path / "spool", "api_keys": (KEY,), **settings}
            yield [
                await stack.enter_async_context(make_relay(**shared, node=f"node-{number}"))
                for number in range(1, count + 1)
            ]

    return start

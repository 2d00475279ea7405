"""Fixtures to talk to a relay in raw bytes, and from addresses other than loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit

import pytest

from relay.app import Running

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[..., AbstractAsyncContextManager[Line]]


@pytest.fixture
def dial() -> Dial:
    """Connect to a relay and send bytes, if any are given."""

    @asynccontextmanager
    async def connect(relay: Running, said: bytes = b"") -> AsyncIterator[Line]:
        address = urlsplit(relay.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            writer.write(said)
            yield reader, writer
        finally:
            writer.transport.abort()

    return connect

"""How these tests talk to a relay: with raw bytes, and from addresses that are not this machine's."""

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
    """Connect to a relay and say something, if there is something to say."""

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

"""A connection pooler in transaction mode: each transaction of a client runs in any session of the server."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

SSL_REQUEST = 80877103
"""The code of an SSLRequest, https://www.postgresql.org/docs/current/protocol-message-formats.html."""

IDLE = b"Z\0\0\0\5I"
"""The message ReadyForQuery outside of a transaction."""


@dataclass(eq=False)
class Session:
    """A session of the server, and the client that uses it now."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    client: "Client | None" = None


@dataclass(eq=False)
class Client:
    """A client, and the session that it has until the end of its transaction."""

    writer: asyncio.StreamWriter
    session: Session | None = None


@dataclass(eq=False)
class Pooler:
    """Forwards messages between clients and sessions. Whatever a client sets in a session stays there."""

    port: int
    most: int
    free: list[Session] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    clients: list[asyncio.Task[None]] = field(default_factory=list)
    pumps: list[asyncio.Task[None]] = field(default_factory=list)
    returned: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward the messages of a client to a session that is free."""
        task = asyncio.current_task()
        assert task is not None
        self.clients.append(task)
        client = Client(writer)
        with closing(writer), suppress(asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            startup = await _sized(reader)
            if struct.unpack("!I", startup[4:8]) == (SSL_REQUEST,):
                writer.write(b"N")
                startup = await _sized(reader)
            session, greeting = await self._open(startup)
            self._give_back(session)
            writer.write(greeting)
            while (message := await _message(reader))[:1] != b"X":
                if client.session is None:
                    client.session = await self._take()
                    client.session.client = client
                client.session.writer.write(message)

    async def _open(self, startup: bytes) -> tuple[Session, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(startup)
        greeting = b""
        while not greeting.endswith(IDLE):
            greeting += await _message(reader)
        session = Session(reader, writer)
        self.sessions.append(session)
        if len(self.sessions) > self.most:
            self.sessions.pop()
            writer.close()
            return self.sessions[0], greeting
        self.pumps.append(asyncio.create_task(self._pump(session)))
        return session, greeting

    async def _take(self) -> Session:
        while not self.free:
            self.returned.clear()
            await self.returned.wait()
        return self.free.pop()

    def _give_back(self, session: Session) -> None:
        if session.client is None and session not in self.free:
            self.free.append(session)
            self.returned.set()

    async def _pump(self, session: Session) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while message := await _message(session.reader):
                client = session.client
                if client is None:
                    continue
                if message == IDLE:
                    client.session = session.client = None
                    self._give_back(session)
                client.writer.write(message)


@asynccontextmanager
async def pooled(dsn: str, *, sessions: int) -> AsyncIterator[str]:
    """Run a pooler during the block; yield the address of the database behind it."""
    port = urlsplit(dsn).port
    assert port is not None
    pooler = Pooler(port, sessions)
    server = await asyncio.start_server(pooler.serve, "127.0.0.1", 0)
    own = server.sockets[0].getsockname()[1]
    try:
        yield dsn.replace(f":{port}/", f":{own}/")
    finally:
        server.close()
        for session in pooler.sessions:
            session.writer.close()
        for client in pooler.clients:
            client.cancel()
        await asyncio.gather(*pooler.pumps, *pooler.clients)


async def _sized(reader: asyncio.StreamReader) -> bytes:
    """Read what begins with its own length."""
    size = await reader.readexactly(4)
    return size + await reader.readexactly(struct.unpack("!I", size)[0] - 4)


async def _message(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(1) + await _sized(reader)

"""An egress proxy, and TLS in front of a simulated platform, for relays in closed networks."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

CERTIFICATES = Path(__file__).parent / "certificates"


@dataclass(slots=True)
class EgressProxy:
    """An HTTP proxy on loopback that resolves every name under `.test` to loopback."""

    port: int = 0
    word: str | None = None
    """The password of the user `me`; None requires no authentication."""
    refusal: bytes | None = None
    """An answer to every CONNECT instead of connecting."""
    asked: list[str] = field(default_factory=list)
    """Method and target of every request."""

    @property
    def url(self) -> str:
        return f"http://{'' if self.word is None else f'me:{self.word}@'}127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            first, _, rest = head.partition(b"\r\n")
            method, target, _ = first.decode().split()
            self.asked.append(f"{method} {target}")
            wanted = None if self.word is None else base64.b64encode(f"me:{self.word}".encode())
            if wanted is not None and b"Basic " + wanted not in rest:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            elif method == "CONNECT":
                await self._connect(target, reader, writer)
            else:
                await self._forward(method, target, rest, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # either side may go at any time

    async def _connect(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusal is not None:
            writer.write(self.refusal)
            return
        host, _, port = target.rpartition(":")
        assert host.endswith(".test"), host
        onward = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await joined((reader, writer), onward)

    async def _forward(
        self, method: str, target: str, rest: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        url = urlsplit(target)
        assert (url.hostname or "").endswith(".test"), target
        onward = await asyncio.open_connection("127.0.0.1", url.port or 80)
        query = f"?{url.query}" if url.query else ""
        onward[1].write(f"{method} {url.path}{query} HTTP/1.1\r\nConnection: close\r\n".encode() + rest)
        await joined((reader, writer), onward)


Side = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def joined(one: Side, other: Side) -> None:
    """Forward bytes between two connections until one of them ends, then close both."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()

    both = [asyncio.ensure_future(carry(one[0], other[1])), asyncio.ensure_future(carry(other[0], one[1]))]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in both:
            each.cancel()
        for _, writer in (one, other):
            writer.close()
        await asyncio.gather(*both, return_exceptions=True)


@asynccontextmanager
async def served(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """Serve on loopback; yield the port, and close all connections at the end."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            await handle(reader, writer)
        finally:
            serving.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


@asynccontextmanager
async def egress(*, word: str | None = None, refusal: bytes | None = None) -> AsyncIterator[EgressProxy]:
    """Run an egress proxy."""
    proxy = EgressProxy(word=word, refusal=refusal)
    async with served(proxy.serve) as proxy.port:
        yield proxy


@asynccontextmanager
async def with_tls(port: int) -> AsyncIterator[int]:
    """Serve TLS as `api.wiro.test` and `socket.wiro.test` in front of a server's port; yield the TLS port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "platform.pem")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await joined((reader, writer), await asyncio.open_connection("127.0.0.1", port))

    async with served(serve, context) as tls_port:
        yield tls_port

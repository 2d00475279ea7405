"""A WebSocket client that sends any bytes, and parses frames with the sans-I/O parser of `websockets`."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

LONGEST_S = 60.0
"""How long to wait for what takes a moment on an idle machine."""


class Wire:
    """One connection. It answers neither pings nor a close by itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, protocol: ClientProtocol) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = protocol
        self._read: deque[Frame] = deque()

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)

    def send(self, opcode: Opcode, data: bytes, *, fin: bool = True) -> None:
        """Send one masked frame."""
        self.write(Frame(opcode, data, fin=fin).serialize(mask=True))

    async def frames(self) -> AsyncIterator[Frame]:
        """Yield frames until the end of the connection; fail on bytes that are not frames."""
        try:
            async with asyncio.timeout(LONGEST_S):
                while self._read or await self._receive():
                    while self._read:
                        yield self._read.popleft()
        except ConnectionResetError:  # it closed before it had read everything
            return

    async def _receive(self) -> bool:
        """Read data; return False at the end of the connection."""
        data = await self._reader.read(65_536)
        if data:
            self._protocol.receive_data(data)
            self._read.extend(event for event in self._protocol.events_received() if isinstance(event, Frame))
            assert self._protocol.parser_exc is None
        return bool(data)

    async def frame(self, opcode: Opcode) -> bytes:
        """Return the payload of the next frame of this kind."""
        async for frame in self.frames():
            if frame.opcode is opcode:
                return bytes(frame.data)
        raise AssertionError("the connection ended before that")

    async def close_code(self) -> int:
        """Return the code of the other side's close."""
        return Close.parse(await self.frame(Opcode.CLOSE)).code

    def abort(self) -> None:
        """Reset the connection."""
        self._writer.transport.abort()


@asynccontextmanager
async def connected(url: str, path: str, credential: str) -> AsyncIterator[Wire]:
    """Open a WebSocket at a path of the relay."""
    uri = parse_uri(url.replace("http", "ws", 1) + path)
    protocol = ClientProtocol(uri, max_size=None)
    reader, writer = await asyncio.open_connection(uri.host, uri.port)
    request = protocol.connect()
    request.headers["Authorization"] = f"Bearer {credential}"
    protocol.send_request(request)
    writer.write(b"".join(protocol.data_to_send()))
    protocol.receive_data(await reader.readuntil(b"\r\n\r\n"))
    (response,) = protocol.events_received()
    assert isinstance(response, Response)
    assert response.status_code == 101
    wire = Wire(reader, writer, protocol)
    try:
        yield wire
    finally:
        wire.abort()

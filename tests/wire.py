"""A WebSocket client whose bytes are in the test's hands. What comes is read by `websockets`' sans-I/O parser."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

LONGEST_S = 60.0
"""What takes longer has failed."""


class Wire:
    """One connection. It answers nothing by itself: neither a ping nor a close."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, protocol: ClientProtocol) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = protocol
        self._read: deque[Frame] = deque()

    def write(self, data: bytes) -> None:
        """Put bytes on the wire as they are."""
        self._writer.write(data)

    def send(self, opcode: Opcode, data: bytes, *, fin: bool = True) -> None:
        """Put one frame on the wire, masked as a client's are."""
        self.write(Frame(opcode, data, fin=fin).serialize(mask=True))

    async def frames(self) -> AsyncIterator[Frame]:
        """Give out what comes, to the end of the connection. Bytes that are no frames fail."""
        try:
            async with asyncio.timeout(LONGEST_S):
                while self._read or await self._receive():
                    while self._read:
                        yield self._read.popleft()
        except ConnectionResetError:  # it closed before it had read all that we sent
            return

    async def _receive(self) -> bool:
        """Read what has come; say whether there may be more."""
        data = await self._reader.read(65_536)
        if data:
            self._protocol.receive_data(data)
            self._read.extend(event for event in self._protocol.events_received() if isinstance(event, Frame))
            assert self._protocol.parser_exc is None
        return bool(data)

    async def frame(self, opcode: Opcode) -> bytes:
        """Return what the next frame of this kind carries."""
        async for frame in self.frames():
            if frame.opcode is opcode:
                return bytes(frame.data)
        raise AssertionError("the connection ended before that")

    async def close_code(self) -> int:
        """Return the code with which the other side closes."""
        return Close.parse(await self.frame(Opcode.CLOSE)).code

    def abort(self) -> None:
        """Be gone, without a word."""
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

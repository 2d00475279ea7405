"""
How a message is put on each wire. A message is framed once per form; every viewer of that form gets the same bytes.

SSE blocks carry no `event:` field, so that one `onmessage` serves both wires.
"""

from collections.abc import Callable
from dataclasses import dataclass

LAST = "ended"
"""The id of the last block of a stream on many tasks: who comes back with it is told to stop."""

_TEXT_FINAL = 0x81  # RFC 6455 section 5.2: FIN, opcode 1


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """
    One wire form.

    `wrap` takes a message's JSON and the cursor that it leads to (null: it leads nowhere, as a ping) and gives the
    bytes on the wire. `ping_rounds` is after how many of the hub's rounds such a viewer is due a ping.
    """

    name: str
    wrap: Callable[[bytes, str | None], bytes]
    ping_rounds: int


def websocket_text(message: bytes, _cursor: str | None = None) -> bytes:
    """Frame a text message as a server does: unmasked, whole."""
    size = len(message)
    if size < 126:
        return bytes((_TEXT_FINAL, size)) + message
    if size < 65_536:
        return bytes((_TEXT_FINAL, 126)) + size.to_bytes(2, "big") + message
    return bytes((_TEXT_FINAL, 127)) + size.to_bytes(8, "big") + message


def sse_block(message: bytes, cursor: str | None = None) -> bytes:
    """Write one block. JSON has no raw line end, so one `data:` line is enough."""
    if cursor is None:
        return b"data: " + message + b"\n\n"
    return b"id: " + cursor.encode() + b"\ndata: " + message + b"\n\n"


def sse_chunk(message: bytes, cursor: str | None = None) -> bytes:
    """Write one block as one chunk (RFC 9112 section 7.1)."""
    block = sse_block(message, cursor)
    return b"%x\r\n%b\r\n" % (len(block), block)


def plain_sse_block(message: bytes, cursor: str | None = None) -> bytes:
    """Write one block of a stream on many tasks: no cursor is the whole stream's, so only `LAST` becomes its id."""
    return sse_block(message, cursor if cursor == LAST else None)


def plain_sse_chunk(message: bytes, cursor: str | None = None) -> bytes:
    """Write the same as one chunk."""
    return sse_chunk(message, cursor if cursor == LAST else None)


def line(message: bytes, _cursor: str | None = None) -> bytes:
    """Write a message as one line."""
    return message + b"\n"


WEBSOCKET = Form("websocket", websocket_text, ping_rounds=2)
SSE = Form("sse", sse_chunk, ping_rounds=1)
SSE_HTTP_1_0 = Form("sse-http-1.0", sse_block, ping_rounds=1)
MANY_SSE = Form("many-sse", plain_sse_chunk, ping_rounds=1)
MANY_SSE_HTTP_1_0 = Form("many-sse-http-1.0", plain_sse_block, ping_rounds=1)
LINES = Form("lines", line, ping_rounds=1)

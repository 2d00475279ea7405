"""
How a message is written on each kind of connection.

A message is encoded once per framing, and every viewer with that framing gets the same bytes. SSE events have no
`event:` field, so that one `onmessage` handler serves both WebSocket and SSE.
"""

from collections.abc import Callable
from dataclasses import dataclass

from relay.core.status_view import status_message

STREAM_END_ID = "ended"
"""The id of the last event of a stream on several topics. A client that reconnects with it gets 204 and stops."""

_FIN_TEXT = 0x81  # the final fragment of a text message: https://www.rfc-editor.org/rfc/rfc6455#section-5.2


@dataclass(frozen=True, slots=True, eq=False)
class Framing:
    """
    The encoding of messages on one kind of connection.

    `encode` takes a message as JSON and the cursor after it, or None for a message that is not an event, such as a
    ping. `end` follows the last message.
    """

    name: str
    encode: Callable[[bytes, str | None], bytes]
    end: bytes = b""


def websocket_text(message: bytes, _cursor: str | None = None) -> bytes:
    """Return `message` as one unmasked, unfragmented text frame, as servers send them."""
    size = len(message)
    if size < 126:
        return bytes((_FIN_TEXT, size)) + message
    if size < 65_536:
        return bytes((_FIN_TEXT, 126)) + size.to_bytes(2, "big") + message
    return bytes((_FIN_TEXT, 127)) + size.to_bytes(8, "big") + message


def sse_event(message: bytes, cursor: str | None = None) -> bytes:
    """Return `message` as one server-sent event. JSON has no raw line break, so one `data:` line is enough."""
    if cursor is None:
        return b"data: " + message + b"\n\n"
    return b"id: " + cursor.encode() + b"\ndata: " + message + b"\n\n"


def sse_chunk(message: bytes, cursor: str | None = None) -> bytes:
    """Return the server-sent event as one HTTP chunk: https://www.rfc-editor.org/rfc/rfc9112#section-7.1."""
    event = sse_event(message, cursor)
    return b"%x\r\n%b\r\n" % (len(event), event)


def multi_sse_event(message: bytes, cursor: str | None = None) -> bytes:
    """
    Return one event of a stream on several topics.

    The cursor of one task is not a position in the whole stream, so only `STREAM_END_ID` is written as an id.
    """
    return sse_event(message, cursor if cursor == STREAM_END_ID else None)


def multi_sse_chunk(message: bytes, cursor: str | None = None) -> bytes:
    """Return what `multi_sse_event` does, as one HTTP chunk."""
    return sse_chunk(message, cursor if cursor == STREAM_END_ID else None)


_LAST_CHUNK = b"0\r\n\r\n"


def json_line(message: bytes, _cursor: str | None = None) -> bytes:
    """Return `message` as one line."""
    return message + b"\n"


WEBSOCKET = Framing("websocket", websocket_text)
SSE = Framing("sse", sse_chunk, end=_LAST_CHUNK)
SSE_HTTP_1_0 = Framing("sse-http-1.0", sse_event)
MULTI_SSE = Framing("multi-sse", multi_sse_chunk, end=_LAST_CHUNK)
MULTI_SSE_HTTP_1_0 = Framing("multi-sse-http-1.0", multi_sse_event)
JSON_LINES = Framing("json-lines", json_line)


def of_status(framing: Framing) -> Framing:
    """Return the framing that writes only what a viewer of the status sees, in the same way."""
    return _STATUS[framing]


def _status_only(framing: Framing) -> Framing:
    def encode(message: bytes, cursor: str | None) -> bytes:
        return framing.encode(status_message(message), cursor)

    return Framing(framing.name, encode, framing.end)


_STATUS = {
    each: _status_only(each) for each in (WEBSOCKET, SSE, SSE_HTTP_1_0, MULTI_SSE, MULTI_SSE_HTTP_1_0, JSON_LINES)
}

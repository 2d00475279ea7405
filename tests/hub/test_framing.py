"""How messages are written on each kind of connection, read back by an independent parser where there is one."""

import orjson
import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from relay.core.codec import encode_event
from relay.core.events import Event, Log, LogOutput, Source, State
from relay.hub.framing import (
    JSON_LINES,
    MULTI_SSE,
    MULTI_SSE_HTTP_1_0,
    SSE,
    SSE_HTTP_1_0,
    STREAM_END_ID,
    WEBSOCKET,
    Framing,
    multi_sse_chunk,
    multi_sse_event,
    of_status,
    sse_chunk,
    sse_event,
    websocket_text,
)

SIZES = (0, 1, 125, 126, 127, 65_535, 65_536, 70_000)
"""Sizes around those at which the header of a frame changes: RFC 6455 section 5.2."""


def read_frames(data: bytes) -> list[Frame]:
    """Parse frames as a client does."""
    protocol = ClientProtocol(parse_uri("ws://127.0.0.1/"), max_size=None, state=OPEN)
    protocol.receive_data(data)
    frames = [event for event in protocol.events_received() if isinstance(event, Frame)]
    assert protocol.parser_exc is None
    return frames


@pytest.mark.parametrize("size", SIZES)
def test_a_client_can_read_a_text_frame_of_any_size(size: int) -> None:
    """It is one final text frame."""
    message = b"x" * size

    assert read_frames(websocket_text(message)) == [Frame(Opcode.TEXT, message, fin=True)]


def test_frames_in_one_write_stay_separate() -> None:
    """The frames of one commit are written together."""
    messages = [b"x" * size for size in SIZES]

    frames = read_frames(b"".join(map(websocket_text, messages)))

    assert [frame.data for frame in frames] == messages


@pytest.mark.parametrize("size", SIZES)
def test_a_chunk_is_one_event(size: int) -> None:
    """The size of the chunk is that of the event, in hexadecimal."""
    message = b"x" * size

    head, _, rest = sse_chunk(message, "e:7").partition(b"\r\n")

    assert rest == sse_event(message, "e:7") + b"\r\n"
    assert int(head, 16) == len(rest) - 2


def test_an_event_has_an_id_only_with_a_cursor() -> None:
    """A ping leaves the browser's last id as it is. No event has a type, so all go to `onmessage`."""
    ping = orjson.dumps({"type": "ping", "at": 1.5})

    assert sse_event(ping) == b'data: {"type":"ping","at":1.5}\n\n'
    assert sse_event(ping, "e:7") == b'id: e:7\ndata: {"type":"ping","at":1.5}\n\n'


def test_a_stream_on_several_topics_has_an_id_only_at_its_end() -> None:
    """The cursor of one task is not a position in the stream."""
    assert multi_sse_event(b"{}", "e:7") == sse_event(b"{}")
    assert multi_sse_event(b"{}", STREAM_END_ID) == b"id: ended\ndata: {}\n\n"
    assert multi_sse_chunk(b"{}", "e:7") == sse_chunk(b"{}")
    assert multi_sse_chunk(b"{}", STREAM_END_ID) == sse_chunk(b"{}", STREAM_END_ID)


@pytest.mark.parametrize(
    "framing",
    [WEBSOCKET, SSE, SSE_HTTP_1_0, MULTI_SSE, MULTI_SSE_HTTP_1_0, JSON_LINES],
    ids=lambda framing: str(framing.name),
)
def test_every_framing_carries_the_message_byte_for_byte(framing: Framing) -> None:
    """Line breaks in texts are escaped, so they need no treatment."""
    message = orjson.dumps({"type": "output", "text": "a\nb\r\u2028 é 🙂"})

    assert message in framing.encode(message, "e:7")


def test_a_status_is_written_in_the_same_way() -> None:
    """Without what only other viewers see."""
    data = LogOutput(log=Log(stream="stdout", text="private"))
    event = Event(type="output", task="t", seq=2, state=State.RUNNING, at=1.0, source=Source.LIVE, data=data)
    message = encode_event(event)
    status = of_status(JSON_LINES)

    written = status.encode(message, None)

    assert (status.name, status.end) == (JSON_LINES.name, JSON_LINES.end)
    assert written.endswith(b"\n")
    assert orjson.loads(written)["seq"] == 2
    assert b"private" not in written

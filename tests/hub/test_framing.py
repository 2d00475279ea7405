"""What is put on each wire, read back by somebody else's parser."""

import orjson
import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from relay.hub.cursor import Cursor, parse_cursor
from relay.hub.framing import SSE, SSE_HTTP_1_0, WEBSOCKET, sse_chunk, sse_event, websocket_text

EDGES = (0, 1, 125, 126, 127, 65_535, 65_536, 70_000)
"""The sizes at which a frame's header changes its form (RFC 6455 section 5.2), and their neighbours."""


def read_frames(wire: bytes) -> list[Frame]:
    """Read frames as a client that has opened its connection."""
    protocol = ClientProtocol(parse_uri("ws://127.0.0.1/"), max_size=None, state=OPEN)
    protocol.receive_data(wire)
    frames = [event for event in protocol.events_received() if isinstance(event, Frame)]
    assert protocol.parser_exc is None
    return frames


@pytest.mark.parametrize("size", EDGES)
def test_a_text_frame_of_any_size_is_read_back(size: int) -> None:
    """Every length form is what a client's parser makes of it: one whole, final text frame."""
    message = b"x" * size

    assert read_frames(websocket_text(message)) == [Frame(Opcode.TEXT, message, fin=True)]


def test_frames_written_in_one_go_stay_apart() -> None:
    """Frames of one commit leave in one write, and are as many messages as they were."""
    messages = [b"x" * size for size in EDGES]

    frames = read_frames(b"".join(map(websocket_text, messages)))

    assert [frame.data for frame in frames] == messages


@pytest.mark.parametrize("size", EDGES)
def test_a_chunk_is_one_block(size: int) -> None:
    """A chunk's size is the block's in hexadecimal; taken out of its chunk it is the block of HTTP/1.0."""
    message = b"x" * size

    head, _, rest = sse_chunk(message, "e:7").partition(b"\r\n")

    assert rest == sse_event(message, "e:7") + b"\r\n"
    assert int(head, 16) == len(rest) - 2


def test_a_block_has_an_id_only_with_a_cursor_and_never_an_event() -> None:
    """A message that leads nowhere leaves the browser's last id alone; every block goes to `onmessage`."""
    ping = orjson.dumps({"type": "ping", "at": 1.5})

    assert sse_event(ping) == b'data: {"type":"ping","at":1.5}\n\n'
    assert sse_event(ping, "e:7") == b'id: e:7\ndata: {"type":"ping","at":1.5}\n\n'


def test_every_form_carries_the_same_message() -> None:
    """However it is wrapped, the message is in it byte for byte."""
    message = orjson.dumps({"type": "output", "text": "a\nb\r\u2028 é 🙂"})

    for framing in (WEBSOCKET, SSE, SSE_HTTP_1_0):
        assert message in framing.encode(message, "e:7")


@pytest.mark.parametrize("text", ["", "x", "e:", ":1", "e:-1", "e:1.5", "e:٣", "e:1 ", "e f:1", "e:" + "9" * 16, None])
def test_what_is_no_cursor_of_ours_reads_as_none(text: str | None) -> None:
    """Whoever brings one gets a snapshot: nothing in a cursor can be wrong enough for an error."""
    assert parse_cursor(text) is None


def test_a_cursor_of_ours_is_read() -> None:
    """Epoch and seq, as they were given out."""
    assert parse_cursor("a1-_Z:42") == Cursor(epoch="a1-_Z", seq=42)

"""Viewers and flow control: a transport, its protocol, and a full write buffer. (Also topics and close codes.)"""

import asyncio

import pytest

from relay.hub.close_codes import protocol_error
from relay.hub.flow_control import FlowControl
from relay.hub.topic import ALL, topic_field
from relay.hub.viewer import HIGH_WATER_BYTES, Viewer
from tests.hub.fakes import FakeTransport, FakeViewer


class RecordingProtocol(asyncio.Protocol):
    """A protocol that records its callbacks."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def data_received(self, data: bytes) -> None:
        self.calls.append(data)

    def eof_received(self) -> bool:
        self.calls.append("eof")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append(exc)

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")


def test_flow_control_forwards_every_callback() -> None:
    """The protocol of the connection works as before."""
    inner = RecordingProtocol()
    full: list[bool] = []
    flow = FlowControl(inner, on_full=lambda: full.append(True), on_lost=lambda: inner.calls.append("lost"))
    error = ConnectionResetError()
    flow.data_received(b"x")
    assert flow.eof_received() is True
    flow.pause_writing()
    flow.resume_writing()
    flow.connection_lost(error)

    assert inner.calls == [b"x", "eof", "pause", "resume", "lost", error]
    assert full == [True]


def test_a_full_write_buffer_is_reported_once() -> None:
    """The next report comes after the buffer has been empty."""
    viewer = FakeViewer()
    full: list[Viewer] = []
    viewer.on_full = full.append
    viewer.transport.unread = HIGH_WATER_BYTES + 1
    viewer.send(b"{}")
    viewer.send(b"{}")
    assert full == [viewer]
    viewer.transport.unread = 0
    viewer.transport.unread = HIGH_WATER_BYTES + 1
    viewer.send(b"{}")

    assert full == [viewer, viewer]


def test_a_viewer_that_has_not_joined_a_hub_may_be_full() -> None:
    """A refused WebSocket is a viewer that never joins."""
    viewer = FakeViewer()
    viewer.transport.unread = HIGH_WATER_BYTES + 1
    viewer.send(b"{}")

    assert viewer.messages == [{}]
    assert viewer.buffered() == HIGH_WATER_BYTES + 1


def test_a_viewer_can_be_aborted() -> None:
    """Its connection is cut."""
    viewer = FakeViewer()
    viewer.abort()

    assert viewer.transport.aborted


def test_a_slow_viewer_says_so() -> None:
    """The description appears in debuggers and test failures."""
    viewer = FakeViewer()
    viewer.slow_since = 1.0

    assert repr(viewer) == "<FakeViewer sse-http-1.0 subscriptions=0 slow>"


def test_a_viewer_needs_a_streaming_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    """A datagram or buffered protocol cannot be wrapped."""
    monkeypatch.setattr(FakeTransport, "get_protocol", lambda _: asyncio.BufferedProtocol())
    with pytest.raises(TypeError, match="needs a streaming protocol, not BufferedProtocol"):
        FakeViewer()


def test_a_message_names_its_topic() -> None:
    """The field is that of the client's `subscribe`."""
    assert topic_field(("task", "t1")) == {"task": "t1"}
    assert topic_field(("tag", "shop")) == {"tag": "shop"}
    assert topic_field(ALL) == {"all": True}


def test_a_protocol_error_has_its_own_reason() -> None:
    """The reason says what the client did wrong."""
    assert (protocol_error("no JSON").code, protocol_error("no JSON").reason) == (4505, "no JSON")

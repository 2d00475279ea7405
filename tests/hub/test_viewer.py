"""Viewers: a full write buffer, and the loss of the connection. (Also topics and close codes.)"""

from relay.hub.close_codes import protocol_error
from relay.hub.topic import ALL, topic_field
from relay.hub.viewer import HIGH_WATER_BYTES, Viewer
from tests.hub.fakes import FakeViewer


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


def test_nothing_is_written_after_the_connection_is_lost() -> None:
    """The hub learns of the loss, and a transport without a connection is not written to or aborted."""
    viewer = FakeViewer()
    lost: list[Viewer] = []
    viewer.on_lost = lost.append
    viewer.connection_lost(None)
    viewer.send(b"{}")
    viewer.abort()

    assert lost == [viewer]
    assert viewer.gone
    assert viewer.messages == []
    assert not viewer.transport.aborted


def test_a_message_names_its_topic() -> None:
    """The field is that of the client's `subscribe`."""
    assert topic_field(("task", "t1")) == {"task": "t1"}
    assert topic_field(("tag", "shop")) == {"tag": "shop"}
    assert topic_field(ALL) == {"all": True}


def test_a_protocol_error_has_its_own_reason() -> None:
    """The reason says what the client did wrong."""
    assert (protocol_error("no JSON").code, protocol_error("no JSON").reason) == (4505, "no JSON")


def test_a_viewer_that_has_not_joined_a_hub_may_lose_its_connection() -> None:
    """There is no hub to learn of it, and nothing is written any more."""
    viewer = FakeViewer()
    viewer.connection_lost(None)
    viewer.send(b"{}")

    assert viewer.gone
    assert viewer.messages == []

"""Cursors as they come from clients."""

import pytest

from relay.hub.cursor import Cursor, parse_cursor


@pytest.mark.parametrize("text", ["", "x", "e:", ":1", "e:-1", "e:1.5", "e:٣", "e:1 ", "e f:1", "e:" + "9" * 16, None])
def test_a_malformed_cursor_parses_as_none(text: str | None) -> None:
    """It is not an error: its viewer starts with a snapshot."""
    assert parse_cursor(text) is None


def test_a_cursor_has_an_epoch_and_a_seq() -> None:
    """This is the form in which the relay sends them."""
    assert parse_cursor("a1-_Z:42") == Cursor(epoch="a1-_Z", seq=42)

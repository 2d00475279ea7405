"""Events and snapshots as JSON. Round trips of all shapes are in test_lifecycle.py and journal/test_entries.py."""

import pytest

from relay.core.codec import decode_event, decode_snapshot


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"type":"start"}',
        b'{"type":"landing","task":"t","seq":1,"state":"running","at":1,"source":"live","data":{}}',
        b'{"type":"start","task":"t","seq":1,"state":"flying","at":1,"source":"live","data":{}}',
        b'{"type":"hold","task":"t","seq":1,"state":"held","at":1,"source":"relay","data":{"reason":7}}',
    ],
)
def test_what_is_not_an_event_is_a_value_error(body: bytes) -> None:
    """Damaged JSON, unknown types and states, missing fields and wrong types."""
    with pytest.raises(ValueError, match=r"."):
        decode_event(body)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id":"t"}'])
def test_what_is_not_a_snapshot_is_a_value_error(body: bytes) -> None:
    """Damaged JSON and missing fields."""
    with pytest.raises(ValueError, match=r"."):
        decode_snapshot(body)

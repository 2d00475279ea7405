"""Events and snapshots as JSON. Round trips of all shapes are in test_lifecycle.py and journal/test_entries.py."""

from dataclasses import replace

import pytest

from relay.core.codec import decode_event, decode_snapshot
from relay.core.events import Event, Source, State, Submit
from relay.core.snapshot import apply, begin


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"type":"start"}',
        b'{"type":7,"task":"t","state":"running","at":1,"source":"live","data":{}}',
        b'{"type":"start","task":"t","seq":1,"state":"flying","at":1,"source":"live","data":{}}',
        b'{"type":"hold","task":"t","seq":1,"state":"held","at":1,"source":"relay","data":{"reason":7}}',
    ],
)
def test_what_is_not_an_event_is_a_value_error(body: bytes) -> None:
    """Damaged JSON, unknown states, missing fields and wrong types."""
    with pytest.raises(ValueError, match=r"."):
        decode_event(body)


def test_an_event_of_a_later_version_changes_only_the_position_and_the_state() -> None:
    """During a rolling deploy, another node may already write it."""
    submit = Submit(model="o/m", provider="wiro", tags=())
    first = Event(type="submit", task="t", seq=1, state=State.SUBMITTING, at=1, source=Source.RELAY, data=submit)
    later = b'{"type":"landing","task":"t","seq":2,"state":"running","at":2,"source":"live","data":{"place":"moon"}}'
    before = begin(first, "e")
    after = apply(before, decode_event(later))

    assert after == replace(before, seq=2, state=State.RUNNING, updated_at=2)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id":"t"}'])
def test_what_is_not_a_snapshot_is_a_value_error(body: bytes) -> None:
    """Damaged JSON and missing fields."""
    with pytest.raises(ValueError, match=r"."):
        decode_snapshot(body)

"""What a viewer of the status sees (relay/core/status_view.py), and that it folds like any other viewer."""

import json
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from relay.core.codec import decode_event, encode_event, encode_snapshot
from relay.core.events import (
    Cost,
    Data,
    Done,
    Event,
    Fault,
    Hold,
    Log,
    LogOutput,
    Source,
    Stall,
    State,
    Submit,
    Submitted,
)
from relay.core.snapshot import begin, fold
from relay.core.status_view import status_event, status_message, status_snapshot
from tests.core.test_vectors import VECTORS, expand

SECRET = "SECRET"
DATA: tuple[Data, ...] = (
    Submit(model=f"{SECRET}/m", provider=SECRET, tags=("u",), title="shown"),
    Hold(reason=SECRET, position=3),
    Submitted(upstream_id=SECRET),
    LogOutput(log=Log(stream="stderr", text=SECRET)),
    Stall(silent_s=9.0, checked=SECRET),
    Done(
        verdict="failed",
        exit_code=77,
        cost=Cost(amount=0.77, unit="usd"),
        evidence=(SECRET,),
        warnings=(SECRET,),
        error=Fault(code=SECRET, message=SECRET),
        elapsed_s=3.0,
    ),
)
TYPES = ("submit", "hold", "submitted", "output", "stall", "done")


def log() -> list[Event]:
    return [
        Event(type=kind, task="t", seq=seq, state=State.FAILED, at=1.0 + seq, source=Source.LIVE, data=data)
        for seq, (kind, data) in enumerate(zip(TYPES, DATA, strict=True), 1)
    ]


def test_nothing_else_is_shown() -> None:
    """In events, in states, and in messages of the relay. What is not about a task passes as it is."""
    events = log()
    first, *rest = events
    for count in range(len(rest) + 1):
        state = fold(begin(first, "e"), rest[:count])
        message = b'{"type":"snapshot","task":%b,"at":5.5}' % encode_snapshot(state)
        assert SECRET in message.decode()
        shown = status_message(message)
        assert SECRET not in shown.decode()
        assert orjson.loads(shown) == {
            "type": "snapshot",
            "task": orjson.loads(encode_snapshot(status_snapshot(state))),
            "at": 5.5,
        }
    assert (state.title, state.tags) == (status_snapshot(state).title, status_snapshot(state).tags)
    for event in events:
        shown = status_message(encode_event(event))
        assert SECRET not in shown.decode()
        assert b"77" not in shown
        assert (orjson.loads(shown)["seq"], orjson.loads(shown)["type"]) == (event.seq, event.type)
    for other in (b'{"type":"listed","tag":"u"}', b'{"type":"resumed","task":"t","seq":3,"events":2,"at":1}'):
        assert status_message(other) == other
    later = b'{"type":"later","task":"t","seq":7,"state":"running","at":1,"source":"live","data":{"x":"SECRET"}}'
    assert SECRET not in status_message(later).decode(), "what an unknown event says is left out"


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_the_events_fold_into_what_is_shown_of_the_state(path: Path) -> None:
    """Except the log, which has empty texts in the fold."""
    vector = expand(json.loads(path.read_text(encoding="utf-8")))
    if "events" not in vector:
        return
    events = [decode_event(orjson.dumps(event)) for event in vector["events"]]
    whole = fold(begin(events[0], "e"), events[1:])
    shown = [status_event(event) for event in events]
    folded = fold(begin(shown[0], "e"), shown[1:])
    assert all(not entry.text for entry in folded.log)
    assert replace(folded, log=()) == status_snapshot(whole)

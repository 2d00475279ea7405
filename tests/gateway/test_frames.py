"""Snapshots and events as Wiro's entries and frames, without a relay: frames.py and entry.py."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.codec import decode_event
from relay.core.events import Stage, State
from relay.core.snapshot import begin, fold
from relay.gateway.entry import entry, exit_code, status
from relay.gateway.frames import Frames
from tests.core.test_vectors import VECTORS, expand

LOGS = [
    vector for path in VECTORS if "events" in (vector := expand(json.loads(Path(path).read_text(encoding="utf-8"))))
]


@given(st.sampled_from(LOGS), st.lists(st.integers(0, 40), max_size=4), st.booleans())
def test_however_a_log_is_divided_the_same_stages_and_texts_arrive(
    vector: dict[str, Any], cuts: list[int], missed: bool
) -> None:
    """Each stage comes once and in order, unless a later one was known before it; one frame is the last one."""
    events = [decode_event(orjson.dumps(event)) for event in vector["events"]]
    first = begin(events[0], vector["epoch"])
    frames = Frames("token")
    sent = [*frames.of_state(first)]
    edges = sorted({0, *(min(cut, len(events)) for cut in cuts), len(events)})
    for start, end in pairwise(edges):
        sent += frames.of_events(events[max(0, start - 2) : end])  # some of them come twice
    last = fold(first, events[1:])
    if missed:
        sent += [] if frames.ended else frames.of_state(last)

    stages = [frame["type"] for frame in sent if frame["message"] is None and frame["type"] != "task_cancel"]
    in_order = [f"task_{stage}" for stage in Stage if stage in {reached.type for reached in last.stages}]
    known = [f"task_{event.type}" for event in events if event.type in {*Stage}]
    late = {name for place, name in enumerate(known) if {*in_order[in_order.index(name) + 1 :]} & {*known[:place]}}
    assert stages == [name for name in in_order if name in stages]
    assert {*in_order} - {*stages} - {"task_postprocess_end"} <= late
    assert frames.ended is last.state.ended
    assert [frame for frame in sent if frame.get("terminal")] == (sent[-1:] if last.state.ended else [])
    assert all(frame["id"] == last.id and frame["tasktoken"] == "token" and frame["result"] is True for frame in sent)
    assert orjson.loads(orjson.dumps(sent)) is not None


@pytest.mark.parametrize("vector", LOGS, ids=lambda vector: vector["about"][:40])
def test_an_entry_says_what_the_verdict_says(vector: dict[str, Any]) -> None:
    """Clients take an exit code of 0 for success, and a final status for the end."""
    events = [decode_event(orjson.dumps(event)) for event in vector["events"]]
    state = fold(begin(events[0], vector["epoch"]), events[1:])
    task = entry(state, token="token", parameters={"prompt": "A lake."})
    assert (task["pexit"] == "0") is (state.state is State.SUCCEEDED)
    assert (task["status"] in ("task_postprocess_end", "task_cancel")) is state.state.ended
    assert (exit_code(state) == "") is (not state.state.ended or state.state is State.CANCELED)
    assert bool(task["outputs"]) <= (state.state is State.SUCCEEDED)
    assert task["parameters"] == {"prompt": "A lake."}
    assert status(state) != "task_error"
    assert state.upstream_id is None or state.upstream_id not in task.values()
    assert all(isinstance(task[name], str) for name in ("createtime", "starttime", "elapsedseconds", "totalcost"))

"""Following a task without the network."""

import json
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.client import APIError, TaskDeleted, TaskFailed
from relay.client.watching import Watch, succeeded
from relay.core.codec import decode_event, encode_snapshot
from relay.core.snapshot import Snapshot, begin, fold

VECTOR = json.loads((Path(__file__).parents[1] / "vectors" / "canceled.json").read_text(encoding="utf-8"))
EVENTS = [decode_event(orjson.dumps(event)) for event in VECTOR["events"]]
STATES = [fold(begin(EVENTS[0], VECTOR["epoch"]), EVENTS[1:count]) for count in range(1, len(EVENTS) + 1)]


def snapshot_message(state: Snapshot) -> str:
    return orjson.dumps({"type": "snapshot", "task": orjson.Fragment(encode_snapshot(state)), "at": 1.0}).decode()


def response(status: int, **body: Any) -> httpx.Response:
    return httpx.Response(
        status, json={"code": "draining", "detail": "Try later.", **body}, headers={"Retry-After": "3"}
    )


@given(st.lists(st.tuples(st.integers(0, len(STATES) - 1), st.integers(0, 3)), max_size=6))
def test_whatever_is_cut_and_repeated_the_states_go_forward(streams: list[tuple[int, int]]) -> None:
    """A stream begins with a snapshot or resumes, may repeat events, and is cut anywhere."""
    watch, seen = Watch("t"), []
    for first, repeated in [*streams, (0, 0)]:
        messages = [snapshot_message(STATES[first])] if not watch.headers else ['{"type": "resumed", "seq": 1}']
        events = VECTOR["events"] if not streams else VECTOR["events"][: first + 1 + repeated]
        messages += [json.dumps(event) for event in events]
        seen += [state for text in messages if (state := watch.receive(text)) is not None]
    assert [state.seq for state in seen] == sorted({state.seq for state in seen})
    assert all(state == STATES[state.seq - 1] for state in seen)
    assert watch.headers == {"Last-Event-ID": f"{VECTOR['epoch']}:{seen[-1].seq}"}


def test_a_watch_has_ended_with_the_last_event() -> None:
    """A new snapshot replaces the state, and messages of a later version change nothing."""
    watch = Watch("t")
    assert watch.receive('{"type": "tip", "text": "from a later version"}') is None
    assert watch.receive(json.dumps(VECTOR["events"][0])) is None  # no event comes before the first state
    assert watch.receive(snapshot_message(STATES[0])) == STATES[0]
    assert not watch.ended
    assert watch.receive(snapshot_message(STATES[-1])) == STATES[-1]
    assert watch.ended


def test_a_deletion_and_an_expired_token_end_a_watch() -> None:
    """With the reason."""
    with pytest.raises(TaskDeleted, match="task t was deleted"):
        Watch("t").receive('{"type": "deleted", "task": "t", "at": 1.0}')
    with pytest.raises(APIError, match="401 token_expired: The token has expired") as caught:
        Watch("t").receive('{"type": "error", "code": "token_expired", "detail": "The token has expired."}')
    assert caught.value.code == "token_expired"


def test_a_temporary_refusal_is_waited_for_and_another_is_final() -> None:
    """As long as the relay asks for, once."""
    watch = Watch("t")
    watch.refused(response(503))
    assert watch.delay_s() >= 3.0
    assert watch.delay_s() < 3.0
    with pytest.raises(APIError, match="404 not_found"):
        watch.refused(response(404, code="not_found"))


def test_an_unreachable_relay_is_waited_for_and_a_wrong_address_is_not() -> None:
    """A watch of a long job survives a restart."""
    watch = Watch("t")
    watch.interrupted(httpx.ConnectError("refused"))
    with pytest.raises(httpx.UnsupportedProtocol):
        watch.interrupted(httpx.UnsupportedProtocol("no scheme"))


def test_only_a_task_that_succeeded_has_a_result() -> None:
    """Otherwise the state is in the exception."""
    with pytest.raises(TaskFailed, match="has ended in `canceled`: canceled") as caught:
        succeeded(STATES[-1])
    assert caught.value.snapshot == STATES[-1]

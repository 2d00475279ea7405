"""
What a viewer of a task's status sees: its state, progress and results, but neither its log nor its cost, model,
provider or evidence. Pure.

Every event stays, with its `seq`: only what it says is left out. So a status viewer resumes and folds like any other.
"""

from dataclasses import replace
from typing import Final

import orjson

from relay.core.codec import decode_event, decode_snapshot, encode_event, encode_snapshot
from relay.core.events import Data, Done, Event, Fault, Hold, Log, LogOutput, Stall, Submit, Submitted
from relay.core.snapshot import Snapshot

FAILED: Final = Fault(code=None, message="The task failed.")


def status_snapshot(state: Snapshot) -> Snapshot:
    """Return a state without what only full viewers see. Texts that are left out are empty."""
    return replace(
        state,
        provider="",
        model="",
        upstream_id=None if state.upstream_id is None else "",
        log=(),
        log_dropped=0,
        hold=None if state.hold is None else replace(state.hold, reason=""),
        stall=None if state.stall is None else replace(state.stall, checked=""),
        done=None if state.done is None else _done(state.done),
    )


def status_event(event: Event) -> Event:
    """Return an event without what only full viewers see. The text of a log is empty, and its place is not given."""
    return replace(event, data=_data(event.data))


def status_message(message: bytes) -> bytes:
    """Return a message of the relay, as JSON, without what only full viewers see."""
    raw = orjson.loads(message)
    if "seq" in raw and "data" in raw:
        return encode_event(status_event(decode_event(message)))
    if raw["type"] == "snapshot":
        state = status_snapshot(decode_snapshot(orjson.dumps(raw["task"])))
        return b'{"type":"snapshot","task":%b,"at":%b}' % (encode_snapshot(state), orjson.dumps(raw["at"]))
    return message


def _data(data: Data) -> Data:
    match data:
        case Submit():
            return replace(data, provider="", model="")
        case Hold():
            return replace(data, reason="")
        case Submitted():
            return Submitted(upstream_id="")
        case LogOutput(log=log):
            return LogOutput(log=Log(stream=log.stream, text=""))
        case Stall():
            return replace(data, checked="")
        case Done():
            return _done(data)
        case _:
            return data


def _done(done: Done) -> Done:
    return Done(
        verdict=done.verdict,
        elapsed_s=done.elapsed_s,
        inferred=done.inferred,
        error=None if done.error is None else FAILED,
    )

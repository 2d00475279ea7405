"""The vectors of the fold, shared by Python and JavaScript (tests/vectors/README.md)."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from relay.core.codec import EVENT_TYPES, decode_event, decode_snapshot, encode_snapshot
from relay.core.snapshot import Snapshot, apply, begin, fold

VECTORS = sorted((Path(__file__).parents[1] / "vectors").glob("*.json"))


def expand(value: Any) -> Any:
    """Write out each `{"$repeat": [text, times, …]}`."""
    match value:
        case {"$repeat": parts}:
            return "".join(text * times for text, times in zip(parts[::2], parts[1::2], strict=True))
        case dict():
            return {key: expand(inner) for key, inner in value.items()}
        case list():
            return [expand(inner) for inner in value]
        case _:
            return value


def after(snapshot: Snapshot | None, message: dict[str, Any]) -> Snapshot | None:
    """Return the state of a viewer in Python after `message`."""
    if message["type"] == "snapshot":
        return decode_snapshot(orjson.dumps(message["task"]))
    if message["type"] not in EVENT_TYPES or snapshot is None:
        return snapshot
    return apply(snapshot, decode_event(orjson.dumps(message)))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_the_fold_gives_the_snapshot_of_each_vector(path: Path) -> None:
    """Python folds every shared vector into exactly its snapshot."""
    vector = expand(json.loads(path.read_text(encoding="utf-8")))
    if "events" in vector:
        first, *rest = [decode_event(orjson.dumps(event)) for event in vector["events"]]
        state: Snapshot | None = fold(begin(first, vector["epoch"]), rest)
    else:
        state = decode_snapshot(orjson.dumps(vector["start"])) if vector["start"] else None
        for message in vector["messages"]:
            state = after(state, message)
    assert state is not None
    assert orjson.loads(encode_snapshot(state)) == vector["snapshot"]


def test_there_are_vectors() -> None:
    """With a wrong path the test above would pass without a vector."""
    assert len(VECTORS) >= 10

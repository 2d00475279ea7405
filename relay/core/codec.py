"""
Events and snapshots as JSON: the form in which a journal stores them and viewers receive them.

An event is encoded once, when it is committed; its bytes are then passed on unchanged.
"""

from typing import Any, Final

import orjson
from pydantic import TypeAdapter

from relay.core.events import (
    Began,
    Cancel,
    Done,
    Event,
    Hold,
    OutputData,
    Remaining,
    Results,
    Source,
    Stage,
    Stall,
    State,
    Submit,
    Submitted,
    Unknown,
)
from relay.core.snapshot import Snapshot

DATA_BY_TYPE: Final[dict[str, TypeAdapter[Any]]] = {
    "submit": TypeAdapter(Submit),
    "hold": TypeAdapter(Hold),
    "submitted": TypeAdapter(Submitted),
    **{stage.value: TypeAdapter(Began) for stage in Stage},
    "output": TypeAdapter(OutputData | Results),
    "postprocess_end": TypeAdapter(Results),
    "cancel": TypeAdapter(Cancel),
    "stall": TypeAdapter(Stall),
    "stall_end": TypeAdapter(Stall),
    "done": TypeAdapter(Done),
}
"""The shape of `data` for each type of event."""

_SNAPSHOT: Final = TypeAdapter(Snapshot)
_ETA: Final = TypeAdapter(Remaining)
_NO_ETA: Final = b',"eta":null}'
"""How an event without an estimate ends, as a dataclass: `eta` is its last field."""

EVENT_TYPES: Final = tuple(DATA_BY_TYPE)


def encode_event(event: Event) -> bytes:
    """Encode an event as JSON. Most events have no estimate, and do not spend bytes on it."""
    body = orjson.dumps(event)
    return body if event.eta is not None else body[: -len(_NO_ETA)] + b"}"


def decode_event(body: bytes) -> Event:
    """
    Decode the JSON of an event. Of a type that this version does not know, the data is left out.

    Raises:
        ValueError: `body` is not the JSON of an event.
    """
    raw = orjson.loads(body)
    try:
        shape, eta = DATA_BY_TYPE.get(raw["type"]), raw.get("eta")
        return Event(
            type=raw["type"],
            task=raw["task"],
            seq=raw["seq"],
            state=State(raw["state"]),
            at=raw["at"],
            source=Source(raw["source"]),
            data=Unknown() if shape is None else shape.validate_python(raw["data"]),
            eta=None if eta is None else _ETA.validate_python(eta),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an event: {error!r}") from error


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Encode a snapshot as JSON."""
    return orjson.dumps(snapshot)


def decode_snapshot(body: bytes) -> Snapshot:
    """
    Decode the JSON of a snapshot.

    Raises:
        ValueError: `body` is not the JSON of a snapshot.
    """
    return _SNAPSHOT.validate_json(body)

"""
What webhooks say: which events of a log lead to one, and its body.

A webhook carries the state of the task right after its event, however many events were committed at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal, get_args

import orjson

from relay.core.events import Done, Event, Results, Stage, Submitted
from relay.core.snapshot import Snapshot, apply

WebhookType = Literal["task.started", "task.stage", "task.results", "task.done", "task.archived"]

TYPES: tuple[WebhookType, ...] = get_args(WebhookType)

_STAGES = frozenset(Stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One webhook before it is known who receives it."""

    type: str
    at: float
    """When that happened, in unix seconds."""
    key: str
    """Distinguishes it from the other webhooks of the task with the same type."""
    snapshot: Snapshot
    """The task's state at that moment."""

    def body(self) -> bytes:
        """Return what is sent. The state has no log and no segments, which can be large."""
        timestamp = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        data = replace(self.snapshot, log=(), segments=())
        return orjson.dumps({"type": self.type, "timestamp": timestamp, "data": data})

    def id_for(self, url: str) -> str:
        """Return the id of this webhook for a receiver. It is the same each time."""
        parts = (self.snapshot.id, self.type, self.key, url)
        return f"msg_{sha256(orjson.dumps(parts)).hexdigest()[:32]}"


def types_of(event: Event) -> tuple[WebhookType, ...]:
    """Return the types of the webhooks that an event leads to, in order."""
    match event.data:
        case Submitted():
            return ("task.started",)
        case Done():
            return ("task.done",)
        case Results(outputs=outputs):
            stage: tuple[WebhookType, ...] = ("task.stage",) if event.type in _STAGES else ()
            return (*stage, "task.results") if outputs else stage
        case _:
            return ("task.stage",) if event.type in _STAGES else ()


def messages_of(before: Snapshot, events: Sequence[Event]) -> Iterator[Message]:
    """
    Yield the webhooks that events lead to, in order.

    Args:
        before: the state before the first of them.
        events: consecutive events of its log.
    """
    types = [types_of(event) for event in events]
    if not any(types):  # as in most commits, which have output: no state is needed
        return
    state = before
    for event, kinds in zip(events, types, strict=True):
        state = apply(state, event)
        for kind in kinds:
            yield Message(type=kind, at=event.at, key=str(event.seq), snapshot=state)

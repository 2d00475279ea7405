"""
Which state follows which: everything that decides it stands here, and nothing else does.

Stages may come in any order (generations of the upstream differ in it), so the state is the furthest that was seen.
It never goes back, but for `submitting` and `held`, which a task leaves for good when the upstream takes it.
"""

from collections.abc import Mapping
from typing import Final

from relay.core.events import State

_ENTERS: Final[Mapping[str, State]] = {
    "submitted": State.QUEUED,
    "queue": State.QUEUED,
    "accept": State.PREPARING,
    "preprocess_start": State.PREPARING,
    "preprocess_end": State.PREPARING,
    "assign": State.PREPARING,
    "start": State.RUNNING,
    "output": State.RUNNING,
    "end": State.FINISHING,
    "postprocess_start": State.FINISHING,
    "postprocess_end": State.FINISHING,
    "cancel": State.SUBMITTING,
    "stall": State.SUBMITTING,
    "stall_end": State.SUBMITTING,
}
"""The least state that a task is in after an event of this type."""

RELEASE: Final = "release"
"""What a `hold` at position 0 is here: the task leaves the line to be submitted again."""

_RANK: Final = {state: rank for rank, state in enumerate(State)}
_OPEN: Final = tuple(state for state in State if not state.ended)

TRANSITIONS: Final[Mapping[tuple[State, str], State]] = {
    **{(state, name): max(state, least, key=_RANK.__getitem__) for state in _OPEN for name, least in _ENTERS.items()},
    # A task waits for a place only until the upstream has taken it.
    (State.SUBMITTING, "hold"): State.HELD,
    (State.HELD, "hold"): State.HELD,
    (State.HELD, RELEASE): State.SUBMITTING,
    # A verdict may come at any moment, once: no row begins in an ended state.
    **{(state, verdict.value): verdict for state in _OPEN for verdict in State if verdict.ended},
}
"""
(state, trigger) -> the state after it. No row: the event cannot happen.

A trigger is the event's type; for `done` it is the verdict, and for a `hold` at position 0 it is RELEASE.
"""

"""
The state machine of a task.

Stages can arrive in any order (it differs between generations of Wiro's models), so the state is the most advanced one
that was reached. It never goes back, except from `held` to `submitting` before the platform has accepted the task.
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
"""The least advanced state that a task can be in after an event of this type."""

RELEASE: Final = "release"
"""The trigger of a `hold` at position 0: the task leaves the queue to be submitted again."""

_RANK: Final = {state: rank for rank, state in enumerate(State)}
_OPEN: Final = tuple(state for state in State if not state.ended)

TRANSITIONS: Final[Mapping[tuple[State, str], State]] = {
    **{(state, name): max(state, least, key=_RANK.__getitem__) for state in _OPEN for name, least in _ENTERS.items()},
    # A task is queued only until the platform has accepted it.
    (State.SUBMITTING, "hold"): State.HELD,
    (State.HELD, "hold"): State.HELD,
    (State.HELD, RELEASE): State.SUBMITTING,
    # A verdict can come in any state, once: no row starts in an ended state.
    **{(state, verdict.value): verdict for state in _OPEN for verdict in State if verdict.ended},
}
"""
(state, trigger) -> the next state. An event without a row cannot happen.

The trigger is the type of the event, except for `done`, where it is the verdict, and for a `hold` at position 0, where
it is RELEASE.
"""

"""The state machine, row by row."""

from relay.core.events import STAGE_ORDER, Stage, State
from relay.core.transitions import RELEASE, TRANSITIONS

RANK = {state: rank for rank, state in enumerate(State)}


def test_no_row_leads_back() -> None:
    """The state only advances, except for a task that leaves the queue to be submitted again."""
    for (before, trigger), after in TRANSITIONS.items():
        if trigger == RELEASE:
            assert (before, after) == (State.HELD, State.SUBMITTING)
            continue
        assert RANK[after] >= RANK[before], (before, trigger)


def test_no_row_starts_in_an_ended_state() -> None:
    """Nothing can happen after `done`."""
    assert not [row for row in TRANSITIONS if row[0].ended]


def test_every_open_state_can_end_in_every_verdict() -> None:
    """A verdict can come at any time."""
    for state in State:
        if not state.ended:
            for verdict in ("succeeded", "failed", "canceled", "lost"):
                assert TRANSITIONS[state, verdict] == verdict


def test_a_task_is_held_only_before_the_platform_accepts_it() -> None:
    """`hold` has rows for `submitting` and `held` only."""
    assert {state for state, trigger in TRANSITIONS if trigger == "hold"} == {State.SUBMITTING, State.HELD}


def test_every_stage_enters_its_state() -> None:
    """The list of docs/protocol.md, written out."""
    entered = {stage: TRANSITIONS[State.SUBMITTING, stage] for stage in Stage}
    assert entered == {
        Stage.QUEUE: State.QUEUED,
        Stage.ACCEPT: State.PREPARING,
        Stage.PREPROCESS_START: State.PREPARING,
        Stage.PREPROCESS_END: State.PREPARING,
        Stage.ASSIGN: State.PREPARING,
        Stage.START: State.RUNNING,
        Stage.END: State.FINISHING,
        Stage.POSTPROCESS_START: State.FINISHING,
        Stage.POSTPROCESS_END: State.FINISHING,
    }
    assert list(entered) == sorted(entered, key=STAGE_ORDER.__getitem__)

"""What must never happen, and what must always remain possible."""

from relay.core.events import State
from tests.cluster.model.protocol import Cluster


def double_send(state: Cluster) -> bool:
    """Return whether the platform has started more than one run for the idempotency key, of one task or of several."""
    return sum(state.runs) > 1


def stray_run(state: Cluster) -> bool:
    """Return whether the relay has lost, ended or queued a task whose run the platform has started."""
    attended = (State.SUBMITTING, State.QUEUED)
    heads = state.primary.heads
    return any(
        runs and (head is None or head.state not in attended) for runs, head in zip(state.runs, heads, strict=True)
    )


def all_runs_known(state: Cluster) -> bool:
    """Return whether the relay has the answer to every run that the platform has started."""
    heads = state.primary.heads
    return all(not runs or (head and head.state is State.QUEUED) for runs, head in zip(state.runs, heads, strict=True))

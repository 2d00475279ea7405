"""What the log says about a task that has ended, in one line."""

from collections.abc import Mapping
from itertools import pairwise

from relay.core.snapshot import Snapshot


def end_line(snapshot: Snapshot, started_by: str) -> Mapping[str, object]:
    """
    Return the facts about a task that has ended, as keywords of a log line.

    `stages_s` has how long each stage took until the next one that is known, in seconds, and under `submit` the time
    before the first one.

    Args:
        snapshot: the task's last state.
        started_by: the name of the API key that has started it.
    """
    done = snapshot.done
    if done is None:
        return {}
    ended_at = snapshot.updated_at if snapshot.ended_at is None else snapshot.ended_at
    marks = [("submit", snapshot.created_at), *((mark.type.value, mark.at) for mark in snapshot.stages), ("", ended_at)]
    facts: dict[str, object] = {
        "model": snapshot.model,
        "verdict": done.verdict,
        "inferred": done.inferred,
        "duration_s": round(ended_at - snapshot.created_at, 3),
        "stages_s": {name: round(later - at, 3) for (name, at), (_, later) in pairwise(marks)},
        "seq": snapshot.seq,
        "key": started_by,
    }
    if done.elapsed_s is not None:
        facts["elapsed_s"] = done.elapsed_s
    if done.cost is not None:
        facts |= {"cost": done.cost.amount, "cost_unit": done.cost.unit}
    return facts

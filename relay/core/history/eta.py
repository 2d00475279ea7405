"""
How long the whole task still needs, as a range.

There are two estimates. One uses the remaining times of earlier runs that lasted at least as long as this one
(`history`). The other extrapolates the percentage, corrected by its error in earlier runs at this point (`blend`), or
uncorrected if there are none (`platform`). The one with the narrower range is used.
"""

import math
from typing import Final

from relay.core.events import STAGE_ORDER, Basis, Remaining, Stage, State
from relay.core.history.tally import PACES, SPANS
from relay.core.history.usual import Usual
from relay.core.snapshot import Snapshot

OVERDUE: Final = 0.1, 0.5
"""The range of a task that has lasted longer than all earlier runs, as shares of the time that it has taken."""

UNCORRECTED: Final = 1.5
"""The upper end of a range by an uncorrected percentage, as a multiple of the lower end."""

_ENTERED_BY: Final = {
    Stage.QUEUE: State.QUEUED,
    Stage.ACCEPT: State.PREPARING,
    Stage.PREPROCESS_START: State.PREPARING,
    Stage.PREPROCESS_END: State.PREPARING,
    Stage.ASSIGN: State.PREPARING,
    Stage.START: State.RUNNING,
    Stage.END: State.FINISHING,
    Stage.POSTPROCESS_START: State.FINISHING,
}


def state_times(snapshot: Snapshot) -> dict[State, float]:
    """Return when each state began that a stage has announced."""
    times: dict[State, float] = {}
    for mark in sorted(snapshot.stages, key=lambda mark: STAGE_ORDER[mark.type]):
        if (state := _ENTERED_BY.get(mark.type)) is not None:
            times.setdefault(state, mark.at)
    return times


def time_left(snapshot: Snapshot, usual: Usual, now: float, sent_at: float) -> Remaining | None:
    """
    Return how long a task still needs; null if that is not known.

    Args:
        snapshot: the state of a task that has not ended.
        usual: what is usual for its input.
        now: unix seconds.
        sent_at: when its run was sent, if it was.
    """
    if snapshot.state is State.HELD:
        return _while_held(snapshot, usual, now)
    times = state_times(snapshot)
    by_history = _by_history(snapshot.state, times, usual, now, sent_at)
    by_pace = _by_pace(snapshot, times, usual, now)
    if by_history is None or by_pace is None:
        return by_history or by_pace
    if by_pace.basis == "platform":
        return by_history
    return min(by_history, by_pace, key=lambda left: left.p90_s - left.p50_s)


def pace(snapshot: Snapshot, times: dict[State, float], now: float) -> tuple[float, float] | None:
    """
    Return the percentage, and how long the work takes in all if it grows as before; null if it is too low to tell.

    The work begins with the state `running`, and ends with it.
    """
    percent = None if snapshot.progress is None else snapshot.progress.percent
    began = times.get(State.RUNNING)
    if snapshot.state is not State.RUNNING or began is None or percent is None or percent < PACES[0]:
        return None
    return percent, (now - began) * 100 / percent


def _while_held(snapshot: Snapshot, usual: Usual, now: float) -> Remaining | None:
    """Return the wait in the relay's queue plus a whole run."""
    places, run = usual.get("place"), usual.get("queued")
    if snapshot.hold is None or places is None or run is None:
        return None
    position = snapshot.hold.position
    wait_s, wait_90_s = places.quantile(0.5), places.quantile(0.9)
    run_s, run_90_s = run.quantile(0.5), run.quantile(0.9)
    # The waits for the places in front of a task vary independently of its run.
    spread_s = math.hypot(position * (wait_90_s - wait_s), run_90_s - run_s)
    p50_s = position * wait_s + run_s
    return _remaining(p50_s, p50_s + spread_s, "history", min(places.samples, run.samples), now)


def _by_history(state: State, times: dict[State, float], usual: Usual, now: float, sent_at: float) -> Remaining | None:
    if state is State.SUBMITTING:
        state = State.QUEUED
    since = times.get(state, sent_at if state is State.QUEUED else None)
    found = usual.get(SPANS[state])
    if since is None or found is None:
        return None
    elapsed_s = max(0.0, now - since)
    p50, p90 = found.quantile_beyond(elapsed_s, 0.5), found.quantile_beyond(elapsed_s, 0.9)
    if p50 is None or p90 is None:
        return _remaining(OVERDUE[0] * elapsed_s, OVERDUE[1] * elapsed_s, "history", found.samples, now)
    return _remaining(p50 - elapsed_s, p90 - elapsed_s, "history", found.samples, now)


def _by_pace(snapshot: Snapshot, times: dict[State, float], usual: Usual, now: float) -> Remaining | None:
    if (found := pace(snapshot, times, now)) is None:
        return None
    percent, work_s = found
    elapsed_s = work_s * percent / 100
    errors = usual.get(f"pace{max(each for each in PACES if each <= percent):g}")
    if errors is None:
        if percent >= 100:  # a later phase may follow, which the percentage does not know of
            return None
        return _remaining(work_s - elapsed_s, UNCORRECTED * (work_s - elapsed_s), "platform", 0, now)
    p50, p90 = errors.quantile(0.5), errors.quantile(0.9)
    end_s, spread_s = max(0.0, work_s * p50 - elapsed_s), work_s * (p90 - p50)
    if (after := usual.get("finishing")) is not None:
        end_s += after.quantile(0.5)
        spread_s = math.hypot(spread_s, after.quantile(0.9) - after.quantile(0.5))
    return _remaining(end_s, end_s + spread_s, "blend", errors.samples, now)


def _remaining(p50_s: float, p90_s: float, basis: Basis, samples: float, now: float) -> Remaining:
    p50_s = max(0.0, p50_s)
    return Remaining(
        p50_s=round(p50_s, 1),
        p90_s=round(max(p50_s, p90_s), 1),
        basis=basis,
        samples=round(samples),
        at=round(now, 3),
    )

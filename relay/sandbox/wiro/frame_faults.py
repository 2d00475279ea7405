"""Disturb the frames of a task: duplicates, wrong order, missing and late frames. The record stays correct."""

from collections.abc import Iterator
from dataclasses import replace

from relay.sandbox.switches.faults import Faults
from relay.sandbox.wiro.steps import Log, Step


def disturbed(steps: list[Step], faults: Faults) -> list[Step]:
    """Return the steps with the faults applied."""
    if faults.straggler:
        steps = [*steps, replace(steps[-1], type="task_output", status=None, body=Log(text="bye\n"), recorded=False)]
    if faults.duplicate_every:
        steps = list(_with_duplicates(steps, faults.duplicate_every))
    if faults.reorder_every:
        steps = list(_reordered(steps, faults.reorder_every))
    if faults.silent:
        return [replace(step, sent=False) for step in steps]
    if faults.no_terminal:
        return [replace(step, sent=False) if step.terminal else step for step in steps]
    return steps


def _with_duplicates(steps: list[Step], every: int) -> Iterator[Step]:
    for position, step in enumerate(steps, start=1):
        yield step
        if position % every == 0:
            yield replace(step, recorded=False)


def _reordered(steps: list[Step], every: int) -> Iterator[Step]:
    """Send every n-th frame after its successor, but none after the terminal frame."""
    late: Step | None = None
    for position, step in enumerate(steps, start=1):
        if late is not None and step.terminal:
            yield replace(late, at_s=step.at_s)
            late = None
        if position % every == 0 and late is None and not step.terminal:
            yield replace(step, sent=False)
            late = replace(step, recorded=False)
            continue
        yield step
        if late is not None:
            yield replace(late, at_s=step.at_s)
            late = None
    if late is not None:
        yield late

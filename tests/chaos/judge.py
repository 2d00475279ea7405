"""Checks at the end of a chaos run: the relay's tasks against the simulated platform and what viewers received."""

import asyncio
from collections import Counter
from dataclasses import dataclass

import orjson

from relay.core.codec import decode_event, decode_snapshot, encode_snapshot
from relay.core.events import Event, Stage
from relay.core.snapshot import Snapshot, apply, begin
from relay.sandbox import RunRequest, Sandbox, Task
from tests.chaos.caller import Caller
from tests.chaos.viewers import View
from tests.chaos.workload import PlannedTask, number_of

AT_LIMIT = 96
VERDICTS = {"success": "succeeded", "failed": "failed", "canceled": "canceled"}
STAGES = {stage.value for stage in Stage}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLog:
    """A task at the end of a run: the events of its log, encoded and decoded, and the state after each."""

    snapshot: Snapshot
    entries: list[bytes]
    events: list[Event]
    folds: list[Snapshot]


async def read_log(caller: Caller, task: str) -> TaskLog:
    """Read a task's whole log and its state."""
    entries: list[bytes] = []
    after: int | None = 0
    while after is not None:
        page = orjson.loads(await caller.get(f"/v1/tasks/{task}/events", {"after": after, "limit": 40}))
        assert page["first_seq"] == 1
        entries += [orjson.dumps(event) for event in page["events"]]
        after = page["next"]
    snapshot = decode_snapshot(await caller.get(f"/v1/tasks/{task}"))
    events = [decode_event(entry) for entry in entries]
    folds = [begin(events[0], snapshot.epoch)]
    for event in events[1:]:
        folds.append(apply(folds[-1], event))
    return TaskLog(snapshot=snapshot, entries=entries, events=events, folds=folds)


async def read_ended(caller: Caller, task: str) -> TaskLog:
    """Wait for the end of a task and read its log. Without a viewer, nothing else has waited for it."""
    while decode_snapshot(await caller.get(f"/v1/tasks/{task}")).done is None:  # noqa: ASYNC110 -- another process
        await asyncio.sleep(0.2)
    return await read_log(caller, task)


async def tasks_by_tag(caller: Caller) -> dict[str, list[str]]:
    """Return the ids of all tasks by tag."""
    found: dict[str, list[str]] = {}
    cursor = ""
    while True:
        page = orjson.loads(await caller.get("/v1/tasks", {"limit": 70} | ({"cursor": cursor} if cursor else {})))
        for task in page["tasks"]:
            (tag,) = task["tags"]
            found.setdefault(tag, []).append(task["id"])
        if (cursor := page["next"]) is None:
            return found


def check_log(task: TaskLog) -> None:
    """Assert a gapless log, each stage at most once, one `done` at the end, and a state that follows from the log."""
    events, name = task.events, task.snapshot.id
    assert [event.seq for event in events] == list(range(1, len(events) + 1)), f"{name} has a gap"
    kinds = Counter(event.type for event in events)
    assert all(count == 1 for kind, count in kinds.items() if kind in STAGES), f"{name} passed a stage twice: {kinds}"
    assert kinds["done"] == 1, f"{name} ended {kinds['done']} times"
    assert events[-1].type == "done", f"{name} went on after its end"
    assert task.folds[-1] == task.snapshot, f"{name} is not the fold of its log"


def check_view(view: View, task: TaskLog) -> None:
    """Assert that every event and snapshot that a viewer received equals the log's, byte for byte."""
    assert view.ended, f"{view!r} never saw the end"
    assert view.state == task.snapshot, f"{view!r} folded something else"
    for seq, frame in view.events.items():
        assert frame == task.entries[seq - 1], f"{view!r}: seq {seq} differs from the log"
    for raw in view.snapshots:
        seq = decode_snapshot(raw).seq
        assert raw == encode_snapshot(task.folds[seq - 1]), f"{view!r}: the snapshot at {seq} is not the log's"


def check_runs(sandbox: Sandbox) -> dict[int, list[RunRequest]]:
    """Assert that no task was started twice; return the runs sent to the platform by task number."""
    runs: dict[int, list[RunRequest]] = {}
    for run in sandbox.runs:
        prompt = next(str(each.value) for each in run.fields if each.name == "prompt")
        runs.setdefault(number_of(prompt), []).append(run)
    for number, sent in runs.items():
        assert sum(run.task_id is not None for run in sent) <= 1, f"task {number} was started twice: {sent}"
    return runs


def check_task(planned: PlannedTask, made: list[TaskLog], sent: list[RunRequest], sandbox: Sandbox) -> None:
    """Assert that a planned task became one task, was sent once, and has the platform's verdict."""
    if not planned.refused:  # a refused one frees its key, so that a repeated request is a new run
        assert len(made) == 1, f"{planned} became {len(made)} tasks"
        unsure = [run for run in sent if run.refused != AT_LIMIT]
        assert len(unsure) <= 1, f"{planned} was sent again: {sent}"
        assert sent.index(unsure[0]) == len(sent) - 1 if unsure else True, f"{planned} was sent again: {sent}"
    upstream = next((sandbox.tasks[run.task_id] for run in sent if run.task_id is not None), None)
    for task in made:
        done = task.snapshot.done
        assert done is not None, f"{planned} has no end"
        if upstream is not None:
            assert upstream.verdict is not None, f"{planned} ended as {done} before it had"
            assert done.verdict == VERDICTS[upstream.verdict], f"{planned} {upstream.id}: {done}"
            check_stages(planned, task, upstream)
        else:
            assert done.verdict in _without_a_task(planned, sent), f"{planned} was never started: {done} {sent}"
            assert task.snapshot.stages == (), f"{planned} was never started"


def check_stages(planned: PlannedTask, task: TaskLog, upstream: Task) -> None:
    """Assert that the snapshot has every stage of the platform's task once."""
    passed = {stage.removeprefix("task_") for stage, _ in upstream.passed} & STAGES
    if upstream.verdict == "canceled" and "endtime" in upstream.record.times:  # a killed run has ended, too
        passed.add(Stage.END.value)
    reached = [mark.type.value for mark in task.snapshot.stages]
    # The terminal frame can be ahead of the record, and the run can be canceled in between.
    if upstream.verdict == "canceled" and upstream.faults.detail_lag_s and Stage.POSTPROCESS_END in reached:
        passed.add(Stage.POSTPROCESS_END.value)
    assert sorted(reached) == sorted(passed), f"{planned} {upstream.id}: {reached} instead of {passed}"


def _without_a_task(planned: PlannedTask, sent: list[RunRequest]) -> set[str]:
    """Return the correct verdicts of a task that the platform never started."""
    has_reason = bool(sent) and sent[-1].refused is not None
    may_be_withdrawn = {"canceled"} if planned.cancel_after_s is not None else set()
    if has_reason and sent[-1].refused != AT_LIMIT:
        # A request that was repeated after a refusal is another task, which may have been canceled in the queue.
        return {"failed", "lost"} | may_be_withdrawn if planned.refused else {"failed"}
    return {"lost"} | may_be_withdrawn

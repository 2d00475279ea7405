"""The end of a run of chaos: what the relay says, laid beside the truth of the sandbox and what viewers saw."""

from collections import Counter
from dataclasses import dataclass

import orjson

from relay.core.codec import decode_event, decode_snapshot, encode_snapshot
from relay.core.events import Event, Stage
from relay.core.snapshot import Snapshot, apply, begin
from relay.sandbox import RunRequest, Sandbox, Task
from tests.chaos.caller import Caller
from tests.chaos.viewers import Story
from tests.chaos.wishes import Wish, number_in

AT_LIMIT = 96
VERDICTS = {"success": "succeeded", "failed": "failed", "canceled": "canceled"}
STAGES = {stage.value for stage in Stage}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A task as the relay tells it in the end: the entries of its log as bytes, and the state after each of them."""

    snapshot: Snapshot
    entries: list[bytes]
    events: list[Event]
    folds: list[Snapshot]


async def told(caller: Caller, task: str) -> Told:
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
    return Told(snapshot=snapshot, entries=entries, events=events, folds=folds)


async def tasks_by_wish(caller: Caller) -> dict[str, list[str]]:
    """Return every task that the relay has, by the tag of its wish."""
    found: dict[str, list[str]] = {}
    cursor = ""
    while True:
        page = orjson.loads(await caller.get("/v1/tasks", {"limit": 70} | ({"cursor": cursor} if cursor else {})))
        for task in page["tasks"]:
            (tag,) = task["tags"]
            found.setdefault(tag, []).append(task["id"])
        if (cursor := page["next"]) is None:
            return found


def check_log(task: Told) -> None:
    """A log is gapless, every stage comes once, and `done` comes once and last; the state is the fold of it."""
    events, who = task.events, task.snapshot.id
    assert [event.seq for event in events] == list(range(1, len(events) + 1)), f"{who} has a gap"
    kinds = Counter(event.type for event in events)
    assert all(count == 1 for kind, count in kinds.items() if kind in STAGES), f"{who} passed a stage twice: {kinds}"
    assert kinds["done"] == 1, f"{who} ended {kinds['done']} times"
    assert events[-1].type == "done", f"{who} went on after its end"
    assert task.folds[-1] == task.snapshot, f"{who} is not the fold of its log"


def check_story(story: Story, task: Told) -> None:
    """What a viewer saw stands in the log, to the byte, and what it was shown is the fold of the log up to there."""
    assert story.over, f"{story!r} never saw the end"
    assert story.state == task.snapshot, f"{story!r} folded something else"
    for seq, frame in story.events.items():
        assert frame == task.entries[seq - 1], f"{story!r}: seq {seq} is another event now"
    for raw in story.snapshots:
        seq = decode_snapshot(raw).seq
        assert raw == encode_snapshot(task.folds[seq - 1]), f"{story!r} was shown what the log does not say, at {seq}"


def check_runs(sandbox: Sandbox) -> dict[int, list[RunRequest]]:
    """See that nothing was paid for twice, and return the Runs of each wish."""
    runs: dict[int, list[RunRequest]] = {}
    for run in sandbox.runs:
        prompt = next(str(each.value) for each in run.fields if each.name == "prompt")
        runs.setdefault(number_in(prompt), []).append(run)
    for number, sent in runs.items():
        assert sum(run.task_id is not None for run in sent) <= 1, f"wish {number} was started twice: {sent}"
    return runs


def check_wish(wish: Wish, made: list[Told], sent: list[RunRequest], sandbox: Sandbox) -> None:
    """A wish became one task, sent once, that ended as it truly did."""
    if not wish.refused:  # the key of a refused one is free: to ask again is to send again
        assert len(made) == 1, f"{wish} became {len(made)} tasks"
        unsure = [run for run in sent if run.refused != AT_LIMIT]
        assert len(unsure) <= 1, f"{wish} was sent again: {sent}"
        assert sent.index(unsure[0]) == len(sent) - 1 if unsure else True, f"{wish} was sent again: {sent}"
    upstream = next((sandbox.tasks[run.task_id] for run in sent if run.task_id is not None), None)
    for task in made:
        done = task.snapshot.done
        assert done is not None, f"{wish} has no end"
        if upstream is not None:
            assert upstream.verdict is not None, f"{wish} ended as {done} before it had"
            assert done.verdict == VERDICTS[upstream.verdict], f"{wish} {upstream.id}: {done}"
            check_stages(wish, task, upstream)
        else:
            assert done.verdict in _without_a_task(wish, sent), f"{wish} was never started: {done} {sent}"
            assert task.snapshot.stages == (), f"{wish} was never started"


def check_stages(wish: Wish, task: Told, upstream: Task) -> None:
    """Every stage that the upstream passed is in the snapshot, once."""
    passed = {stage.removeprefix("task_") for stage, _ in upstream.passed} & STAGES
    if upstream.verdict == "canceled" and "endtime" in upstream.record.times:  # a run that is killed has ended as well
        passed.add(Stage.END.value)
    reached = [mark.type.value for mark in task.snapshot.stages]
    assert sorted(reached) == sorted(passed), f"{wish} {upstream.id}: {reached} instead of {passed}"


def _without_a_task(wish: Wish, sent: list[RunRequest]) -> set[str]:
    """Return which verdicts are true of a wish that the upstream never started."""
    told_why = bool(sent) and sent[-1].refused is not None
    if told_why and sent[-1].refused != AT_LIMIT:
        return {"failed", "lost"} if wish.refused else {"failed"}
    may_be_withdrawn = {"canceled"} if wish.cancel_after_s is not None else set()
    return {"lost"} | may_be_withdrawn

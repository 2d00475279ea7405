"""What the simulated platforms know of a task of the load, and whether the relay's tasks match."""

from collections.abc import Sequence
from dataclasses import dataclass

from relay.core.events import State
from relay.sandbox import Sandbox, Task
from tests.chaos import judge
from tests.chaos.judge import AT_LIMIT, TaskLog
from tests.chaos.workload import number_of
from tests.soak.workload import LoadItem, Origin

JOB_VERDICTS = {"success": "succeeded", "fail": "failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A task of a platform; `verdict` is None until it has ended, `task` is None for a job of Apikley."""

    upstream_id: str
    verdict: str | None
    task: Task | None


class Platforms:
    """Everything that was sent to the platforms, by task number."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._started: dict[int, list[str]] = {}
        """The platform's tasks by task number; more than one is a run paid for twice."""
        self._unsure: dict[int, int] = {}
        """The number of runs sent, without those refused at the concurrency limit."""
        self._read_runs = self._read_jobs = 0

    def truth(self, item: LoadItem) -> Truth | None:
        """Return the platform's task for a planned task, or None if it was never started."""
        self._read()
        started = self._started.get(item.number)
        if not started:
            return None
        if item.origin is Origin.APIKLEY:
            job = self._sandbox.jobs[started[0]]
            return Truth(upstream_id=job.id, verdict=JOB_VERDICTS.get(job.state), task=None)
        task = self._sandbox.tasks[started[0]]
        verdict = None if task.verdict is None else judge.VERDICTS[task.verdict]
        return Truth(upstream_id=task.id, verdict=verdict, task=task)

    def check_sent_once(self, item: LoadItem, tasks: int) -> None:
        """Assert that at most one task was started, and that no task of the relay sent its run twice."""
        self._read()
        started = self._started.get(item.number, [])
        assert len(started) <= 1, f"{item} was started {len(started)} times: {started}"
        sent = self._unsure.get(item.number, 0)
        assert sent <= tasks, f"{item} was sent {sent} times by {tasks} tasks"

    @property
    def received(self) -> int:
        """The number of runs received by both platforms."""
        self._read()
        return self._read_runs + self._read_jobs

    def _read(self) -> None:
        runs, jobs = self._sandbox.runs, self._sandbox.created
        for run in runs[self._read_runs :]:
            prompt = next(str(field.value) for field in run.fields if field.name == "prompt")
            self._note(prompt, run.task_id, at_limit=run.refused == AT_LIMIT)
        for job in jobs[self._read_jobs :]:
            assert isinstance(job.body, dict)
            self._note(str(job.body["input"]["prompt"]), job.job_id, at_limit=False)
        self._read_runs, self._read_jobs = len(runs), len(jobs)

    def _note(self, prompt: str, started: str | None, *, at_limit: bool) -> None:
        number = number_of(prompt)
        if started is not None:
            self._started.setdefault(number, []).append(started)
        if not at_limit:
            self._unsure[number] = self._unsure.get(number, 0) + 1


def unknowable(item: LoadItem, task: TaskLog) -> bool:
    """
    Return whether the relay cannot know the outcome of a run.

    Apikley has no list of jobs: if both the answer to createTask and the callback are lost, nothing tells it.
    """
    return item.origin is Origin.APIKLEY and all(event.type != "submitted" for event in task.events)


def check_item(item: LoadItem, made: Sequence[TaskLog], platforms: Platforms) -> None:
    """
    Assert that the relay's tasks for a planned task match the platform's.

    There may be several: if the platform could not be reached, a start is refused, its task has failed, and the caller
    has tried again.
    """
    assert made, f"{item} has no task"
    truth = platforms.truth(item)
    platforms.check_sent_once(item, len(made))
    theirs = [task for task in made if truth is not None and task.snapshot.upstream_id == truth.upstream_id]
    for task in made:
        verdict = task.snapshot.state
        assert task.snapshot.done is not None, f"{item} has not ended: {task.snapshot}"
        if task not in theirs:
            assert task.snapshot.upstream_id is None, f"{item} is said to be {task.snapshot.upstream_id}: {truth}"
            assert verdict in (State.FAILED, State.CANCELED, State.LOST), f"{item} was never started: {verdict}"
    if truth is None:
        return
    if not theirs:
        lost = [task for task in made if task.snapshot.state is State.LOST]
        assert any(unknowable(item, task) for task in lost), f"{item}: the platform has {truth}, and no task is it"
        return
    (task,) = theirs
    assert task.snapshot.state == truth.verdict, f"{item}: {task.snapshot.done}, but in truth {truth}"
    if truth.task is not None:
        judge.check_stages(item.planned, task, truth.task)

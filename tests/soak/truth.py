"""What the simulated platforms know of an order, and whether the relay's tasks say the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from relay.core.events import State
from relay.sandbox import Sandbox, Task
from tests.chaos import judge
from tests.chaos.judge import AT_LIMIT, Told
from tests.chaos.wishes import number_in
from tests.soak.orders import Order, Way

JOB_VERDICTS = {"success": "succeeded", "fail": "failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A task of a platform. `verdict` is null while it has not ended, `task` null for a job of Apikley."""

    upstream_id: str
    verdict: str | None
    task: Task | None


class Platforms:
    """Everything that was sent to the platforms, by the number of its order."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._started: dict[int, list[str]] = {}
        """The tasks that were started for an order. More than one is a run that was paid for twice."""
        self._unsure: dict[int, int] = {}
        """How many runs were sent for an order, but for those that the platform refused for lack of room."""
        self._read_runs = self._read_jobs = 0

    def truth(self, order: Order) -> Truth | None:
        """Return what became of an order; null when no platform has started it."""
        self._read()
        started = self._started.get(order.number)
        if not started:
            return None
        if order.way is Way.APIKLEY:
            job = self._sandbox.jobs[started[0]]
            return Truth(upstream_id=job.id, verdict=JOB_VERDICTS.get(job.state), task=None)
        task = self._sandbox.tasks[started[0]]
        verdict = None if task.verdict is None else judge.VERDICTS[task.verdict]
        return Truth(upstream_id=task.id, verdict=verdict, task=task)

    def check_sent_once(self, order: Order, tasks: int) -> None:
        """See that an order was paid for once at most, and that no task of the relay sent its run twice."""
        self._read()
        started = self._started.get(order.number, [])
        assert len(started) <= 1, f"{order} was started {len(started)} times: {started}"
        sent = self._unsure.get(order.number, 0)
        assert sent <= tasks, f"{order} was sent {sent} times by {tasks} tasks"

    @property
    def received(self) -> int:
        """How many runs were received, on both platforms."""
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
        number = number_in(prompt)
        if started is not None:
            self._started.setdefault(number, []).append(started)
        if not at_limit:
            self._unsure[number] = self._unsure.get(number, 0) + 1


def unknowable(order: Order, task: Told) -> bool:
    """
    Say whether the relay could not know what became of a run.

    Apikley has no list of its jobs: where the answer to createTask is lost, and the callback as well, nothing tells.
    """
    return order.way is Way.APIKLEY and all(event.type != "submitted" for event in task.events)


def check_order(order: Order, made: Sequence[Told], platforms: Platforms) -> None:
    """
    See that the tasks that were made for an order say what is true.

    There may be more than one: where the platform could not be reached, the start was refused, its task has failed, and
    the caller tried again.
    """
    assert made, f"{order} has no task"
    truth = platforms.truth(order)
    platforms.check_sent_once(order, len(made))
    theirs = [task for task in made if truth is not None and task.snapshot.upstream_id == truth.upstream_id]
    for task in made:
        verdict = task.snapshot.state
        assert task.snapshot.done is not None, f"{order} has not ended: {task.snapshot}"
        if task not in theirs:
            assert task.snapshot.upstream_id is None, f"{order} is said to be {task.snapshot.upstream_id}: {truth}"
            assert verdict in (State.FAILED, State.CANCELED, State.LOST), f"{order} was never started: {verdict}"
    if truth is None:
        return
    if not theirs:
        lost = [task for task in made if task.snapshot.state is State.LOST]
        assert any(unknowable(order, task) for task in lost), f"{order}: the platform has {truth}, and no task is it"
        return
    (task,) = theirs
    assert task.snapshot.state == truth.verdict, f"{order}: {task.snapshot.done}, but in truth {truth}"
    if truth.task is not None:
        judge.check_stages(order.wish, task, truth.task)

"""
Plan a task before it starts: a list of timed steps.

Plans are pure and seeded: the same task and seed give the same plan. Switches that change the course of a task are
applied here, those that disturb the order of its frames in `frame_faults`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from relay.sandbox.wiro import chat
from relay.sandbox.wiro.frame_faults import disturbed
from relay.sandbox.wiro.models import Phase
from relay.sandbox.wiro.record import Identity
from relay.sandbox.wiro.steps import Answer, Body, FullLog, Log, Odd, Outputs, Progress, Step

_STDERR = (
    "UserWarning: Some weights were not initialized from the model checkpoint\n",
    "FutureWarning: `torch_dtype` is deprecated, use `dtype` instead\n",
    "WARNING: xFormers not available, falling back to attention slicing\n",
    "libpng warning: iCCP: known incorrect sRGB profile\n",
)
_TRACEBACK = (
    "Traceback (most recent call last):\n",
    '  File "run.py", line 214, in <module>\n    image = pipeline(prompt, steps=steps)\n',
    "RuntimeError: CUDA out of memory. Tried to allocate 2.50 GiB\n",
)


@dataclass(slots=True)
class _Builder:
    """Collects steps. Every wait varies at random by up to 30 %."""

    random: Random
    at_s: float = 0.0
    steps: list[Step] = field(default_factory=list)

    def wait(self, mean_s: float) -> None:
        self.at_s += mean_s * self.random.uniform(0.7, 1.3)

    def stage(self, name: str, body: Body = None) -> None:
        """Add a step that sets the status of the task to its own name."""
        self.steps.append(Step(at_s=self.at_s, type=name, status=name, body=body))

    def output(self, name: str, body: Body) -> None:
        """Add a step with output of the model. Only `task_output` is a status too."""
        status = "task_output" if name == "task_output" else None
        self.steps.append(Step(at_s=self.at_s, type=name, status=status, body=body))

    def insert_after(self, position: int, name: str, body: Body) -> None:
        """Insert output at a random place after a position."""
        at = self.random.randint(position, len(self.steps))
        self.steps.insert(at, Step(at_s=self.steps[at - 1].at_s, type=name, body=body))


def plan(task: Identity, seed: int) -> tuple[Step, ...]:
    """Return the steps of a task in order of time."""
    builder = _Builder(Random(f"{seed}:{task.index}:{task.model.slug}"))  # noqa: S311  repeatable, not secret
    _before_the_run(builder, task)
    if task.faults.persisted_error != "stays":
        _the_run(builder, task)
        _after_the_run(builder, task)
    return tuple(disturbed(builder.steps, task.faults))


def _before_the_run(builder: _Builder, task: Identity) -> None:
    faults = task.faults
    builder.stage("task_queue")
    builder.wait(0.6)
    builder.stage("task_accept")
    if faults.persisted_error:
        builder.wait(0.4)
        builder.stage("task_error", Log(text="Output folder creation failed\n"))
        if faults.persisted_error == "stays":
            return
        builder.wait(2.0)
        builder.stage("task_queue")
        builder.wait(0.6)
        builder.stage("task_accept")
    old = faults.stage_order == "old" or (faults.stage_order is None and task.dialect == "gen0")
    preprocess = () if faults.preprocess_skipped else ("task_preprocess_start", "task_preprocess_end")
    for name in ("task_assign", *preprocess) if old else (*preprocess, "task_assign"):
        builder.wait(0.3)
        builder.stage(name)
    builder.wait(0.6)
    builder.stage("task_start")


def _the_run(builder: _Builder, task: Identity) -> None:
    warnings = builder.random.randint(0, 2) if task.faults.stderr_lines is None else task.faults.stderr_lines
    start = len(builder.steps)
    if task.model.kind == "chat":
        _answer(builder, task)
    else:
        _load(builder)
        for label, phase in _phases(task):
            _progress(builder, task, label, phase)
    if task.faults.exit:
        _crash(builder, start)
    elif task.model.kind != "chat":
        builder.output("task_output", Log(text="Done.\n"))
    for _ in range(warnings):
        builder.insert_after(start, "task_error", Log(text=builder.random.choice(_STDERR)))
    for kind in task.faults.odd_frames:
        builder.insert_after(start, "task_output", Odd(kind=kind, huge_bytes=task.faults.huge_bytes))


def _after_the_run(builder: _Builder, task: Identity) -> None:
    builder.wait(0.1)
    builder.output("task_output_full", FullLog(stream="stdout"))
    if any(step.type == "task_error" for step in builder.steps):
        builder.output("task_error_full", FullLog(stream="stderr"))
    builder.wait(0.1)
    builder.stage("task_end")
    builder.wait(0.1)
    builder.stage("task_postprocess_start")
    builder.wait(1.6 if task.model.kind == "video" else 0.5)
    builder.stage("task_postprocess_end", Outputs())


def _phases(task: Identity) -> Iterator[tuple[str, Phase]]:
    for image in range(task.images):
        for phase in task.model.phases:
            yield (f"{phase.label} {image + 1}/{task.images}" if task.images > 1 else phase.label), phase


def _load(builder: _Builder) -> None:
    builder.wait(0.2)
    builder.output("task_output", Log(text="Loading pipeline components...\n"))
    for done in range(4):
        builder.wait(0.15)
        builder.output("task_output", Log(text=_progress_bar("Loading checkpoint shards: ", done, 3, 6.5)))
    builder.output("task_output", Log(text="\n"))


def _progress_bar(label: str, done: int, total: int, per_s: float) -> str:
    """Return a progress bar as tqdm draws it."""
    cells = "█" * (10 * done // total)
    times = f"{_minutes(done / per_s)}<{_minutes((total - done) / per_s)}, {per_s:5.2f}it/s"
    return f"\r{label}{100 * done // total:3d}%|{cells:<10}| {done}/{total} [{times}]"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


def _progress(builder: _Builder, task: Identity, label: str, phase: Phase) -> None:
    start_s, percentages = builder.at_s, task.faults.percentages
    for step in range(phase.steps + 1):
        if step:
            builder.wait(phase.step_s)
        elapsed_s = builder.at_s - start_s
        per_s = step / elapsed_s if step else 1 / phase.step_s
        if task.faults.tqdm:
            builder.output("task_output", Log(text=_progress_bar("", step, phase.steps, per_s)))
            continue
        earlier = sum(isinstance(other.body, Progress) for other in builder.steps)
        builder.output(
            "task_output",
            Progress(
                task=label,
                percentage=percentages[earlier % len(percentages)] if percentages else str(100 * step // phase.steps),
                step=step,
                total=phase.steps,
                per_s=per_s,
                elapsed_s=elapsed_s,
                remaining_s=(phase.steps - step) / per_s,
                as_json=builder.random.random() < 0.15,
            ),
        )


def _answer(builder: _Builder, task: Identity) -> None:
    start_s, faults = builder.at_s, task.faults
    if faults.answer_chunks:
        states = list(chat.long_stream(builder.random, task.prompt, faults.answer_chunks))
        chunk_s = 1 / max(1, faults.answer_chunks_per_s)
    else:
        states = list(chat.stream(builder.random, task.prompt))
        chunk_s = 6.0 / len(states)
    if faults.answer_slip:
        middle = len(states) // 2
        states.insert(middle, chat.with_slip(states[middle]))
    states += chat.tool_calls(states[-1], faults.answer_calls)
    for position, segments in enumerate(states, start=1):
        builder.wait(chunk_s)
        body = Answer(segments=segments, elapsed_s=builder.at_s - start_s, final=position == len(states))
        builder.output("task_output", body)


def _crash(builder: _Builder, start: int) -> None:
    """Drop the last two fifths of the run and end it with a traceback."""
    del builder.steps[start + (len(builder.steps) - start) * 3 // 5 :]
    builder.at_s = builder.steps[-1].at_s + 0.05
    for line in _TRACEBACK:
        builder.output("task_error", Log(text=line))

"""
Write the script of a task before it starts: a list of timed steps.

Scripts are pure and seeded: the same brief gives the same script. Switches that change the course of a task are applied
here, those that disturb the order of its frames in `script_faults`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import Dialect
from relay.sandbox.wiro import chat
from relay.sandbox.wiro.frame_faults import disturbed
from relay.sandbox.wiro.models import Model, Phase
from relay.sandbox.wiro.steps import Answer, Body, FullLog, Log, Odd, Outputs, Progress, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """Everything that a script depends on."""

    seed: int
    index: int
    model: Model
    prompt: str
    images: int
    dialect: Dialect
    faults: Faults


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
class _Writer:
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


def write(brief: Brief) -> tuple[Step, ...]:
    """Return the steps of a task in order of time."""
    writer = _Writer(Random(f"{brief.seed}:{brief.index}:{brief.model.slug}"))  # noqa: S311  repeatable, not secret
    _before_the_run(writer, brief)
    if brief.faults.persisted_error != "stays":
        _the_run(writer, brief)
        _after_the_run(writer, brief)
    return tuple(disturbed(writer.steps, brief.faults))


def _before_the_run(writer: _Writer, brief: Brief) -> None:
    faults = brief.faults
    writer.stage("task_queue")
    writer.wait(0.6)
    writer.stage("task_accept")
    if faults.persisted_error:
        writer.wait(0.4)
        writer.stage("task_error", Log(text="Output folder creation failed\n"))
        if faults.persisted_error == "stays":
            return
        writer.wait(2.0)
        writer.stage("task_queue")
        writer.wait(0.6)
        writer.stage("task_accept")
    old = faults.stage_order == "old" or (faults.stage_order is None and brief.dialect == "gen0")
    preprocess = () if faults.preprocess_skipped else ("task_preprocess_start", "task_preprocess_end")
    for name in ("task_assign", *preprocess) if old else (*preprocess, "task_assign"):
        writer.wait(0.3)
        writer.stage(name)
    writer.wait(0.6)
    writer.stage("task_start")


def _the_run(writer: _Writer, brief: Brief) -> None:
    warnings = writer.random.randint(0, 2) if brief.faults.stderr_lines is None else brief.faults.stderr_lines
    start = len(writer.steps)
    if brief.model.kind == "chat":
        _answer(writer, brief)
    else:
        _load(writer)
        for label, phase in _phases(brief):
            _progress(writer, brief, label, phase)
    if brief.faults.exit:
        _crash(writer, start)
    elif brief.model.kind != "chat":
        writer.output("task_output", Log(text="Done.\n"))
    for _ in range(warnings):
        writer.insert_after(start, "task_error", Log(text=writer.random.choice(_STDERR)))
    for kind in brief.faults.odd_frames:
        writer.insert_after(start, "task_output", Odd(kind=kind, huge_bytes=brief.faults.huge_bytes))


def _after_the_run(writer: _Writer, brief: Brief) -> None:
    writer.wait(0.1)
    writer.output("task_output_full", FullLog(stream="stdout"))
    if any(step.type == "task_error" for step in writer.steps):
        writer.output("task_error_full", FullLog(stream="stderr"))
    writer.wait(0.1)
    writer.stage("task_end")
    writer.wait(0.1)
    writer.stage("task_postprocess_start")
    writer.wait(1.6 if brief.model.kind == "video" else 0.5)
    writer.stage("task_postprocess_end", Outputs())


def _phases(brief: Brief) -> Iterator[tuple[str, Phase]]:
    for image in range(brief.images):
        for phase in brief.model.phases:
            yield (f"{phase.label} {image + 1}/{brief.images}" if brief.images > 1 else phase.label), phase


def _load(writer: _Writer) -> None:
    writer.wait(0.2)
    writer.output("task_output", Log(text="Loading pipeline components...\n"))
    for done in range(4):
        writer.wait(0.15)
        writer.output("task_output", Log(text=_progress_bar("Loading checkpoint shards: ", done, 3, 6.5)))
    writer.output("task_output", Log(text="\n"))


def _progress_bar(label: str, done: int, total: int, per_s: float) -> str:
    """Return a progress bar as tqdm draws it."""
    cells = "█" * (10 * done // total)
    times = f"{_minutes(done / per_s)}<{_minutes((total - done) / per_s)}, {per_s:5.2f}it/s"
    return f"\r{label}{100 * done // total:3d}%|{cells:<10}| {done}/{total} [{times}]"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


def _progress(writer: _Writer, brief: Brief, label: str, phase: Phase) -> None:
    start_s, percentages = writer.at_s, brief.faults.percentages
    for step in range(phase.steps + 1):
        if step:
            writer.wait(phase.step_s)
        elapsed_s = writer.at_s - start_s
        per_s = step / elapsed_s if step else 1 / phase.step_s
        if brief.faults.tqdm:
            writer.output("task_output", Log(text=_progress_bar("", step, phase.steps, per_s)))
            continue
        earlier = sum(isinstance(other.body, Progress) for other in writer.steps)
        writer.output(
            "task_output",
            Progress(
                task=label,
                percentage=percentages[earlier % len(percentages)] if percentages else str(100 * step // phase.steps),
                step=step,
                total=phase.steps,
                per_s=per_s,
                elapsed_s=elapsed_s,
                remaining_s=(phase.steps - step) / per_s,
                as_json=writer.random.random() < 0.15,
            ),
        )


def _answer(writer: _Writer, brief: Brief) -> None:
    start_s, faults = writer.at_s, brief.faults
    if faults.answer_chunks:
        states = list(chat.long_stream(writer.random, brief.prompt, faults.answer_chunks))
        chunk_s = 1 / max(1, faults.answer_chunks_per_s)
    else:
        states = list(chat.stream(writer.random, brief.prompt))
        chunk_s = 6.0 / len(states)
    if faults.answer_slip:
        middle = len(states) // 2
        states.insert(middle, chat.with_slip(states[middle]))
    states += chat.tool_calls(states[-1], faults.answer_calls)
    for position, segments in enumerate(states, start=1):
        writer.wait(chunk_s)
        body = Answer(segments=segments, elapsed_s=writer.at_s - start_s, final=position == len(states))
        writer.output("task_output", body)


def _crash(writer: _Writer, start: int) -> None:
    """Drop the last two fifths of the run and end it with a traceback."""
    del writer.steps[start + (len(writer.steps) - start) * 3 // 5 :]
    writer.at_s = writer.steps[-1].at_s + 0.05
    for line in _TRACEBACK:
        writer.output("task_error", Log(text=line))

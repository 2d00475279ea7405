"""
Wiro's record of a task: what never changes, and the state that each step changes.

`detail` and `outputs` show the record as Task/Detail does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import Dialect
from relay.sandbox.wiro.chat import Segment
from relay.sandbox.wiro.models import Model
from relay.sandbox.wiro.steps import TERMINAL, Answer, Log, Step

STAGE_TIMES = MappingProxyType(
    {
        "task_accept": "accepttime",
        "task_assign": "assigntime",
        "task_preprocess_start": "preprocessstarttime",
        "task_preprocess_end": "preprocessendtime",
        "task_start": "starttime",
        "task_end": "endtime",
        "task_postprocess_start": "postprocessstarttime",
        "task_postprocess_end": "postprocessendtime",
        "task_cancel": "canceltime",
    }
)
"""The names of the stages' times in Task/Detail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """
    The facts about a task that never change.

    `folder` is the secret part of its output URLs. `files` are the keys of the files that were sent for it.
    """

    id: str
    token: str = field(repr=False)
    folder: str
    index: int
    model: Model
    parameters: Mapping[str, object]
    files: tuple[str, ...] = ()
    callback_url: str
    prompt: str
    images: int
    size: tuple[int, int]
    dialect: Dialect
    faults: Faults
    cdn_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The state of a task. `times` has the Unix times of the stages that it passed, by their names in Task/Detail."""

    status: str
    times: Mapping[str, float]
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    segments: tuple[Segment, ...] = ()
    files_deleted: bool = False

    @property
    def ended(self) -> bool:
        """Whether the task has ended."""
        return self.status in TERMINAL

    def after(self, step: Step, now: float, exit_code: int) -> "Record":
        """Return the record after a step at the Unix time `now`. `exit_code` applies if the step ends the task."""
        if not step.recorded:
            return self
        record = self._with_body(step)
        if step.status is None:
            return record
        times = dict(record.times)
        if step.status in STAGE_TIMES:
            times[STAGE_TIMES[step.status]] = now
        if step.status == "task_cancel" and "starttime" in times:
            times.setdefault("endtime", now)
        completed = step.status == "task_postprocess_end"
        return replace(record, status=step.status, times=times, exit_code=exit_code if completed else record.exit_code)

    def _with_body(self, step: Step) -> "Record":
        match step.body:
            case Log(text=text) if step.type == "task_error":
                return replace(self, stderr=self.stderr + text)
            case Log(text=text):
                return replace(self, stdout=self.stdout + text)
            case Answer(segments=segments):
                text = "".join(part.text for part in segments if part.type == "answer")
                return replace(self, segments=segments, stdout=text)
            case _:
                return self

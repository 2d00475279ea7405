"""
Parse the record of a task, as Task/Detail and Task/List return it. Pure.

Fields and statuses: https://wiro.ai/docs/markdown/tasks.md. Their values vary in type; see `lenient_json`.
"""

from types import MappingProxyType
from typing import Final, Literal

from relay.core.events import Cost, Output, Stage
from relay.core.signals import Record
from relay.providers import outputs
from relay.providers.lenient_json import integer, moment, number, text
from relay.providers.wiro.statuses import normalize

Phase = Literal["open", "finished", "canceled", "error"]

_PHASES: Final[dict[str, Phase]] = {
    "task_postprocess_end": "finished",
    "task_cancel": "canceled",
    "task_error": "error",
}
"""Every other status is open, including unknown ones, and `task_end`, because it comes before the outputs."""

_STAGES: Final = {f"task_{stage}": stage for stage in Stage}

_CLOCK: Final[dict[Stage, str]] = {
    Stage.QUEUE: "createtime",
    Stage.ACCEPT: "accepttime",
    Stage.PREPROCESS_START: "preprocessstarttime",
    Stage.PREPROCESS_END: "preprocessendtime",
    Stage.ASSIGN: "assigntime",
    Stage.START: "starttime",
    Stage.END: "endtime",
    Stage.POSTPROCESS_START: "postprocessstarttime",
    Stage.POSTPROCESS_END: "postprocessendtime",
}

_FINISH_WARNINGS: Final = {
    "length": "The answer was cut off at its length limit.",
    "content_filter": "A content filter cut the answer off.",
    "error": "The model reported an error while it answered.",
}


def parse_task(task: dict[str, object]) -> Record:
    """Return the record of a task. Fields that cannot be parsed are null or empty; an unknown status is open."""
    status = text(task.get("status")).strip()
    phase: Phase = _PHASES.get(normalize(status), "open")
    stages = {stage: at for stage, name in _CLOCK.items() if (at := moment(task.get(name))) is not None}
    cancel_at = moment(task.get("canceltime"))
    amount = number(task.get("totalcost"))
    found = outputs.read(task.get("outputs")) or outputs.read(task.get("output"))
    return Record(
        phase=phase,
        status=status[:100],
        stage=_STAGES.get(normalize(status)),
        upstream_id=text(task.get("id")) or text(task.get("taskid")) or None,
        model=_model(task),
        stages=MappingProxyType(stages),
        exit_code=integer(task.get("pexit")),
        outputs=found,
        cancel_at=cancel_at,
        ended_at=_ended_at(phase, stages, cancel_at),
        elapsed_s=number(task.get("elapsedseconds")),
        cost=None if amount is None or amount < 0 else Cost(amount=amount, unit="usd"),
        stdout=text(task.get("debugoutput")),
        stderr=text(task.get("debugerror")),
        warnings=_warnings(found),
    )


def _warnings(found: tuple[Output, ...]) -> tuple[str, ...]:
    """Return a sentence for each reason why an answer ended early."""
    reasons = (text((output.content or {}).get("finishreason")).strip().lower() for output in found)
    return tuple(dict.fromkeys(_FINISH_WARNINGS[reason] for reason in reasons if reason in _FINISH_WARNINGS))


def _model(task: dict[str, object]) -> str | None:
    owner, name = text(task.get("modelslugowner")), text(task.get("modelslugproject"))
    return f"{owner}/{name}" if owner and name else None


def _ended_at(phase: Phase, stages: dict[Stage, float], cancel_at: float | None) -> float | None:
    finished_at = stages.get(Stage.POSTPROCESS_END) or stages.get(Stage.END)
    if phase == "canceled":
        return cancel_at or finished_at
    return finished_at if phase == "finished" else None

"""
Wiro's REST answers into typed values, each read once.

A refusal that Wiro spelt out is `UpstreamRejected`. An answer that says nothing we can rely on (a server error, HTML,
half a JSON) is `UpstreamUnclear`, and its text says which of these it was, never what was in it.
"""

from dataclasses import replace
from types import MappingProxyType
from typing import Final, Literal

from relay.core.events import Cost, Output, Stage
from relay.core.signals import Record
from relay.core.upstream import UpstreamTask
from relay.errors import UpstreamRejected, UpstreamUnclear
from relay.providers import outputs
from relay.providers.http import Answer
from relay.providers.lenient_json import entries, flag, integer, load, mapping, moment, number, text
from relay.providers.wiro.refusals import classify, faults, is_unknown_task
from relay.providers.wiro.statuses import word

Phase = Literal["open", "finished", "canceled", "error"]

_PHASES: Final[dict[str, Phase]] = {
    "task_postprocess_end": "finished",
    "task_cancel": "canceled",
    "task_error": "error",
}
"""Every other status, an unknown one included, is open: `task_end` comes before the outputs are there."""

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


def parse_run(answer: Answer) -> UpstreamTask:
    """
    Read the answer to a run.

    Raises:
        UpstreamRejected: Wiro said no.
        UpstreamUnclear: it cannot be told whether a task was started, or it was and cannot be followed.
    """
    fields = _read(answer, "taskid")
    upstream_id, token = text(fields.get("taskid")).strip(), text(fields.get("socketaccesstoken")).strip()
    if refusal := _refusal(answer, fields):
        if upstream_id:
            raise UpstreamUnclear(f"Wiro refused and yet named a task, {upstream_id[:40]}.", fault=refusal.fault)
        raise refusal
    if not upstream_id and not token:
        raise UpstreamUnclear(f"Wiro answered HTTP {answer.status} without a task.")
    return UpstreamTask(upstream_id=upstream_id or None, socket_token=token or None)


def parse_record(answer: Answer) -> Record | None:
    """
    Read a task's record; null when Wiro does not have it (yet).

    Raises:
        UpstreamRejected: Wiro said no.
        UpstreamUnclear: the answer makes no sense.
    """
    try:
        tasks = read_tasks(answer)
    except UpstreamRejected as refusal:
        if is_unknown_task(refusal):
            return None
        raise
    return (
        replace(_record(tasks[0]), dated_at=answer.dated_at) if tasks else None
    )  # right after a run the list is empty for a moment


def read_tasks(answer: Answer) -> list[dict[str, object]]:
    """
    Return the records in an answer, as they came; empty ones are left out.

    Raises:
        UpstreamRejected: Wiro said no.
        UpstreamUnclear: the answer makes no sense.
    """
    fields = _read(answer, "tasklist")
    if refusal := _refusal(answer, fields):
        raise refusal
    if "tasklist" in fields:
        return [task for entry in entries(fields["tasklist"]) if (task := mapping(entry))]
    if word(fields.get("status")).startswith("task_"):  # samples show the task itself in `data`
        return [fields]
    raise UpstreamUnclear(f"Wiro answered HTTP {answer.status} without a task list.")


def read_tools(answer: Answer) -> list[dict[str, object]]:
    """
    Return the descriptions of models in an answer, as they came; empty ones are left out.

    Raises:
        UpstreamRejected: Wiro said no.
        UpstreamUnclear: the answer makes no sense.
    """
    fields = _read(answer, "tool")
    if refusal := _refusal(answer, fields):
        raise refusal
    if "tool" not in fields:
        raise UpstreamUnclear(f"Wiro answered HTTP {answer.status} without a model.")
    return [tool for entry in entries(fields["tool"]) if (tool := mapping(entry))]


def read_entry(answer: Answer) -> dict[str, object]:
    """
    Return the file or the folder in an answer of the file store, as it came: one page prints `list`, and also `data`.

    Raises:
        UpstreamRejected: Wiro said no.
        UpstreamUnclear: the answer makes no sense.
    """
    fields = _read(answer, "list")
    if refusal := _refusal(answer, fields):
        raise refusal
    listed = [entry for each in entries(fields.get("list")) if (entry := mapping(each))]
    return listed[0] if listed else fields


def confirm(answer: Answer) -> None:
    """
    Read an answer of which only its success matters.

    Raises:
        UpstreamRejected: Wiro said no.
        UpstreamUnclear: the answer makes no sense.
    """
    fields = _read(answer, "result")
    if refusal := _refusal(answer, fields):
        raise refusal
    if flag(fields.get("result")) is None:
        raise UpstreamUnclear(f"Wiro answered HTTP {answer.status} without a result.")


def _read(answer: Answer, key: str) -> dict[str, object]:
    """Return the envelope: `key` lies in it, or, as parts of the documentation show it, one level down in `data`."""
    try:
        fields = load(answer.body)
        problem = None if isinstance(fields, dict) else "with JSON that is not an object"
    except ValueError:
        fields, problem = None, answer.unreadable
    if answer.status >= 500 or answer.status == 408:
        said = faults(fields.get("errors")) if isinstance(fields, dict) else ()
        what = f": {said[0].message}" if said else f" {problem}." if problem else "."
        raise UpstreamUnclear(
            f"Wiro answered HTTP {answer.status}{what}",
            fault=said[0] if said else None,
            retry_after_s=answer.retry_after_s,
        )
    if isinstance(fields, dict):
        inner = mapping(fields.get("data"))
        return fields if key in fields or not inner else {**fields, **inner}
    if answer.status >= 400:  # refused, whoever stood in front of Wiro and said so
        raise classify(answer.status, (), answer.retry_after_s)
    raise UpstreamUnclear(f"Wiro answered HTTP {answer.status} {problem}.")


def _refusal(answer: Answer, fields: dict[str, object]) -> UpstreamRejected | None:
    said = faults(fields.get("errors"))
    if said or answer.status >= 400 or flag(fields.get("result")) is False:
        return classify(answer.status, said, answer.retry_after_s)
    if answer.status >= 300:
        raise UpstreamUnclear(f"Wiro answered HTTP {answer.status}, a redirect: check WIRO_API_URL.")
    return None


def _record(task: dict[str, object]) -> Record:
    status = text(task.get("status")).strip()
    phase: Phase = _PHASES.get(word(status), "open")
    stages = {stage: at for stage, name in _CLOCK.items() if (at := moment(task.get(name))) is not None}
    cancel_at = moment(task.get("canceltime"))
    amount = number(task.get("totalcost"))
    found = outputs.read(task.get("outputs")) or outputs.read(task.get("output"))
    return Record(
        phase=phase,
        status=status[:100],
        stage=_STAGES.get(word(status)),
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
    """Return a sentence for each answer that did not end by itself."""
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

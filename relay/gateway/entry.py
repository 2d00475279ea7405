"""
A task as an entry of Wiro's `tasklist`, from its snapshot.

Every number is text and a time that was not reached is "0", as at Wiro. The platform's own token and id never appear.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, assert_never

from relay.core.events import Output, Stage, State
from relay.core.snapshot import Snapshot

_TIMES: Final[Mapping[Stage, str]] = MappingProxyType(
    {
        Stage.ACCEPT: "accepttime",
        Stage.ASSIGN: "assigntime",
        Stage.PREPROCESS_START: "preprocessstarttime",
        Stage.PREPROCESS_END: "preprocessendtime",
        Stage.START: "starttime",
        Stage.END: "endtime",
        Stage.POSTPROCESS_START: "postprocessstarttime",
        Stage.POSTPROCESS_END: "postprocessendtime",
    }
)

FAILED_CODE: Final = "-1"
"""The exit code of a task that failed without one. Clients take a missing one for success."""


def entry(snapshot: Snapshot, *, token: str, parameters: Mapping[str, object]) -> dict[str, object]:
    """
    Return a task as Task/Detail does.

    Args:
        snapshot: its state.
        token: with which the client follows it.
        parameters: its input; empty if the client may not see it.
    """
    owner, _, project = snapshot.model.partition("/")
    done, ended_at = snapshot.done, snapshot.ended_at
    elapsed_s = done.elapsed_s if done is not None else None
    billed = done is not None and done.billed is not False and done.cost is not None and done.cost.unit == "usd"
    return {
        "id": snapshot.id,
        "socketaccesstoken": token,
        "parameters": parameters,
        "status": status(snapshot),
        "pexit": exit_code(snapshot),
        "debugoutput": _log(snapshot, "stdout") or _answer_text(snapshot),
        "debugerror": _errors(snapshot),
        "createtime": _time(snapshot.created_at),
        "canceltime": _time(ended_at if snapshot.state is State.CANCELED else None),
        **_times(snapshot),
        "elapsedseconds": f"{elapsed_s or 0:.4f}",
        "totalcost": f"{done.cost.amount:.12f}" if done is not None and done.cost is not None and billed else "0",
        "runtype": "model",
        "modelslugowner": owner,
        "modelslugproject": project,
        "outputs": outputs(snapshot),
    }


def status(snapshot: Snapshot) -> str:
    """Return the status of a task in Wiro's words. `task_error` is not used: some clients take it for the end."""
    match snapshot.state:
        case State.CANCELED:
            return "task_cancel"
        case State.SUCCEEDED | State.FAILED | State.LOST:
            return "task_postprocess_end"
        case State.SUBMITTING | State.HELD | State.QUEUED:
            return "task_queue"
        case State.PREPARING | State.RUNNING | State.FINISHING:
            return _stage(snapshot)
        case _:
            assert_never(snapshot.state)


def exit_code(snapshot: Snapshot) -> str:
    """Return the exit code: "0" means success to every client, so it says what the verdict says."""
    code = snapshot.done.exit_code if snapshot.done is not None else None
    match snapshot.state:
        case State.SUCCEEDED:
            return "0"
        case State.FAILED:
            return str(code) if code else FAILED_CODE
        case State.LOST:
            return FAILED_CODE
        case _:
            return ""


def outputs(snapshot: Snapshot) -> list[dict[str, object]]:
    """Return the results of a task that has succeeded; empty for every other one."""
    if snapshot.state is not State.SUCCEEDED:
        return []
    return [_output(output) for output in snapshot.outputs]


def answer(snapshot: Snapshot) -> dict[str, object]:
    """Return the streamed answer so far, cumulative as at Wiro."""
    thinking = [part.text for part in snapshot.segments if part.kind == "thinking" and part.text]
    said = [part.text for part in snapshot.segments if part.kind != "thinking" and part.text]
    tagged = "".join(f"<think>{text}</think>" for text in thinking)
    return {"raw": tagged + "".join(said), "thinking": thinking, "answer": said}


def _output(output: Output) -> dict[str, object]:
    if output.content is not None:
        return {"contenttype": "raw", "content": output.content}
    size = None if output.size is None else str(output.size)
    return {"name": output.name, "contenttype": output.content_type, "size": size, "url": output.url}


def _stage(snapshot: Snapshot) -> str:
    # Between the end and the verdict, Detail must not look final yet: a client would miss a result that comes later.
    reached = [stage.type for stage in snapshot.stages if stage.type is not Stage.POSTPROCESS_END]
    last = reached[-1] if reached else Stage.QUEUE
    return "task_output" if last is Stage.START and (snapshot.progress or snapshot.log) else f"task_{last}"


def _log(snapshot: Snapshot, stream: str) -> str:
    return "".join(part.text for part in snapshot.log if part.stream == stream)


def _answer_text(snapshot: Snapshot) -> str:
    """Return the streamed answer as one text, which Wiro keeps as the log of a language model."""
    return str(answer(snapshot)["raw"]) if snapshot.segments else ""


def _errors(snapshot: Snapshot) -> str:
    """Return what was written to stderr; without that, why the task did not succeed."""
    text = _log(snapshot, "stderr")
    if text or snapshot.done is None or snapshot.state is State.SUCCEEDED:
        return text
    error = snapshot.done.error
    return error.message if error is not None else " ".join(snapshot.done.evidence)


def _times(snapshot: Snapshot) -> Mapping[str, str]:
    reached = {stage.type: stage.at for stage in snapshot.stages}
    return {name: _time(reached.get(stage)) for stage, name in _TIMES.items()}


def _time(at: float | None) -> str:
    return "0" if at is None else str(int(at))

"""
What the upstream's database says of a task, and how Task/Detail shows it.

Every number is a string, a time not reached is "0", and `elapsedseconds` runs from accept to end. The times are those
at which this sandbox really passed the stages, whatever its pace.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType

import orjson

from relay.sandbox.shared import pictures
from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import Dialect
from relay.sandbox.wiro.chat import Segment
from relay.sandbox.wiro.models import Model
from relay.sandbox.wiro.steps import Answer, Log, Step

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
_TIMES = ("createtime", *STAGE_TIMES.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """
    What of a task never changes. `folder` is the secret part of its outputs' addresses, `files` are the keys of the
    files that were sent for it.
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
    """The state of a task; `clock` has the stages passed, in unix seconds by their names in Task/Detail."""

    status: str
    clock: Mapping[str, float]
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    segments: tuple[Segment, ...] = ()
    files_deleted: bool = False

    @property
    def ended(self) -> bool:
        """Whether the task is over for good."""
        return self.status in ("task_postprocess_end", "task_cancel")

    def after(self, step: Step, now: float, exit_code: int) -> "Record":
        """Return the record once a step has happened."""
        if not step.recorded:
            return self
        record = self
        match step.body:
            case Log(text=text) if step.type == "task_error":
                record = replace(record, stderr=record.stderr + text)
            case Log(text=text):
                record = replace(record, stdout=record.stdout + text)
            case Answer(segments=segments):
                text = "".join(part.text for part in segments if part.type == "answer")
                record = replace(record, segments=segments, stdout=text)
            case _:
                pass
        if step.status is None:
            return record
        clock = record.clock
        if step.status in STAGE_TIMES:
            clock = {**clock, STAGE_TIMES[step.status]: now}
        if step.status == "task_cancel" and "starttime" in clock and "endtime" not in clock:
            clock = {**clock, "endtime": now}
        ended_by_itself = step.status == "task_postprocess_end"
        return replace(
            record, status=step.status, clock=clock, exit_code=exit_code if ended_by_itself else record.exit_code
        )


def outputs(task: Identity, record: Record, *, streamed: bool = False) -> list[dict[str, object]]:
    """
    Return what a successful task made, as Wiro lists it.

    Args:
        task: whose outputs they are.
        record: its state.
        streamed: for a frame, which leaves out an answer's raw text.
    """
    if record.exit_code != 0 or record.files_deleted:
        return []
    if task.model.kind == "chat":
        answer: dict[str, object] = {"contenttype": "raw", "content": _answer(task, record, raw=not streamed)}
        return [] if task.faults.answer_in == "log" else [answer]
    added = _time(task, record.clock.get("postprocessendtime", 0))
    return [_file(task, number, added) for number in range(task.images)]


def answer_lists(segments: tuple[Segment, ...]) -> dict[str, object]:
    """Return an answer as gen-1 spells it: two lists, and the raw text with the thoughts in tags."""
    thinking = [part.text for part in segments if part.type == "thinking"]
    answer = [part.text for part in segments if part.type == "answer"]
    thoughts = "".join(f"<think>{text}</think>" for text in thinking)
    return {"raw": thoughts + "".join(answer), "thinking": thinking, "answer": answer}


def segment_list(segments: tuple[Segment, ...]) -> list[dict[str, str]]:
    """Return an answer as gen-2 spells it: one list, in order."""
    return [_segment(part) for part in segments]


def finish_reason(task: Identity) -> str:
    """Return why an answer ended."""
    return "tool_calls" if task.faults.answer_calls else task.faults.finish_reason


def usage(task: Identity, segments: tuple[Segment, ...]) -> dict[str, object]:
    """Return gen-2's token counts, a word being a token."""
    thought = sum(len(part.text.split()) for part in segments if part.type == "thinking")
    written = thought + sum(len(part.text.split()) for part in segments if part.type == "answer")
    asked = len(task.prompt.split())
    return {
        "input_tokens": asked,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": asked + written,
    }


def detail(task: Identity, record: Record) -> dict[str, object]:
    """Return the task as an entry of a `tasklist`."""
    faults, clock = task.faults, record.clock
    started, ended = clock.get("accepttime"), clock.get("endtime")
    elapsed_s = int(ended) - int(started) if started and ended else 0
    # Only a task that ends with exit code 0 is billed.
    cost = task.model.cps * elapsed_s if record.exit_code == 0 else 0
    early = faults.outputs_early and "starttime" in clock and not record.ended
    made = _temporary(task) if early else outputs(task, record)
    size = sum(int(str(output.get("size", 0))) for output in made)
    parameters = dict(task.parameters)
    shown: dict[str, object] = {
        "taskid" if faults.aliases else "id": task.id,
        "uuid": "15bce51f-442f-4f44-a71d-13c6374a62bd",
        "name": "",
        "socketaccesstoken": task.token,
        "parameters": orjson.dumps(parameters).decode() if faults.parameters_json else parameters,
        "debugoutput": _wrapped(task, record.stdout),
        "debugerror": record.stderr,
        "starttime": _time(task, clock.get("starttime", 0)),
        "endtime": _time(task, clock.get("endtime", 0)),
        "elapsedseconds": f"{elapsed_s:.4f}",
        "status": record.status,
        "cps": f"{task.model.cps:.12f}",
        "totalcost": f"{cost:.12f}" if cost else "0",
        "guestid": None,
        "projectid": "699",
        "modelid": str(task.model.id),
        "description": "",
        "basemodelid": "0",
        "runtype": "model",
        "modelfolderid": "",
        "modelfileid": "",
        "callbackurl": task.callback_url,
        "marketplaceid": None,
        "modeldescription": task.model.description,
        "modelslugowner": task.model.owner,
        "modelslugproject": task.model.project,
        "categories": orjson.dumps(list(task.model.categories)).decode(),
        "size": str(size),
        "output" if faults.aliases else "outputs": _shown_outputs(made, faults),
    }
    if faults.stage_clock:
        shown |= {name: _time(task, clock.get(name, 0)) for name in _TIMES}
    if not faults.pexit_missing:
        open_pexit = None if task.dialect == "gen2" else ""
        shown["pexit"] = open_pexit if record.exit_code is None else str(record.exit_code)
    return shown


def _answer(task: Identity, record: Record, *, raw: bool) -> dict[str, object]:
    content: dict[str, object] = {"prompt": task.prompt}
    segments = tuple(
        replace(part, text=_wrapped(task, part.text)) if part.type == "answer" else part for part in record.segments
    )
    if raw:
        content["raw"] = _wrapped(task, record.stdout)
    if task.dialect != "gen2" or task.faults.answer_lists:
        lists = answer_lists(segments)
        content |= {"thinking": lists["thinking"], "answer": lists["answer"]}
    if task.dialect == "gen2":
        content |= {
            "segments": segment_list(segments),
            "finishreason": finish_reason(task),
            "usage": usage(task, record.segments),
        }
    return content


def _wrapped(task: Identity, text: str) -> str:
    wrapped = task.faults.answer_wrapper and task.model.kind == "chat" and text
    return f"<answer>{text}</answer>" if wrapped else text


def _segment(part: Segment) -> dict[str, str]:
    match part.type:
        case "thinking" | "answer":
            return {"type": part.type, "text": part.text}
        case "function_call":
            said = {"arguments": part.text}
        case "custom_tool_call":
            said = {"input": part.text}
    return {
        "type": part.type,
        "id": part.id,
        "call_id": f"call_{part.id}",
        "name": part.name,
        "status": part.status,
        **said,
    }


def _temporary(task: Identity) -> list[dict[str, object]]:
    """Return outputs that are not yet where they will be: nothing is served at their addresses."""
    if task.model.kind == "chat":
        return []
    base = task.cdn_url.removesuffix("/cdn")
    return [
        _file(task, number, "0") | {"url": f"{base}/v1/File/temporary-{task.folder}/{number}"}
        for number in range(task.images)
    ]


def _file(task: Identity, number: int, added: str) -> dict[str, object]:
    video = task.model.kind == "video"
    name = f"{number}.{'webm' if video else 'png'}"
    size = pictures.CLIP_BYTES if video else pictures.png_bytes(*task.size)
    return {
        "id": f"{task.index:08x}{number:024x}",
        "name": name,
        "contenttype": "video/webm" if video else "image/png",
        "parentid": task.folder,
        "uuid": "15bce51f-442f-4f44-a71d-13c6374a62bd",
        "size": str(size),
        "addedtime": added,
        "modifiedtime": added,
        "accesskey": task.folder[:30],
        "foldercount": "0",
        "filecount": "0",
        "ispublic": 0,
        "expiretime": None,
        "url": f"{task.cdn_url}/{task.folder}/{name}",
    }


def _shown_outputs(made: list[dict[str, object]], faults: Faults) -> object:
    match faults.outputs:
        case "list":
            return made
        case "null":
            return None
        case "empty":
            return []
        case "holes":
            return [{}, *made, {}]
        case "json":
            return orjson.dumps(made).decode()


def _time(task: Identity, at: float) -> str:
    if not at:
        return "0"
    match task.faults.timestamps:
        case "s":
            return str(int(at))
        case "ms":
            return str(int(at * 1000))
        case "date":
            return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")

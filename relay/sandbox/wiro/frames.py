"""
Encode the steps of a task as frames of the task socket, in the dialect of the task.

gen-1 identifies the task by id and token. gen-2 identifies it by id, adds a verdict, and leaves full logs empty. gen-0
identifies it by token and leaves out a message that is null.
"""

from dataclasses import replace

import orjson

from relay.sandbox.wiro.answers import answer_lists, finish_reason, segment_list, usage
from relay.sandbox.wiro.outputs import outputs
from relay.sandbox.wiro.record import Identity, Record
from relay.sandbox.wiro.steps import Answer, FullLog, Log, Odd, Outputs, Progress, Step

Frame = str | bytes


def encode(step: Step, task: Identity, record: Record) -> Frame:
    """Return the frame of a step; `record` is the state of the task after it."""
    match step.body:
        case Odd() as odd:
            return _odd(odd, task)
        case _:
            return orjson.dumps(_frame(step, task, record)).decode()


def _frame(step: Step, task: Identity, record: Record) -> dict[str, object]:
    frame: dict[str, object] = {"type": step.type}
    if not task.faults.tasktoken_missing:
        frame |= _identifiers(task)
    message = _message(step, task, record)
    if isinstance(message, dict) and (
        task.faults.message_json_string or (isinstance(step.body, Progress) and step.body.as_json)
    ):
        message = orjson.dumps(message).decode()
    if message is not None:
        frame["message"] = message
    else:
        match task.faults.null_message or ("absent" if task.dialect == "gen0" else "null"):
            case "null":
                frame["message"] = None
            case "empty":
                frame["message"] = ""
            case "absent":
                pass
    if task.dialect != "gen0" and not task.faults.result_missing:
        frame["result"] = True
    if task.dialect == "gen2":
        frame |= _verdict(step, task, record)
    return frame


def _identifiers(task: Identity) -> dict[str, object]:
    match task.dialect:
        case "gen0":
            return {"tasktoken": task.token}
        case "gen1":
            return {"id": task.id, "tasktoken": task.token}
        case "gen2":
            return {"id": task.id}


def _verdict(step: Step, task: Identity, record: Record) -> dict[str, object]:
    fields = task.faults.verdict_fields
    if fields == "none" or (fields == "terminal" and not step.terminal):
        return {}
    if step.status == "task_postprocess_end":
        return {"success": record.exit_code == 0, "terminal": True, "exitCode": record.exit_code}
    if step.status == "task_cancel":
        return {"success": False, "terminal": True, "exitCode": None}
    return {"success": None, "terminal": False, "exitCode": None}


def _message(step: Step, task: Identity, record: Record) -> object:
    match step.body:
        case None | Odd():
            return None
        case Log(text=text):
            return text
        case Progress() as progress:
            return _progress(progress)
        case Answer() as answer:
            return _answer(answer, task)
        case Outputs():
            return outputs(task, record, streamed=True)
        case FullLog(stream=stream):
            if (task.faults.full_log or ("empty" if task.dialect == "gen2" else "text")) == "empty":
                return ""
            if task.model.kind == "chat" and stream == "stdout":
                return answer_lists(record.segments)
            return {"raw": record.stdout if stream == "stdout" else record.stderr}


def _progress(progress: Progress) -> dict[str, object]:
    return {
        "type": "progressGenerate",
        "task": progress.task,
        "percentage": progress.percentage,
        "stepCurrent": str(progress.step),
        "stepTotal": str(progress.total),
        "speed": f"{progress.per_s:.1f}",
        "speedType": "it/s",
        "elapsedTime": _duration(progress.elapsed_s),
        "remainingTime": _duration(progress.remaining_s),
    }


def _answer(answer: Answer, task: Identity) -> dict[str, object]:
    words = sum(len(part.text.split()) for part in answer.segments)
    message: dict[str, object] = {
        "type": "progressGenerate",
        "task": "Generate",
        "speed": f"{words / max(answer.elapsed_s, 0.1):.1f}",
        "speedType": "words/s",
    }
    shown = () if task.faults.answer_progress_only else answer.segments
    if task.dialect == "gen2":
        message["segments"] = segment_list(shown)
        if answer.final:
            message |= {"finishreason": finish_reason(task), "usage": usage(task, answer.segments)}
    if task.dialect != "gen2" or task.faults.answer_lists:
        # In a stream `raw` is the answer only; in the full log it starts with the thinking, in tags.
        raw = "".join(part.text for part in shown if part.type == "answer")
        message |= answer_lists(shown) | {"raw": raw}
    message["isThinking"] = task.faults.answer_progress_only or answer.segments[-1].type == "thinking"
    message["elapsedTime"] = _duration(answer.elapsed_s)
    return message


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m {rest}s" if minutes else f"{rest}s"


def _odd(odd: Odd, task: Identity) -> Frame:
    ids = orjson.dumps(_identifiers(task)).decode()[1:-1]
    match odd.kind:
        case "not_json":
            return '{"type":"task_output","message":'
        case "array":
            return '["task_output",{"message":"in a list"}]'
        case "unknown_type":
            return f'{{"type":"task_dream",{ids},"message":"a type from the future","result":true}}'
        case "huge":
            return f'{{"type":"task_output",{ids},"message":"{"x" * odd.huge_bytes}","result":true}}'
        case "half_emoji":
            return f'{{"type":"task_output",{ids},"message":"half an emoji: \\ud83d","result":true}}'
        case "binary":
            return bytes(range(256)) * 4
        case "agent":
            return (
                '{"type":"agent_output","agenttoken":"sandbox-agent","message":{"raw":"from an agent"},"result":true}'
            )
        case "realtime":
            return f'{{"type":"task_cost",{ids},"turnCost":0.001,"cumulativeCost":0.002,"usage":{{}}}}'
        case "foreign":
            return (
                '{"type":"task_postprocess_end","id":"1","tasktoken":"tokenOfAnotherTask","message":[],"result":true}'
            )
        case "foreign_log":
            other = orjson.dumps(_identifiers(replace(task, id="1", token="tokenOfAnotherTask"))).decode()[1:-1]  # noqa: S106 -- made up
            return f'{{"type":"task_output",{other},"message":"a line of another task","result":true}}'

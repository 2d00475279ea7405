"""
How a step is spelled on the task socket, in each generation of the documents.

gen-1 names the task by id and token. gen-2 names it by id alone and adds a verdict, and no longer sends logs a second
time. gen-0 knows only the token, and leaves the message out where there is none. Pure: a step and its task go in.
"""

from dataclasses import replace

import orjson

from relay.sandbox.wiro.record import Identity, Record, answer_lists, finish_reason, outputs, segment_list, usage
from relay.sandbox.wiro.steps import Answer, FullLog, Log, Odd, Outputs, Progress, Step

Frame = str | bytes


def spell(step: Step, task: Identity, record: Record) -> Frame:
    """Return the frame that announces a step; `record` is the state after it."""
    match step.body:
        case Odd() as odd:
            return _odd(odd, task)
        case _:
            return orjson.dumps(_frame(step, task, record)).decode()


def _frame(step: Step, task: Identity, record: Record) -> dict[str, object]:
    frame: dict[str, object] = {"type": step.type}
    if not task.faults.tasktoken_missing:
        frame |= _names(task)
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


def _names(task: Identity) -> dict[str, object]:
    match task.dialect:
        case "gen0":
            return {"tasktoken": task.token}
        case "gen1":
            return {"id": task.id, "tasktoken": task.token}
        case "gen2":
            return {"id": task.id}


def _verdict(step: Step, task: Identity, record: Record) -> dict[str, object]:
    wanted = task.faults.verdict_fields
    if wanted == "none" or (wanted == "terminal" and not step.terminal):
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
        "elapsedTime": _clock(progress.elapsed_s),
        "remainingTime": _clock(progress.remaining_s),
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
        # While it streams, `raw` is the answer alone; in the full log the thoughts stand before it, in tags.
        raw = "".join(part.text for part in shown if part.type == "answer")
        message |= answer_lists(shown) | {"raw": raw}
    message["isThinking"] = task.faults.answer_progress_only or answer.segments[-1].type == "thinking"
    message["elapsedTime"] = _clock(answer.elapsed_s)
    return message


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m {rest}s" if minutes else f"{rest}s"


def _odd(odd: Odd, task: Identity) -> Frame:
    names = orjson.dumps(_names(task)).decode()[1:-1]
    match odd.kind:
        case "not_json":
            return '{"type":"task_output","message":'
        case "array":
            return '["task_output",{"message":"in a list"}]'
        case "unknown_type":
            return f'{{"type":"task_dream",{names},"message":"a type from the future","result":true}}'
        case "huge":
            return f'{{"type":"task_output",{names},"message":"{"x" * odd.huge_bytes}","result":true}}'
        case "half_emoji":
            return f'{{"type":"task_output",{names},"message":"half an emoji: \\ud83d","result":true}}'
        case "binary":
            return bytes(range(256)) * 4
        case "agent":
            return (
                '{"type":"agent_output","agenttoken":"sandbox-agent","message":{"raw":"from an agent"},"result":true}'
            )
        case "realtime":
            return f'{{"type":"task_cost",{names},"turnCost":0.001,"cumulativeCost":0.002,"usage":{{}}}}'
        case "foreign":
            return (
                '{"type":"task_postprocess_end","id":"1","tasktoken":"somebodyElsesToken","message":[],"result":true}'
            )
        case "foreign_log":
            theirs = orjson.dumps(_names(replace(task, id="1", token="somebodyElsesToken"))).decode()[1:-1]  # noqa: S106 -- made up
            return f'{{"type":"task_output",{theirs},"message":"a line of somebody else","result":true}}'

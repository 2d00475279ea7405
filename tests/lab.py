"""
Lines of recordings for `Sandbox(script=…)`: the frames and records that most stories of a task have in common.

A recording is a list of these, in the order of time. docs/sandbox.md describes the format.
"""

from typing import Any

Line = dict[str, Any]

STAGES = ("task_queue", "task_accept", "task_assign", "task_start")
FINISHED = {"status": "task_postprocess_end", "postprocessendtime": "{{now}}", "pexit": "0"}


def sent(channel: str, *, at_s: float = 0.0, **fields: Any) -> Line:
    """Return a line that waits for the client."""
    return {"at_s": at_s, "from": "client", "channel": channel, **fields}


def said(channel: str, *, at_s: float = 0.0, **fields: Any) -> Line:
    """Return a line of the platform."""
    return {"at_s": at_s, "from": "platform", "channel": channel, **fields}


def frame(kind: str, message: object = None, *, at_s: float = 0.0, **fields: Any) -> Line:
    """Return a frame in the gen-1 dialect."""
    names = {"id": "{{id}}", "tasktoken": "{{token}}"}
    return said("socket", at_s=at_s, body={"type": kind, **names, "message": message, "result": True, **fields})


def record(*, at_s: float = 0.0, **fields: Any) -> Line:
    """Return a change of the record."""
    return said("record", at_s=at_s, body=fields)


def of_task(name: str, *lines: Line) -> list[Line]:
    """Return the lines as those of a named task; lines without a name belong to one task."""
    return [{**line, "task": name} for line in lines]


def picture(name: str = "0.png", **fields: Any) -> dict[str, Any]:
    """Return an output that the sandbox draws."""
    return {"name": name, "contenttype": "image/png", "size": "10", "url": f"{{{{cdn}}}}/{name}", **fields}


def running(*, at_s: float = 0.0) -> list[Line]:
    """Return the lines up to a running task: the client subscribes, and the platform sends the stages."""
    return [sent("socket", at_s=at_s), *(frame(stage, at_s=at_s) for stage in STAGES)]


def ended(outputs: object, recorded: object | None = None, *, at_s: float = 0.0, **fields: Any) -> list[Line]:
    """Return a successful end; `recorded` are the outputs of the record if they differ from the frame's."""
    return [
        frame("task_end", at_s=at_s),
        record(at_s=at_s, **FINISHED, outputs=outputs if recorded is None else recorded, **fields),
        frame("task_postprocess_end", outputs, at_s=at_s),
    ]

"""List the outputs of a task as Wiro does: files with their addresses, or the answer of a language model."""

from dataclasses import replace

from relay.sandbox.shared import pictures
from relay.sandbox.wiro.answers import answer_lists, finish_reason, segment_list, usage, wrapped
from relay.sandbox.wiro.record import Identity, Record
from relay.sandbox.wiro.timestamps import timestamp

UUID = "15bce51f-442f-4f44-a71d-13c6374a62bd"
"""The account's id, which Wiro repeats in tasks and files."""


def outputs(task: Identity, record: Record, *, streamed: bool = False) -> list[dict[str, object]]:
    """
    Return the outputs of a successful task; empty for all other tasks.

    Args:
        task: the task.
        record: its state.
        streamed: return them as in a frame, which leaves out the raw text of an answer.
    """
    if record.exit_code != 0 or record.files_deleted:
        return []
    if task.model.kind == "chat":
        answer: dict[str, object] = {"contenttype": "raw", "content": _answer(task, record, raw=not streamed)}
        return [] if task.faults.answer_in == "log" else [answer]
    added = timestamp(task.faults, record.times.get("postprocessendtime"))
    return [_file(task, number, added) for number in range(task.images)]


def temporary_outputs(task: Identity) -> list[dict[str, object]]:
    """Return the outputs of a running task. Nothing is served at their addresses."""
    if task.model.kind == "chat":
        return []
    base = task.cdn_url.removesuffix("/cdn")
    return [
        _file(task, number, "0") | {"url": f"{base}/v1/File/temporary-{task.folder}/{number}"}
        for number in range(task.images)
    ]


def _answer(task: Identity, record: Record, *, raw: bool) -> dict[str, object]:
    content: dict[str, object] = {"prompt": task.prompt}
    segments = tuple(
        replace(part, text=wrapped(task, part.text)) if part.type == "answer" else part for part in record.segments
    )
    if raw:
        content["raw"] = wrapped(task, record.stdout)
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


def _file(task: Identity, number: int, added: str) -> dict[str, object]:
    video = task.model.kind == "video"
    name = f"{number}.{'webm' if video else 'png'}"
    size = task.faults.cdn_bytes or (pictures.CLIP_BYTES if video else pictures.png_bytes(*task.size))
    return {
        "id": f"{task.index:08x}{number:024x}",
        "name": name,
        "contenttype": "video/webm" if video else "image/png",
        "parentid": task.folder,
        "uuid": UUID,
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

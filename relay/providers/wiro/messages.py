"""
Parse the message of a `task_output` or `task_error` frame: text, progress, a streamed answer, or several of them. Pure.

Models send arbitrary objects, and all readable content is kept: an object that is neither progress nor an answer
becomes a log line, and so does text next to a percentage.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from relay.core.events import Progress, Stream
from relay.core.progress import LABEL_CHARS, parse_duration_s, parse_progress_bar, reported_eta
from relay.core.signals import LogSeen, Part, ProgressSeen, Signal, TextSeen
from relay.providers.echoes import without_inputs
from relay.providers.lenient_json import dump, entries, integer, mapping, number, text
from relay.providers.llm_answers import texts_of
from relay.providers.wrappers import unwrap

_PROGRESS: Final = frozenset(
    {"elapsedTime", "percentage", "remainingTime", "speed", "speedType", "stepCurrent", "stepTotal", "task"}
)
_ANSWER: Final = frozenset({"answer", "finishreason", "isThinking", "segments", "thinking", "usage"})
"""An object with any of these fields is progress or an answer; any of them may be missing."""

_TEXTS: Final = (
    "message",
    "text",
    "msg",
    "log",
    "line",
    "raw",
    "content",
    "body",
    "description",
    "detail",
    "info",
    "warning",
    "error",
    "status",
)
"""Fields that contain the text of an object, by priority."""

_METADATA: Final = frozenset({"type", "level", "severity", "logger", "time", "timestamp", "ts", "date", "id"})
"""Metadata of a text, which a log line omits."""

_WORDS_PER_SECOND: Final = re.compile(r"(?:words?|w|t|tok|tokens?|chars?|characters?)/s(?:ec)?", re.IGNORECASE)


def read(message: object, stream: Stream) -> Iterator[Signal]:
    """Yield the signals of a message: text, an object, or an object as JSON in a string."""
    fields = mapping(message)
    if not fields:
        yield from _log(_line(message), stream)
        return
    parts = _parts(fields) if stream == "stdout" else ()
    progress = _progress(fields)
    if parts:
        yield TextSeen(parts=parts)
    # Every chunk of an answer repeats label and speed; events for these alone would outweigh the answer.
    if progress != Progress() and not (parts and progress.percent is None and progress.step is None):
        yield ProgressSeen(progress=progress)
    yield from _log(_remaining_text(message, without_inputs(fields), answered=stream == "stdout"), stream)


def _log(line: str, stream: Stream) -> Iterator[Signal]:
    if line:
        yield LogSeen(stream=stream, text=line)
        if bar := parse_progress_bar(line):  # tqdm writes to stderr by default
            yield ProgressSeen(progress=bar)


def _line(message: object) -> str:
    """Return the text of a message; a list is shown as JSON."""
    return _json(message) if message and isinstance(message, dict | list) else text(message)


def _remaining_text(message: object, fields: Mapping[str, object], *, answered: bool) -> str:
    """Return the readable part of an object without its progress and its answer."""
    taken = _PROGRESS | (_ANSWER if answered else frozenset())
    is_raw_answer = answered and _is_raw_answer(fields)
    rest = {name: value for name, value in fields.items() if name not in taken and value not in (None, "", [], {})}
    if is_raw_answer:
        rest.pop("raw", None)
    is_bare_progress = text(fields.get("type")).lower().startswith("progress") and not rest.keys() - _METADATA
    measured = len(taken & fields.keys()) > 0 or is_raw_answer or is_bare_progress
    if not measured and isinstance(message, str):
        return message  # the log in the record has the same string
    name = next((name for name in _TEXTS if isinstance(rest.get(name), str) and text(rest[name]).strip()), None)
    more = {key: value for key, value in rest.items() if key != name and isinstance(value, str | list | dict)}
    if name is None and not measured:
        return _json(fields) if rest else ""
    more = {key: value for key, value in more.items() if key not in _METADATA}
    return " ".join(filter(None, (text(rest[name]) if name else "", _json(more) if more else "")))


def _json(value: object) -> str:
    try:
        return dump(value).decode()
    except ValueError:  # nested too deeply
        return ""


def _parts(fields: Mapping[str, object]) -> tuple[Part, ...]:
    growing = not fields.get("finishreason")
    return tuple(_segments(fields, growing=growing)) or tuple(_pairs(fields, growing=growing))


def _segments(fields: Mapping[str, object], *, growing: bool) -> Iterator[Part]:
    """Yield the ordered segments of gen-2; a tool call becomes `name(arguments)`."""
    for entry in entries(fields.get("segments")):
        segment = mapping(entry) or {"text": text(entry)}
        kind = text(segment.get("type")).strip()[:LABEL_CHARS] or "answer"
        written = segment.get("text") or segment.get("content")
        if kind.lower() in ("thinking", "answer") and not isinstance(written, list | dict):
            yield from _unwrapped(kind.lower(), text(written), growing=growing)
        elif written:
            yield Part(kind=kind, text=_line(written))
        else:
            yield Part(kind=kind, text=_call_text(segment))


def _call_text(segment: Mapping[str, object]) -> str:
    """Format a tool call as `name(arguments)`."""
    name = text(segment.get("name"))
    given = segment.get("arguments") if "arguments" in segment else segment.get("input")
    arguments = _json(given) if isinstance(given, dict | list) else text(given)
    return f"{name}({arguments})" if name else arguments


def _pairs(fields: Mapping[str, object], *, growing: bool) -> Iterator[Part]:
    """
    Yield the two lists of gen-1, each `thinking[n]` before `answer[n]`. `raw` repeats both as one text.

    In this order, parts keep their position while later ones are appended.
    """
    lists = {kind: [text(piece) for piece in texts_of(fields.get(kind))] for kind in ("thinking", "answer")}
    if not any(map(any, lists.values())):
        if _is_raw_answer(fields):
            yield from (part for part in _unwrapped("answer", text(fields.get("raw")), growing=growing) if part.text)
        return
    for turn in range(max(map(len, lists.values()))):
        for kind, pieces in lists.items():
            for part in _unwrapped(kind, pieces[turn], growing=growing) if turn < len(pieces) else ():
                repeated = part.kind != kind and any(known.startswith(part.text) for known in lists[part.kind])
                if part.text and not repeated:
                    yield part


def _unwrapped(kind: str, written: str, *, growing: bool) -> Iterator[Part]:
    for found, part in unwrap(kind, written, growing=growing):
        yield Part(kind=found, text=part)


def _is_raw_answer(fields: Mapping[str, object]) -> bool:
    """Return whether `raw` is an answer: only language models send thinking, words per second, or wrapper tags."""
    raw = text(fields.get("raw"))
    return bool(raw) and (
        not _ANSWER.isdisjoint(fields)
        or _WORDS_PER_SECOND.fullmatch(text(fields.get("speedType")).strip()) is not None
        or unwrap("answer", raw) != (("answer", raw),)
    )


def _progress(fields: Mapping[str, object]) -> Progress:
    left_s, speed = parse_duration_s(text(fields.get("remainingTime"))), number(fields.get("speed"))
    percent = number(text(fields.get("percentage")).strip().removesuffix("%"))
    return Progress(
        percent=percent if percent is not None and 0 <= percent <= 100 else None,
        step=_count(fields.get("stepCurrent")),
        steps=_count(fields.get("stepTotal")),
        label=text(fields.get("task")).strip()[:LABEL_CHARS] or None,
        speed=speed if speed is not None and speed >= 0 else None,
        unit=text(fields.get("speedType")).strip()[:LABEL_CHARS] or None,
        eta=None if left_s is None else reported_eta(left_s),
    )


def _count(value: object) -> int | None:
    found = integer(value)
    return found if found is not None and found >= 0 else None

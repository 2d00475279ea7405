"""Reads a recording: JSON Lines in, a `Script` out, or one sentence that names the line and what is wrong with it."""

import base64
import binascii
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast, get_args

from relay.errors import ConfigError
from relay.sandbox.recording import placeholders
from relay.sandbox.recording.lines import (
    APIKLEY_CALLS,
    CALLS,
    STARTS,
    WIRO_CALLS,
    Action,
    Answer,
    Callback,
    Change,
    Clock,
    Close,
    Fault,
    Frame,
    FrameKind,
    Line,
    Payload,
    Script,
    TaskScript,
    Wait,
)

Source = str | Path | Sequence[str | Mapping[str, object]]
"""The path of a file, or its lines: as text, or already parsed."""

PLATFORM: Final = "*"
"""In the place of a task's name: the line belongs to the platform as a whole."""

_CHANNELS: Final = (*CALLS, "socket", "connect", "cdn", "callback", "record", "clock")
_NEEDS_TASK: Final = ("socket", "callback", "record")
_COMMON: Final = ("at_s", "from", "channel", "task", "note")
_ANSWER: Final = ("body", "encoding", "status", "headers", "times", "delay_s", "fault", "after_bytes")
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "socket": ("body", "encoding", "frame", "close", "reason"),
    "record": ("body", "replace", "remove"),
    "callback": ("body", "encoding", "headers"),
    "clock": ("body",),
    "cdn": (*_ANSWER, "path"),
}
_CLIENT_FIELDS: Final = ("body", "count", "answered", "wait", "model")
_LONGEST_SHOWN: Final = 60


class _Wrong(Exception):
    """A line is wrong; the text says how."""


def read(source: Source) -> Script:
    """
    Return the script that a recording holds.

    Raises:
        ConfigError: the file cannot be read, or one of its lines is wrong.
    """
    given: Sequence[str | Mapping[str, object]]
    if isinstance(source, str | Path):
        name, given = str(source), _lines_of(Path(source))
    else:
        name, given = "script", source
    reader = _Reader()
    for number, line in enumerate(given, start=1):
        try:
            reader.take(line)
        except _Wrong as error:
            raise ConfigError(f"sandbox: {name}, line {number}: {error}") from None
    return reader.script()


def _lines_of(path: Path) -> Sequence[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"sandbox: cannot read the script {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"sandbox: the script {path} is not UTF-8: byte {error.start} cannot be decoded") from None


@dataclass(slots=True)
class _Draft:
    """A task of which not all lines have been read."""

    lines: list[Line] = field(default_factory=list)
    at_s: float = 0.0
    model: str | None = None
    start: Line | None = None
    channels: set[str] = field(default_factory=set)
    waits: Counter[str] = field(default_factory=Counter)

    @property
    def is_apikley(self) -> bool:
        return not self.channels.isdisjoint(APIKLEY_CALLS)


@dataclass(slots=True)
class _Reader:
    """Takes line after line."""

    drafts: dict[str, _Draft] = field(default_factory=dict)

    def take(self, given: str | Mapping[str, object]) -> None:
        line = _parsed(given)
        if line is None:
            return
        name = _text(line, "task", "1")
        draft = self.drafts.setdefault(name, _Draft())
        at_s = _number(line, "at_s")
        if at_s < draft.at_s:
            raise _Wrong(f"at_s is {at_s:g}, earlier than the line before it ({draft.at_s:g}) of the same task")
        draft.at_s = at_s
        channel = _one_of(line, "channel", _CHANNELS)
        if name == PLATFORM and channel in _NEEDS_TASK:
            raise _Wrong(f'channel "{channel}" needs a task, and task "{PLATFORM}" is none')
        draft.channels.add(channel)
        if draft.is_apikley and not draft.channels.isdisjoint((*WIRO_CALLS, "socket")) and name != PLATFORM:
            raise _Wrong(f'task "{name}" has lines of both Wiro and Apikley; use two tasks')
        action = self._action(draft, line, channel, of_task=name != PLATFORM)
        if isinstance(action, Answer) and channel in STARTS and name != PLATFORM:
            if draft.start is not None:
                raise _Wrong(f'task "{name}" already has an answer to {channel}; use task "{PLATFORM}" for refusals')
            draft.start = Line(at_s=at_s, action=action)
        elif action is not None:
            draft.lines.append(Line(at_s=at_s, action=action))

    def script(self) -> Script:
        platform = self.drafts.pop(PLATFORM, _Draft())
        tasks = tuple(
            TaskScript(
                name=name,
                platform="apikley" if draft.is_apikley else "wiro",
                model=draft.model,
                start=draft.start,
                lines=tuple(draft.lines),
            )
            for name, draft in self.drafts.items()
        )
        return Script(tasks=tasks, platform=tuple(platform.lines))

    def _action(self, draft: _Draft, line: Mapping[str, object], channel: str, *, of_task: bool) -> Action | None:
        if _one_of(line, "from", ("client", "platform")) == "client":
            _only(line, _CLIENT_FIELDS)
            return self._wait(draft, line, channel)
        _only(line, _FIELDS.get(channel, _ANSWER))
        if problem := placeholders.wrong([line.get("body"), line.get("headers")], of_task=of_task):
            raise _Wrong(problem)
        return _platform_action(line, channel)

    def _wait(self, draft: _Draft, line: Mapping[str, object], channel: str) -> Wait | None:
        if channel in ("record", "clock"):
            raise _Wrong(f'the client sends nothing on channel "{channel}"')
        if "model" in line:
            if channel not in STARTS:
                raise _Wrong(f"model belongs to {' or '.join(STARTS)}, not to {channel}")
            draft.model = _text(line, "model").lower()
        answered = _flag(line, "answered", default=False)
        if answered and channel not in (*CALLS, "cdn"):
            raise _Wrong(f'nothing is answered on channel "{channel}"')
        count = int(_number(line, "count", draft.waits[channel] + 1))
        draft.waits[channel] = count
        # The Run is where a task begins: there is nothing to wait for.
        if channel in STARTS or not _flag(line, "wait", default=True):
            return None
        return Wait(channel=channel, count=count, answered=answered)


def _platform_action(line: Mapping[str, object], channel: str) -> Action:
    match channel:
        case "socket":
            return _socket(line)
        case "record":
            fields, remove = _object(line, "body"), line.get("remove", [])
            if not isinstance(remove, list) or not all(isinstance(name, str) for name in remove):
                raise _Wrong("remove must be a list of the names of fields")
            return Change(fields=fields, replace=_flag(line, "replace", default=False), remove=tuple(remove))
        case "callback":
            return Callback(payload=_payload(line), headers=_headers(line))
        case "clock":
            return _clock(line)
        case _:
            return _answer(line, channel)


def _socket(line: Mapping[str, object]) -> Frame | Close:
    if "close" in line:
        if "body" in line:
            raise _Wrong("a line has either a body or a close code; use two lines")
        code = line["close"]
        if not isinstance(code, int) or not 1000 <= code <= 4999:
            raise _Wrong(f"close is {_shown(code)}; use a code from 1000 to 4999; 1006 cuts the connection")
        return Close(code=code, reason=_text(line, "reason", ""))
    payload = _payload(line)
    if payload is None:
        raise _Wrong('channel "socket" needs a body or a close code')
    is_bytes = isinstance(payload.value, bytes)
    kind = _one_of(line, "frame", get_args(FrameKind), "binary" if is_bytes else "text")
    if kind != "text" and not is_bytes:
        raise _Wrong(f'a frame of kind "{kind}" needs "encoding": "base64"')
    return Frame(payload=payload, kind=cast("FrameKind", kind))


def _answer(line: Mapping[str, object], channel: str) -> Answer:
    status = int(_number(line, "status")) if "status" in line else None
    if status is not None and not 200 <= status <= 599:
        raise _Wrong(f"status is {status}; use one from 200 to 599")
    fault = _one_of(line, "fault", get_args(Fault)) if "fault" in line else None
    if "after_bytes" in line and fault is None:
        raise _Wrong('after_bytes says where "fault" hits; add "fault": "hang" or "drop"')
    times = int(_number(line, "times")) if "times" in line else None
    if times == 0:
        raise _Wrong("times is 0; leave the line out")
    return Answer(
        channel=channel,
        path=_text(line, "path") if "path" in line else None,
        status=status,
        headers=_headers(line),
        payload=_payload(line),
        times=times,
        delay_s=_number(line, "delay_s", 0.0),
        fault=cast("Fault | None", fault),
        after_bytes=int(_number(line, "after_bytes")) if "after_bytes" in line else None,
    )


def _clock(line: Mapping[str, object]) -> Clock:
    body = _object(line, "body")
    if unknown := [name for name in body if name not in ("offset_s", "date_offset_s")]:
        raise _Wrong(f"the clock has no {unknown[0]}; use offset_s and date_offset_s")
    offset_s = _number(body, "offset_s", 0.0, least=None)
    return Clock(offset_s=offset_s, date_offset_s=_number(body, "date_offset_s", offset_s, least=None))


def _parsed(given: str | Mapping[str, object]) -> Mapping[str, object] | None:
    if not isinstance(given, str):
        return given
    if not given.strip():
        return None
    try:
        line = json.loads(given)  # unlike orjson it reads half an emoji
    except json.JSONDecodeError as error:
        raise _Wrong(f"not JSON: {error.msg} at column {error.colno}") from None
    if not isinstance(line, dict):
        raise _Wrong("not a JSON object")
    return line


def _payload(line: Mapping[str, object]) -> Payload | None:
    encoding = _one_of(line, "encoding", ("base64",), "")
    if "body" not in line:
        if encoding:
            raise _Wrong("encoding needs a body")
        return None
    body = line["body"]
    if not encoding:
        return Payload(value=body)
    try:
        return Payload(value=base64.b64decode(body if isinstance(body, str) else "?", validate=True))
    except (binascii.Error, ValueError):
        raise _Wrong(f"body is {_shown(body)}, which is no base64") from None


def _only(line: Mapping[str, object], fields: tuple[str, ...]) -> None:
    allowed = (*_COMMON, *fields)
    for name in line:
        if name not in allowed:
            raise _Wrong(f'unknown field "{name}"; this line can have {", ".join(allowed)}')


def _text(line: Mapping[str, object], name: str, default: str | None = None) -> str:
    value = line.get(name, default)
    if not isinstance(value, str):
        raise _Wrong(_needed(line, name, "a text"))
    return value


def _one_of(line: Mapping[str, object], name: str, choices: Sequence[str], default: str | None = None) -> str:
    value = line.get(name, default)
    if not isinstance(value, str) or value not in (*choices, default):
        raise _Wrong(_needed(line, name, f"one of {', '.join(choices)}"))
    return value


def _flag(line: Mapping[str, object], name: str, *, default: bool) -> bool:
    value = line.get(name, default)
    if not isinstance(value, bool):
        raise _Wrong(_needed(line, name, "true or false"))
    return value


def _number(line: Mapping[str, object], name: str, default: float | None = None, *, least: float | None = 0.0) -> float:
    value = line.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or (least is not None and not value >= least):
        raise _Wrong(_needed(line, name, "a number" if least is None else f"a number from {least:g}"))
    return value


def _object(line: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = line.get(name)
    if not isinstance(value, dict):
        raise _Wrong(_needed(line, name, "an object"))
    return value


def _headers(line: Mapping[str, object]) -> Mapping[str, str]:
    headers = line.get("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise _Wrong(_needed(line, "headers", "an object of texts"))
    return headers


def _needed(line: Mapping[str, object], name: str, what: str) -> str:
    return f"{name} is {_shown(line[name])}; it must be {what}" if name in line else f"{name} is missing; add {what}"


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"

"""Reads a recording: JSON Lines in, a `Script` out, or one sentence that names the line and what is wrong with it."""

import base64
import binascii
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, cast, get_args

from relay.errors import ConfigError
from relay.sandbox.recording import fields, placeholders
from relay.sandbox.recording.fields import Wrong
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
_ANSWER: Final = ("body", "encoding", "status", "headers", "times", "delay_s", "fault", "after_bytes", "reply")
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "socket": ("body", "encoding", "frame", "close", "reason"),
    "record": ("body", "replace", "remove"),
    "callback": ("body", "encoding", "headers"),
    "clock": ("body",),
    "cdn": (*_ANSWER, "path"),
}
_CLIENT_FIELDS: Final = ("body", "count", "answered", "wait", "model")
_MOST_REASON_BYTES: Final = 123


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
        except Wrong as error:
            raise ConfigError(f"sandbox: {name}, line {number}: {error}") from None
    return reader.script()


def _lines_of(path: Path) -> Sequence[str]:
    try:
        # Not splitlines(): a JSON text may hold U+2028 and other characters that end a line there.
        return path.read_text(encoding="utf-8-sig").split("\n")
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
    replied: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    @property
    def is_apikley(self) -> bool:
        return not self.channels.isdisjoint(APIKLEY_CALLS)


@dataclass(slots=True)
class _Reader:
    """Takes line after line."""

    drafts: dict[str, _Draft] = field(default_factory=dict)

    def take(self, given: str | Mapping[str, object]) -> None:
        line = fields.parsed(given)
        if line is None:
            return
        name = fields.text(line, "task", "1")
        draft = self.drafts.setdefault(name, _Draft())
        at_s = fields.number(line, "at_s")
        if at_s < draft.at_s:
            raise Wrong(f"at_s is {at_s:g}, earlier than the line before it ({draft.at_s:g}) of the same task")
        draft.at_s = at_s
        channel = fields.one_of(line, "channel", _CHANNELS)
        if name == PLATFORM and channel in _NEEDS_TASK:
            raise Wrong(f'channel "{channel}" needs a task; task "{PLATFORM}" is the platform as a whole')
        draft.channels.add(channel)
        if draft.is_apikley and not draft.channels.isdisjoint((*WIRO_CALLS, "socket")) and name != PLATFORM:
            raise Wrong(f'task "{name}" has lines of both Wiro and Apikley; use two tasks')
        action = self._action(draft, line, channel, of_task=name != PLATFORM)
        if isinstance(action, Answer) and channel in STARTS and name != PLATFORM:
            if draft.start is not None:
                raise Wrong(f'task "{name}" already has an answer to {channel}; use task "{PLATFORM}" for refusals')
            if action.times is not None:
                raise Wrong(f"a task has one {channel}; leave times out")
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
        if fields.one_of(line, "from", ("client", "platform")) == "client":
            fields.only(line, *_COMMON, *_CLIENT_FIELDS)
            return self._wait(draft, line, channel, of_task=of_task)
        fields.only(line, *_COMMON, *_FIELDS.get(channel, _ANSWER))
        if problem := placeholders.wrong([line.get("body"), line.get("headers")], of_task=of_task):
            raise Wrong(problem)
        action = _platform_action(line, channel)
        if not isinstance(action, Answer) or not fields.flag(line, "reply", default=False):
            return action
        return replace(action, reply_to=_replied_to(draft, action))

    def _wait(self, draft: _Draft, line: Mapping[str, object], channel: str, *, of_task: bool) -> Wait | None:
        if channel in ("record", "clock"):
            raise Wrong(f'the client sends nothing on channel "{channel}"')
        if "model" in line:
            if channel not in STARTS:
                raise Wrong(f"model belongs to {' or '.join(STARTS)}, not to {channel}")
            if not of_task:
                raise Wrong(f'model needs a task; task "{PLATFORM}" is the platform as a whole')
            draft.model = fields.text(line, "model").lower()
        answered = fields.flag(line, "answered", default=False)
        if answered and channel not in (*CALLS, "cdn"):
            raise Wrong(f'nothing is answered on channel "{channel}"')
        count = fields.whole(line, "count", draft.waits[channel] + 1)
        draft.waits[channel] = count
        # The Run is where a task begins: there is nothing to wait for.
        if (channel in STARTS and of_task) or not fields.flag(line, "wait", default=True):
            return None
        return Wait(channel=channel, count=count, answered=answered)


def _replied_to(draft: _Draft, answer: Answer) -> int | None:
    """Return the number of the call that a reply answers."""
    channel = answer.channel
    if channel in STARTS:  # the only such call of the task
        return None
    number = draft.waits[channel]
    if channel not in CALLS or not number:
        raise Wrong(f'a reply needs a line before it with "from": "client" and "channel": "{channel}", a call')
    if number in draft.replied[channel]:
        raise Wrong(f"call {number} on channel {channel} has a reply already")
    if answer.times is not None:
        raise Wrong("a reply answers one call; leave times out")
    draft.replied[channel].add(number)
    return number


def _platform_action(line: Mapping[str, object], channel: str) -> Action:
    match channel:
        case "socket":
            return _socket(line)
        case "record":
            return Change(
                fields=fields.json_object(line, "body"),
                replace=fields.flag(line, "replace", default=False),
                remove=fields.names(line, "remove"),
            )
        case "callback":
            return Callback(payload=_payload(line), headers=fields.headers(line))
        case "clock":
            return _clock(line)
        case _:
            return _answer(line, channel)


def _socket(line: Mapping[str, object]) -> Frame | Close:
    if "close" in line:
        if "body" in line:
            raise Wrong("a line has either a body or a close code; use two lines")
        code = line["close"]
        if not isinstance(code, int) or not 1000 <= code <= 4999:
            raise Wrong(f"close is {fields.shown(code)}; use a code from 1000 to 4999; 1006 cuts the connection")
        reason = fields.text(line, "reason", "")
        if len(reason.encode(errors="replace")) > _MOST_REASON_BYTES:
            raise Wrong(f"reason is longer than {_MOST_REASON_BYTES} bytes, the most that a closing frame can carry")
        return Close(code=code, reason=reason)
    if "reason" in line:
        raise Wrong('reason belongs to a close code; add "close"')
    payload = _payload(line)
    if payload is None:
        raise Wrong('channel "socket" needs a body or a close code')
    is_bytes = isinstance(payload.value, bytes)
    kind = fields.one_of(line, "frame", get_args(FrameKind), "binary" if is_bytes else "text")
    if kind != "text" and not is_bytes:
        raise Wrong(f'a frame of kind "{kind}" needs "encoding": "base64"')
    return Frame(payload=payload, kind=cast("FrameKind", kind))


def _answer(line: Mapping[str, object], channel: str) -> Answer:
    status = fields.whole(line, "status") if "status" in line else None
    if status is not None and not 200 <= status <= 599:
        raise Wrong(f"status is {status}; use one from 200 to 599")
    fault = fields.one_of(line, "fault", get_args(Fault)) if "fault" in line else None
    if "after_bytes" in line and fault is None:
        raise Wrong('after_bytes says where "fault" hits; add "fault": "hang" or "drop"')
    times = fields.whole(line, "times") if "times" in line else None
    if times == 0:
        raise Wrong("times is 0; leave the line out")
    return Answer(
        channel=channel,
        path=fields.text(line, "path") if "path" in line else None,
        status=status,
        headers=fields.headers(line),
        payload=_payload(line),
        times=times,
        delay_s=fields.number(line, "delay_s", 0.0),
        fault=cast("Fault | None", fault),
        after_bytes=fields.whole(line, "after_bytes") if "after_bytes" in line else None,
    )


def _clock(line: Mapping[str, object]) -> Clock:
    body = fields.json_object(line, "body")
    if unknown := [name for name in body if name not in ("offset_s", "date_offset_s")]:
        raise Wrong(f"the clock has no {unknown[0]}; use offset_s and date_offset_s")
    offset_s = fields.number(body, "offset_s", 0.0, least=None)
    date_offset_s = fields.number(body, "date_offset_s", offset_s, least=None)
    if max(abs(offset_s), abs(date_offset_s)) > placeholders.MOST_SHIFT_S:
        raise Wrong(f"the clock can be off by at most {placeholders.MOST_SHIFT_S:.0f} s; body is {fields.shown(body)}")
    return Clock(offset_s=offset_s, date_offset_s=date_offset_s)


def _payload(line: Mapping[str, object]) -> Payload | None:
    encoding = fields.one_of(line, "encoding", ("base64",), "")
    if "body" not in line:
        if encoding:
            raise Wrong("encoding needs a body")
        return None
    body = line["body"]
    if not encoding:
        return Payload(value=body)
    try:
        return Payload(value=base64.b64decode(body if isinstance(body, str) else "?", validate=True))
    except (binascii.Error, ValueError):
        raise Wrong(f"body is {fields.shown(body)}, which is not base64") from None

"""Parse a recording: JSON Lines in, a `Recording` out, or one sentence that names the line and its error."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from relay.errors import ConfigError
from relay.sandbox.recording import fields, placeholders
from relay.sandbox.recording.actions import platform_action
from relay.sandbox.recording.fields import InvalidLine
from relay.sandbox.recording.lines import (
    APIKLEY_CALLS,
    CALLS,
    STARTS,
    WIRO_CALLS,
    Action,
    Line,
    Recording,
    Response,
    TaskLines,
    Wait,
)

Source = str | Path | Sequence[str | Mapping[str, object]]
"""The path of a recording, or its lines: as text, or already parsed."""

PLATFORM: Final = "*"
"""The task name of lines that belong to the platform as a whole."""

_CHANNELS: Final = (*CALLS, "socket", "connect", "cdn", "callback", "record", "clock")
_TASK_CHANNELS: Final = ("socket", "callback", "record")
_COMMON_FIELDS: Final = ("at_s", "from", "channel", "task", "note")
_CLIENT_FIELDS: Final = ("body", "count", "answered", "wait", "model")
_RESPONSE_FIELDS: Final = (
    "body",
    "encoding",
    "status",
    "headers",
    "times",
    "delay_s",
    "fault",
    "after_bytes",
    "reply",
)
_PLATFORM_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "socket": ("body", "encoding", "frame", "close", "reason"),
    "record": ("body", "replace", "remove"),
    "callback": ("body", "encoding", "headers"),
    "clock": ("body",),
    "cdn": (*_RESPONSE_FIELDS, "path"),
}


def read(source: Source) -> Recording:
    """
    Read a recording.

    Raises:
        ConfigError: the file cannot be read, or a line is invalid.
    """
    lines: Sequence[str | Mapping[str, object]]
    if isinstance(source, str | Path):
        name, lines = str(source), _read_lines(Path(source))
    else:
        name, lines = "script", source
    parser = _Parser()
    for number, line in enumerate(lines, start=1):
        try:
            parser.add(line)
        except InvalidLine as error:
            raise ConfigError(f"sandbox: {name}, line {number}: {error}") from None
    return parser.recording()


def _read_lines(path: Path) -> Sequence[str]:
    try:
        # Not splitlines(): JSON strings may contain U+2028 and other characters that it treats as line ends.
        return path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise ConfigError(f"sandbox: cannot read the script {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"sandbox: the script {path} is not UTF-8: byte {error.start} cannot be decoded") from None


@dataclass(slots=True)
class _Draft:
    """The lines of a task that have been read so far."""

    name: str
    lines: list[Line] = field(default_factory=list)
    at_s: float = 0.0
    model: str | None = None
    start: Line | None = None
    channels: set[str] = field(default_factory=set)
    waits: Counter[str] = field(default_factory=Counter)
    """The number of the latest awaited message on each channel."""
    replied: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """The numbers of the calls on each channel that have a reply."""

    @property
    def is_task(self) -> bool:
        return self.name != PLATFORM

    @property
    def is_apikley(self) -> bool:
        return not self.channels.isdisjoint(APIKLEY_CALLS)

    @property
    def is_wiro(self) -> bool:
        return not self.channels.isdisjoint((*WIRO_CALLS, "socket"))


@dataclass(slots=True)
class _Parser:
    """Parses one line after another."""

    drafts: dict[str, _Draft] = field(default_factory=dict)

    def add(self, given: str | Mapping[str, object]) -> None:
        """Parse a line and add it to its task."""
        line = fields.parsed(given)
        if line is None:
            return
        name = fields.text(line, "task", "1")
        draft = self.drafts.setdefault(name, _Draft(name))
        at_s = fields.number(line, "at_s")
        if at_s < draft.at_s:
            raise InvalidLine(f"at_s is {at_s:g}, less than in the previous line of the same task ({draft.at_s:g})")
        draft.at_s = at_s
        channel = _channel(draft, line)
        action = _action(draft, line, channel)
        if isinstance(action, Response) and channel in STARTS and draft.is_task:
            if draft.start is not None:
                raise InvalidLine(
                    f'task "{name}" already has a response to {channel}; use task "{PLATFORM}" for refusals'
                )
            if action.times is not None:
                raise InvalidLine(f"a task has one {channel}; remove times")
            draft.start = Line(at_s=at_s, action=action)
        elif action is not None:
            draft.lines.append(Line(at_s=at_s, action=action))

    def recording(self) -> Recording:
        """Return what has been parsed."""
        tasks = tuple(
            TaskLines(
                name=draft.name,
                platform="apikley" if draft.is_apikley else "wiro",
                model=draft.model,
                start=draft.start,
                lines=tuple(draft.lines),
            )
            for draft in self.drafts.values()
            if draft.is_task
        )
        platform = self.drafts.get(PLATFORM)
        return Recording(tasks=tasks, platform=tuple(platform.lines) if platform else ())


def _channel(draft: _Draft, line: fields.Line) -> str:
    channel = fields.one_of(line, "channel", _CHANNELS)
    if not draft.is_task and channel in _TASK_CHANNELS:
        raise InvalidLine(f'channel "{channel}" needs a task; task "{PLATFORM}" is the platform as a whole')
    draft.channels.add(channel)
    if draft.is_task and draft.is_apikley and draft.is_wiro:
        raise InvalidLine(f'task "{draft.name}" has lines of both Wiro and Apikley; use two tasks')
    return channel


def _action(draft: _Draft, line: fields.Line, channel: str) -> Action | None:
    """Return the action of a line; None if it has none."""
    if fields.one_of(line, "from", ("client", "platform")) == "client":
        fields.only(line, *_COMMON_FIELDS, *_CLIENT_FIELDS)
        return _wait(draft, line, channel)
    fields.only(line, *_COMMON_FIELDS, *_PLATFORM_FIELDS.get(channel, _RESPONSE_FIELDS))
    if problem := placeholders.problem([line.get("body"), line.get("headers")], of_task=draft.is_task):
        raise InvalidLine(problem)
    action = platform_action(line, channel)
    if not isinstance(action, Response) or not fields.flag(line, "reply", default=False):
        return action
    return replace(action, reply_to=_replied_call(draft, action))


def _wait(draft: _Draft, line: fields.Line, channel: str) -> Wait | None:
    if channel in ("record", "clock"):
        raise InvalidLine(f'the client sends nothing on channel "{channel}"')
    if "model" in line:
        if channel not in STARTS:
            raise InvalidLine(f"model is valid for {' and '.join(STARTS)}, not for {channel}")
        if not draft.is_task:
            raise InvalidLine(f'model needs a task; task "{PLATFORM}" is the platform as a whole')
        draft.model = fields.text(line, "model").lower()
    answered = fields.flag(line, "answered", default=False)
    if answered and channel not in (*CALLS, "cdn"):
        raise InvalidLine(f'messages on channel "{channel}" have no response')
    count = fields.whole(line, "count", draft.waits[channel] + 1)
    draft.waits[channel] = count
    # A task begins with its Run, so there is nothing to wait for.
    if (channel in STARTS and draft.is_task) or not fields.flag(line, "wait", default=True):
        return None
    return Wait(channel=channel, count=count, answered=answered)


def _replied_call(draft: _Draft, response: Response) -> int | None:
    """Return the number of the call that a reply answers; None for the call that starts a task."""
    channel = response.channel
    if channel in STARTS:
        return None
    number = draft.waits[channel]
    if channel not in CALLS or not number:
        raise InvalidLine(f'a reply needs an earlier line with "from": "client" and "channel": "{channel}", a call')
    if number in draft.replied[channel]:
        raise InvalidLine(f"call {number} on channel {channel} already has a reply")
    if response.times is not None:
        raise InvalidLine("a reply answers one call; remove times")
    draft.replied[channel].add(number)
    return number

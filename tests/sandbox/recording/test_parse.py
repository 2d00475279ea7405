"""
Parsing recordings, and the error messages for invalid lines.

`actions`, `fields`, `lines` and `placeholders` are tested here too.
"""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import ConfigError
from relay.sandbox import Sandbox
from relay.sandbox.recording.parse import read
from tests.lab import Line, said, sent


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not JSON: Expecting property name enclosed in double quotes at column 2"),
        ("[]", "not a JSON object"),
        ({"from": "platform", "channel": "record", "body": {}}, "at_s is missing; add a number not below 0"),
        (said("record", at_s=-1, body={}), "at_s is -1; it must be a number not below 0"),
        (said("record", body={}, bdy=1), 'unknown field "bdy"; this line can have at_s, from, channel'),
        (said("Task/Detial"), 'channel is "Task/Detial"; it must be one of Run, Task/Detail'),
        ({"at_s": 0, "from": "me", "channel": "Run"}, 'from is "me"; it must be one of client, platform'),
        (said("record", body=[]), "body is []; it must be an object"),
        (said("socket"), 'channel "socket" needs a body or a close code'),
        (said("socket", close=99), "close is 99; use a code from 1000 to 4999"),
        (said("socket", body="x", frame="raw"), 'a frame of kind "raw" needs "encoding": "base64"'),
        (said("socket", body="?", encoding="base64"), 'body is "?", which is not base64'),
        (said("socket", body="x", task="*"), 'channel "socket" needs a task'),
        (said("socket", body="{{tokn}}"), "unknown placeholder {{tokn}}; use id, token, cdn, base, now"),
        (said("socket", body={"a": ["{{id+1}}"]}), "{{id+1}} is not a time"),
        (said("Tool/Detail", body="{{id}}", task="*"), "{{id}} needs a task"),
        (said("Task/Detail", status=99), "status is 99; use one from 200 to 599"),
        (said("Task/Detail", times=0), "times is 0; remove the line"),
        (said("Task/Detail", after_bytes=1), 'add "fault": "hang" or "drop"'),
        (said("Task/Detail", fault="boom"), 'fault is "boom"; it must be one of hang, drop'),
        (said("Task/Detail", headers={"A": 1}), "headers is "),
        (said("clock", body={"offset": 1}), "the clock has no field offset; use offset_s and date_offset_s"),
        (said("Task/Detail", status=200.5), "status is 200.5; it must be a whole number"),
        (
            said("Task/Detail", headers={"A": "a\nb"}),
            'header "A" is "a\\nb"; it must be a valid name and one line of text',
        ),
        (
            said("Task/Kill", reply=True),
            'a reply needs an earlier line with "from": "client" and "channel": "Task/Kill"',
        ),
        (said("Task/Detail", reply=True, times=2), "a reply answers one call; remove times"),
        (said("clock", body={"offset_s": float("inf")}), "offset_s is Infinity; it must be a number"),
        (said("record", at_s=10**400, body={}), "at_s is 1000000"),
        (said("record", body={}, remove="pexit"), 'remove is "pexit"; it must be a list of strings'),
        (said("socket", close=1000, reason="x" * 124), "reason is longer than 123 bytes"),
        (sent("record"), 'the client sends nothing on channel "record"'),
        (sent("socket", answered=True), 'messages on channel "socket" have no response'),
        (sent("socket", model="a/b"), "model is valid for Run and jobs/createTask, not for socket"),
        (sent("Run", model="a/b", task="*"), 'model needs a task; task "*" is the platform as a whole'),
        (said("Run", status=503, times=2), "a task has one Run; remove times"),
        (said("socket", body="x", reason="bye"), 'reason needs a close code; add "close"'),
        (
            said("record", body={"a": "{{date+99999999999}}"}),
            "{{date+99999999999}} is shifted by more than 10000000000",
        ),
        (said("clock", body={"offset_s": -1e14}), "the clock can be shifted by at most 10000000000 s"),
        (said("socket", close=1000, body="x"), "a line has either a body or a close code; use two lines"),
        (said("socket", encoding="base64"), "encoding needs a body"),
        (said("record", body={}, replace=1), "replace is 1; it must be true or false"),
        (said("socket", body="{{date:number}}"), "{{date:number}} is not a number; remove :number"),
        ("[" * 100_000, "JSON nested too deeply"),
        ('{"at_s": ' + "9" * 5000 + "}", "a number with too many digits"),
    ],
)
def test_an_invalid_line_is_reported(line: Line | str, problem: str) -> None:
    """The message has the number of the line and the problem, and fits on one line."""
    with pytest.raises(ConfigError) as raised:
        read([sent("Task/Detail"), line])

    assert str(raised.value).startswith("sandbox: script, line 2: ")
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_lines_of_a_task_are_in_order_of_time() -> None:
    """Tasks do not affect each other."""
    read([sent("socket", at_s=2), sent("socket", at_s=1, task="other")])

    with pytest.raises(ConfigError, match=r"line 2: at_s is 1, less than in the previous line of the same task \(2\)"):
        read([sent("socket", at_s=2), sent("socket", at_s=1)])


def test_a_task_belongs_to_one_platform() -> None:
    """A task cannot have calls of both Wiro and Apikley."""
    with pytest.raises(ConfigError, match="lines of both Wiro and Apikley"):
        read([sent("jobs/createTask"), sent("Task/Detail")])


def test_a_run_has_one_response() -> None:
    """A Run starts the task, so that a second one belongs to another task."""
    with pytest.raises(ConfigError, match='task "1" already has a response to Run'):
        read([said("Run"), said("Run")])


def test_errors_name_the_file_and_the_line(tmp_path: Path) -> None:
    """Empty lines count."""
    path = tmp_path / "task.jsonl"
    path.write_text('{"at_s":0,"from":"client","channel":"socket"}\n\n{"at_s":0}\n')

    with pytest.raises(ConfigError, match=r"task\.jsonl, line 3: channel is missing"):
        Sandbox(script=path)
    with pytest.raises(ConfigError, match=r"cannot read the script .*: No such file"):
        Sandbox(script=str(tmp_path / "none"))
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        Sandbox(script=path)


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    """JSON can contain other line separators, and an editor can add a byte order mark."""
    path = tmp_path / "task.jsonl"
    line = json.dumps(said("record", body={"debugoutput": "a\u2028b\u0085c\x0cd"}), ensure_ascii=False)
    path.write_bytes(f"\ufeff{line}\r\n\r\n{line}\r\n".encode())

    (task,) = read(path).tasks

    assert len(task.lines) == 2


_VALUES: st.SearchStrategy[object] = st.sampled_from(
    ["platform", "client", "socket", "Task/Detail", "record", "*", "{{id}}", "base64", [], {}, None]
)
_NAMES = ("at_s", "from", "channel", "task", "body", "encoding", "status", "times", "close", "frame", "count", "path")
_LINES = st.dictionaries(st.sampled_from(_NAMES), _VALUES | st.integers(-2, 2000) | st.floats() | st.text(max_size=3))


@given(st.lists(_LINES | _LINES.map(lambda line: line | {"at_s": 0, "from": "platform"}), max_size=4))
def test_any_line_is_parsed_or_refused(lines: list[Line]) -> None:
    """Parsing raises nothing but ConfigError."""
    for given_lines in (lines, [json.dumps(line) for line in lines]):
        with suppress(ConfigError):
            read(given_lines)


def test_a_call_has_one_reply() -> None:
    """The reply to the call that starts a task needs no earlier line."""
    read([said("Run", reply=True)])

    with pytest.raises(ConfigError, match="call 1 on channel Task/Detail already has a reply"):
        read([sent("Task/Detail"), said("Task/Detail", reply=True), said("Task/Detail", reply=True)])

"""Tests for frames: both dialects, every form of a message, and one error for malformed input."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.events import Output, Progress, Stage
from relay.core.progress import reported_eta
from relay.core.signals import EndSeen, LogSeen, Part, ProgressSeen, Signal, StageSeen, TextSeen
from relay.providers.wiro.frames import FrameError, parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = ["percentage", "stepCurrent", "stepTotal", "task", "speed", "remainingTime", "thinking", "answer", "segments"]
TYPES = [
    "task_output",
    "task_error",
    "task_postprocess_end",
    "task_cancel",
    "task_end",
    "task_output_full",
    "agent_output",
    "novel",
]


def said(kind: str, **fields: Any) -> tuple[Signal, ...]:
    return parse(json.dumps({"type": kind, "id": "534574", **fields})).signals


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.POSTPROCESS_END])
@pytest.mark.parametrize("fields", [{"message": None}, {"message": ""}, {}])
def test_a_stage_frame_may_have_any_message(stage: Stage, fields: dict[str, Any]) -> None:
    """The message may be null, empty or missing; `task_end` is a stage, not the end of the task."""
    assert said(f"task_{stage}", **fields) == (StageSeen(stage=stage),)


def test_a_frame_identifies_its_task_in_either_dialect() -> None:
    """Gen-1 frames have token and ID, gen-2 frames the ID as a string or number; some have neither."""
    first = parse('{"type":"task_start","id":"534574","tasktoken":"eDcCm5yy","message":null,"result":true}')
    second = parse('{"type":"task_start","id":534574,"message":null,"success":null,"terminal":false,"exitCode":null}')
    bare = parse('{"type":"task_start"}')

    assert (first.token, first.upstream_id) == ("eDcCm5yy", "534574")
    assert (second.token, second.upstream_id) == (None, "534574")
    assert (bare.token, bare.upstream_id) == (None, None)
    assert "eDcCm5yy" not in repr(first)


PROGRESS = {
    "type": "progressGenerate",
    "task": "Generate",
    "percentage": "60",
    "stepCurrent": "6",
    "stepTotal": "10",
    "speed": "1.2",
    "speedType": "it/s",
    "elapsedTime": "5s",
    "remainingTime": "3s",
}


@pytest.mark.parametrize("message", [PROGRESS, json.dumps(PROGRESS)], ids=["object", "JSON in a string"])
def test_a_progress_object_is_progress_and_not_log(message: object) -> None:
    """All its numbers are strings; the object may be JSON in a string."""
    progress = Progress(percent=60.0, step=6, steps=10, label="Generate", speed=1.2, unit="it/s", eta=reported_eta(3.0))

    assert said("task_output", message=message) == (ProgressSeen(progress=progress),)


@pytest.mark.parametrize(
    ("message", "progress"),
    [
        ({"percentage": "NaN", "stepCurrent": "1", "stepTotal": "4"}, Progress(step=1, steps=4)),
        ({"percentage": ""}, None),
        ({"percentage": "130", "task": "Upscale"}, Progress(label="Upscale")),
        ({"percentage": "-1"}, None),
        ({"percentage": -0.5, "speed": "-2"}, None),
        ({"percentage": "Infinity"}, None),
        ({"percentage": "nan", "speed": "inf"}, None),
        ({"percentage": ">100"}, None),
        ({"percentage": "1e400"}, None),
        ({"percentage": True}, None),
        ({"percentage": "0"}, Progress(percent=0.0)),
        ({"percentage": "100"}, Progress(percent=100.0)),
        ({"percentage": 12.5}, Progress(percent=12.5)),
        ({"percentage": "12%"}, Progress(percent=12.0)),
        ({"task": "Upscale"}, Progress(label="Upscale")),
        ({"type": "progressGenerate"}, None),
        ({"stepCurrent": "-1", "stepTotal": "x"}, None),
    ],
)
def test_any_part_of_a_progress_object_is_enough(message: object, progress: Progress | None) -> None:
    """Any field may be missing or not a number; an object without content yields no signal."""
    expected = () if progress is None else (ProgressSeen(progress=progress),)

    assert said("task_output", message=message) == expected


def test_text_is_log_with_its_line_ends() -> None:
    """stdout is `task_output`; a number, an unknown object and JSON of one become text."""
    assert said("task_output", message="Loading…\r\n") == (LogSeen(stream="stdout", text="Loading…\r\n"),)
    assert said("task_output", message=7) == (LogSeen(stream="stdout", text="7"),)
    assert said("task_output", message={"loss": 1}) == (LogSeen(stream="stdout", text='{"loss":1}'),)
    assert said("task_output", message='{"loss": 1}') == (LogSeen(stream="stdout", text='{"loss": 1}'),)
    assert said("task_output", message="{half") == (LogSeen(stream="stdout", text="{half"),)
    assert said("task_output", message=None) == said("task_output") == said("task_output", message={}) == ()


def test_task_error_is_a_line_on_stderr_and_not_the_end() -> None:
    """Models write warnings to stderr, which is not a failure."""
    assert said("task_error", message="UserWarning: …") == (LogSeen(stream="stderr", text="UserWarning: …"),)


@pytest.mark.parametrize(("kind", "stream"), [("task_output", "stdout"), ("task_error", "stderr")])
def test_a_bar_in_the_text_of_either_stream_is_also_progress(kind: str, stream: Any) -> None:
    """The text remains a log line, so nothing is lost."""
    bar = "10%|█| 1/10"

    assert said(kind, message=bar) == (
        LogSeen(stream=stream, text=bar),
        ProgressSeen(progress=Progress(percent=10.0, step=1, steps=10)),
    )


def test_the_two_lists_of_an_answer_come_in_pairs() -> None:
    """`thinking[n]` precedes `answer[n]`, so parts keep their position while later ones are appended."""
    message = {
        "type": "answer",
        "thinking": ["t0", "t1"],
        "answer": ["a0", "a1", "a2"],
        "raw": "all of it",
        "isThinking": False,
        "speed": "48.5",
        "speedType": "t/s",
    }

    assert said("task_output", message=message) == (
        TextSeen(
            parts=(
                Part(kind="thinking", text="t0"),
                Part(kind="answer", text="a0"),
                Part(kind="thinking", text="t1"),
                Part(kind="answer", text="a1"),
                Part(kind="answer", text="a2"),
            )
        ),
    )


@pytest.mark.parametrize(
    "message",
    [
        {"answer": "hello"},
        {"answer": ["hello"], "thinking": [], "raw": "<think></think>hello"},
        {"raw": "hello", "thinking": [], "answer": []},
        {"raw": "hello", "isThinking": False},
        {"raw": "hello", "speed": "48.5", "speedType": "words/s"},
        {"raw": "<answer>hello</answer>"},
        {"answer": ["<answer>hello</answer>"]},
        {"answer": ["<answer>hello</ans"]},
        {"segments": [{"type": "answer", "text": "hello"}]},
        {"segments": [{"type": "answer", "text": "<answer>\nhello\n</answer>"}]},
        {"segments": '[{"type":"Answer","text":"hello"}]'},
        json.dumps({"answer": ["hello"]}),
    ],
)
def test_an_answer_is_read_in_every_spelling(message: object) -> None:
    """A list, a string, the raw text alone, segments, JSON in a string: the same answer."""
    assert said("task_output", message=message) == (TextSeen(parts=(Part(kind="answer", text="hello"),)),)


def test_segments_keep_their_order_and_their_kind() -> None:
    """Gen-2 segments are ordered; a tool call becomes its name with its arguments or input in parentheses."""
    message = {
        "type": "progressGenerate",
        "segments": [
            {"type": "thinking", "text": "hm"},
            {"type": "thinking", "text": "hmm"},
            {"type": "function_call", "name": "look", "arguments": '{"a":1}'},
            {"type": "function_call", "name": "find", "arguments": {"b": [2]}, "status": "in_progress"},
            {"type": "custom_tool_call", "name": "run", "input": "ls"},
            {"type": "custom_tool_call", "input": "x"},
            {"type": "reasoning", "text": "<answer>"},
            {"text": "of no kind"},
            "bare",
        ],
        "finishreason": "stop",
    }

    assert said("task_output", message=message) == (
        TextSeen(
            parts=(
                Part(kind="thinking", text="hm"),
                Part(kind="thinking", text="hmm"),
                Part(kind="function_call", text='look({"a":1})'),
                Part(kind="function_call", text='find({"b":[2]})'),
                Part(kind="custom_tool_call", text="run(ls)"),
                Part(kind="custom_tool_call", text="x"),
                Part(kind="reasoning", text="<answer>"),
                Part(kind="answer", text="of no kind"),
                Part(kind="answer", text="bare"),
            )
        ),
    )


def test_an_answer_with_a_percent_is_also_progress() -> None:
    """A percent or a step is reported with each chunk, a speed alone is not."""
    signals = said("task_output", message={"answer": ["hello"], "percentage": "50"})

    assert signals == (
        TextSeen(parts=(Part(kind="answer", text="hello"),)),
        ProgressSeen(progress=Progress(percent=50.0)),
    )


def test_the_last_frame_has_the_outputs_and_in_gen_2_the_exit_code() -> None:
    """Gen-1 does not report success; gen-2 sends `success` and `exitCode` with the outputs."""
    files = [{"name": "0.png", "contenttype": "image/png", "size": "202472", "url": "https://cdn1.wiro.ai/x/0.png"}]
    outputs = (Output(content_type="image/png", name="0.png", size=202472, url="https://cdn1.wiro.ai/x/0.png"),)

    assert said("task_postprocess_end", message=files) == (EndSeen(how="finished", outputs=outputs),)
    assert said("task_postprocess_end", message=json.dumps(files)) == (EndSeen(how="finished", outputs=outputs),)
    assert said("task_postprocess_end", message=files, success=True, terminal=True, exitCode=0) == (
        EndSeen(how="finished", outputs=outputs, success=True, exit_code=0),
    )
    assert said("task_postprocess_end", outputs=files) == (EndSeen(how="finished", outputs=outputs),)
    assert said("task_postprocess_end", message=None) == (EndSeen(how="finished"),)
    assert said("task_postprocess_end", message=[]) == (EndSeen(how="finished", outputs=()),)
    assert said("task_cancel", message=None) == (EndSeen(how="canceled"),)


@pytest.mark.parametrize(
    "kind", ["TASK_POSTPROCESS_END", "Task_Postprocess_End ", "task postprocess end", "task-postprocess-end"]
)
def test_a_type_is_read_in_every_spelling(kind: str) -> None:
    """Case, spaces and hyphens do not matter."""
    assert parse(json.dumps({"type": kind, "message": []})).known
    assert said(kind, message=[]) == (EndSeen(how="finished", outputs=()),)


@pytest.mark.parametrize(
    "kind",
    [
        "connected",
        "task_output_full",
        "task_error_full",
        "task_stream_ready",
        "task_stream_end",
        "task_cost",
        "agent_output",
    ],
)
def test_irrelevant_frames_are_known_and_yield_no_signal(kind: str) -> None:
    """The welcome, the repeated logs, realtime and agent frames are ignored."""
    frame = parse(json.dumps({"type": kind, "message": {"raw": "10%|█| 1/10"}}))

    assert (frame.signals, frame.known) == ((), True)


def test_an_unknown_type_is_reported() -> None:
    """It is not an error, because Wiro may add types."""
    frame = parse('{"type":"task_teleport","message":"x"}')

    assert (frame.signals, frame.known) == ((), False)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\x00\x01", "binary"),
        ('{"type":"task_st', "not JSON"),
        ("", "not JSON"),
        ("[" * 5000, "not JSON"),
        ('[{"type":"task_start"}]', "not an object"),
        ('{"message":"secret"}', "no type"),
        ('{"type":null}', "no type"),
    ],
)
def test_a_bad_frame_has_a_reason_without_its_content(raw: str | bytes, reason: str) -> None:
    """A fixed phrase names the problem: binary, not JSON, not an object, no type."""
    with pytest.raises(FrameError) as caught:
        parse(raw)

    assert caught.value.reason == str(caught.value) == reason


def test_half_an_emoji_becomes_a_replacement_character() -> None:
    """Wiro cuts text between the halves of a surrogate pair; a complete pair is kept."""
    frame = parse('{"type":"task_output","message":{"answer":["a\\ud83d"],"task":"\\ud83d\\ude00"}}')

    assert frame.signals == (TextSeen(parts=(Part(kind="answer", text="a\ufffd"),)),)
    assert said("task_output", message="\ud83d") == (LogSeen(stream="stdout", text="\ufffd"),)
    assert said("task_output", message="😀") == (LogSeen(stream="stdout", text="😀"),)


@given(
    st.fixed_dictionaries(
        {"type": st.sampled_from(TYPES) | JSON},
        optional={
            "id": JSON,
            "tasktoken": JSON,
            "message": JSON | st.dictionaries(st.sampled_from(KEYS), JSON) | JSON.map(json.dumps),
            "success": JSON,
            "exitCode": JSON,
        },
    )
    | JSON
)
def test_any_json_is_read_or_refused_by_name(frame: object) -> None:
    """For any JSON, the parser returns signals or raises `FrameError`."""
    try:
        parse(json.dumps(frame))
    except FrameError:
        assert not isinstance(frame, dict) or not isinstance(frame.get("type"), str) or not frame["type"]


@given(st.text())
def test_any_text_is_read_or_refused_by_name(raw: str) -> None:
    """Text that is not JSON raises `FrameError` too."""
    with suppress(FrameError):
        parse(raw)

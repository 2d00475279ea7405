"""Tests for messages of models: nothing is lost, and nothing is reported twice."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.events import Progress
from relay.core.signals import LogSeen, Part, ProgressSeen, Signal, TextSeen
from relay.providers.wiro.messages import read

HALF = ProgressSeen(progress=Progress(percent=50.0))


def said(message: object) -> tuple[Signal, ...]:
    return tuple(read(message, "stdout"))


def lines(message: object) -> list[str]:
    return [signal.text for signal in said(message) if isinstance(signal, LogSeen)]


def parts(message: object) -> list[tuple[str, str]]:
    return [(part.kind, part.text) for signal in said(message) if isinstance(signal, TextSeen) for part in signal.parts]


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ({"type": "info", "message": "Frame 12 of 300"}, "Frame 12 of 300"),
        ({"type": "status", "text": "Uploading frames"}, "Uploading frames"),
        ({"message": "Frame 12 of 300"}, "Frame 12 of 300"),
        ({"level": "warning", "msg": "Low memory\n"}, "Low memory\n"),
        ({"type": "error", "error": "CUDA out of memory"}, "CUDA out of memory"),
        ({"status": "uploading"}, "uploading"),
        ({"raw": "Loading model weights"}, "Loading model weights"),
        ({"raw": "10 frames", "speed": "2", "speedType": "it/s"}, "10 frames"),
        ({"message": "Uploading", "file": "a.mp4"}, 'Uploading {"file":"a.mp4"}'),
        ({"message": "Frame 12 of 300", "frame": 12, "total": 300}, "Frame 12 of 300"),
        ({"loss": 1}, '{"loss":1}'),
        ({"type": "heartbeat"}, '{"type":"heartbeat"}'),
        ({"type": "progress", "done": 40}, '{"type":"progress","done":40}'),
        ({"type": "progressUpload", "files": ["a.mp4"]}, '{"type":"progressUpload","files":["a.mp4"]}'),
        ({"novel": {"message": "inside"}}, '{"novel":{"message":"inside"}}'),
        ({"message": {"frame": 1}}, '{"message":{"frame":1}}'),
        (["a", 1], '["a",1]'),
        ('{"type":"info","message":"Frame 12"}', '{"type":"info","message":"Frame 12"}'),
        ('{"loss": 1}', '{"loss": 1}'),
    ],
)
def test_an_object_that_is_not_progress_is_a_log_line(message: object, line: str) -> None:
    """The line is the text in any of its fields, else the object; a string is unchanged."""
    assert lines(message) == [line]
    assert parts(message) == []


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ({"percentage": "50", "message": "Rendering frame 12"}, "Rendering frame 12"),
        ({"percentage": "50", "type": "progressGenerate", "text": "Rendering"}, "Rendering"),
        ('{"percentage": "50", "message": "Rendering"}', "Rendering"),
        ({"percentage": "50", "raw": "Rendering"}, "Rendering"),
        ({"percentage": "50", "note": "Rendering"}, '{"note":"Rendering"}'),
        ({"percentage": "50", "type": "info", "frame": 12, "level": "info"}, None),
    ],
)
def test_text_with_a_percentage_is_both(message: object, line: str | None) -> None:
    """It is progress and a log line; metadata of the progress is not a line."""
    expected = (HALF,) if line is None else (HALF, LogSeen(stream="stdout", text=line))

    assert said(message) == expected


def test_an_answer_with_other_text_is_both() -> None:
    """The answer is streamed, and the other text becomes a log line."""
    assert said({"answer": ["Hi"], "message": "Searching the web"}) == (
        TextSeen(parts=(Part(kind="answer", text="Hi"),)),
        LogSeen(stream="stdout", text="Searching the web"),
    )


def test_an_object_on_stderr_is_a_line_there() -> None:
    """It is also progress, if it has any; an answer never comes from stderr."""
    assert tuple(read({"percentage": "50", "message": "Slow"}, "stderr")) == (
        HALF,
        LogSeen(stream="stderr", text="Slow"),
    )
    assert tuple(read({"answer": "Hi"}, "stderr")) == (LogSeen(stream="stderr", text='{"answer":"Hi"}'),)


@pytest.mark.parametrize("thinking", [True, "1", "true"])
def test_a_model_that_only_reports_that_it_thinks_writes_no_log(thinking: object) -> None:
    """All lists are empty and only the speed is reported, which is not a log line."""
    message = {"type": "progressGenerate", "answer": [], "thinking": [], "isThinking": thinking}

    assert said(message) == ()
    assert said({**message, "speed": "3.5", "speedType": "words/s"}) == (
        ProgressSeen(progress=Progress(speed=3.5, unit="words/s")),
    )


def test_a_value_that_is_nested_too_deeply_is_left_out() -> None:
    """The relay cannot write it as JSON. The rest of the message is kept."""
    deep: object = "x"
    for _ in range(300):
        deep = [deep]

    assert said({"novel": deep}) == ()
    assert lines({"message": "Uploading", "file": deep}) == ["Uploading"]
    call = {"type": "function_call", "name": "look", "arguments": deep}
    assert parts({"segments": [call, {"text": "Hi"}]}) == [("function_call", "look()"), ("answer", "Hi")]


class TestWrappers:
    """Tests for wrapper tags in growing answers."""

    @pytest.mark.parametrize(
        ("message", "found"),
        [
            ({"raw": "<think>hm</think>Hi", "isThinking": False}, [("thinking", "hm"), ("answer", "Hi")]),
            ({"answer": ["<think>hm</think>Hi"]}, [("thinking", "hm"), ("answer", "Hi")]),
            ({"thinking": ["hm"], "answer": ["<think>hm</think>Hi"]}, [("thinking", "hm"), ("answer", "Hi")]),
            ({"thinking": ["<think>hm"], "answer": []}, [("thinking", "hm")]),
            ({"answer": '["red"]'}, [("answer", '["red"]')]),
            ({"answer": ["Put it in <answer>."]}, [("answer", "Put it in <answer>.")]),
        ],
    )
    def test_a_wrapper_is_taken_off(self, message: object, found: list[tuple[str, str]]) -> None:
        """Thinking is separated from the answer and reported once."""
        assert parts(message) == found

    @pytest.mark.parametrize("shape", ["answer", "raw", "segments"])
    def test_no_incomplete_tag_is_shown(self, shape: str) -> None:
        """Character by character, in each form of a streamed answer."""
        text = "<thinking>\nhm, 1 < 2\n</thinking>\n<answer>\nHi, 1 < 2\n</answer>"
        for end in range(len(text) + 1):
            message: dict[str, Any] = {"isThinking": True}
            message[shape] = [text[:end]] if shape == "answer" else text[:end]
            if shape == "segments":
                message = {"segments": [{"type": "answer", "text": text[:end]}]}
            shown = [(kind, part) for kind, part in parts(message) if part]
            whole = [("thinking", "hm, 1 < 2"), ("answer", "Hi, 1 < 2")]
            assert all(
                part[0] == last[0] and last[1].startswith(part[1]) for part, last in zip(shown, whole, strict=False)
            )
            assert len(shown) <= len(whole)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters='<>"\\'), min_size=3).filter(str.strip)
KEYS = st.sampled_from(
    ["type", "message", "text", "raw", "status", "percentage", "task", "novel", "answer", "level", "isThinking"]
)


@settings(deadline=None)
@given(st.dictionaries(KEYS, st.none() | st.just("50") | st.booleans(), max_size=5), KEYS, TEXT, st.booleans())
def test_no_text_of_a_model_is_lost(message: dict[str, object], key: str, word: str, packed: bool) -> None:
    """In any field, it becomes a log line, a part of an answer, or a label."""
    message = {**message, key: word}
    if (key in ("type", "level") and len(message) > 1) or key in ("percentage", "isThinking"):
        return  # these say what kind of message it is, not what the model says
    if key in ("raw", "task") and (message.get("answer") or (key == "task" and message.get("raw"))):
        return  # the same answer once more, and the name of the only phase that it has
    shown = ""
    for signal in said(json.dumps(message) if packed else message):
        match signal:
            case LogSeen(text=text):
                shown += text
            case TextSeen(parts=found):
                shown += "".join(part.text for part in found)
            case ProgressSeen(progress=progress):
                shown += progress.label or ""
            case _:
                pass
    spellings = (word, word.strip()[:200].strip(), json.dumps(word)[1:-1], json.dumps(word, ensure_ascii=False)[1:-1])
    assert any(spelt in shown for spelt in spellings), (message, shown)

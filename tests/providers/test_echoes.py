"""Results and logs without the input that a platform repeats in them."""

import json

import pytest

from relay.providers import outputs
from relay.providers.echoes import without_inputs
from relay.providers.wiro import messages

SECRET = "a secret fox"


@pytest.mark.parametrize("name", ["prompt", "Negative_Prompt", "system-prompt", "inputs", "parameters", "messages"])
def test_an_input_is_left_out_under_any_spelling_of_its_name(name: str) -> None:
    """The rest is kept."""
    assert without_inputs({name: SECRET, "answer": ["a"], "message": "b"}) == {"answer": ["a"], "message": "b"}


ANSWER = {"answer": ["a"]}
ENTRY = {"contenttype": "raw", "content": {"prompt": SECRET, **ANSWER}}


@pytest.mark.parametrize(
    "given",
    [
        ENTRY,
        [json.dumps(ENTRY)],
        {"contenttype": "raw", "content": json.dumps({"prompt": SECRET, **ANSWER})},
        {"prompt": SECRET, **ANSWER},
        {"parameters": {"prompt": SECRET}, "result": {"inputs": [SECRET], **ANSWER}},
        {"contenttype": "raw", "content": {"prompt": SECRET}},
        {"contenttype": "raw", "content": json.dumps({"prompt": SECRET})},
        {"id": 7, "data": {"input": {"text": SECRET}}, **ANSWER},
        {"name": "0.png", "url": "https://cdn.example/0.png", "prompt": SECRET},
    ],
)
def test_no_result_has_it(given: object) -> None:
    """However the platform nests the content."""
    assert SECRET not in repr(outputs.read(given))


def test_the_arguments_of_a_tool_call_stay() -> None:
    """The model has written them."""
    call = {"type": "custom_tool_call", "name": "search", "input": "foxes"}
    (found,) = outputs.read({"contenttype": "raw", "content": {"prompt": SECRET, "segments": [call]}})
    assert found.content == {"segments": [call]}
    (bare,) = outputs.read({"segments": [call], "prompt": SECRET})
    assert bare.content is not None
    assert bare.content["segments"][0]["input"] == "foxes"
    assert SECRET not in repr(bare)


@pytest.mark.parametrize(
    "message",
    [
        {"prompt": SECRET, "thinking": [], "answer": ["a"]},
        json.dumps({"prompt": SECRET, "segments": [{"type": "answer", "text": "a"}]}),
        {"percentage": 10, "parameters": {"prompt": SECRET}},
        {"prompt": SECRET},
    ],
)
def test_no_log_line_has_it(message: object) -> None:
    """A message of the platform with more than the answer is shown as a line."""
    assert SECRET not in repr(list(messages.read(message, "stdout")))

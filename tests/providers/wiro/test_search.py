"""Tests for the search in Wiro's task list."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from relay.core.upstream import File, Found, Run, UpstreamTask
from relay.providers.wiro.search import pick

T0 = 1_734_513_807.0
RUN = Run(model="ByteDance/seedream-v4", input={"prompt": "a cat", "maxImages": 1, "watermark": False})
TASK = {
    "id": "7",
    "socketaccesstoken": "t7",
    "createtime": str(int(T0)),
    "modelslugowner": "bytedance",
    "modelslugproject": "seedream-v4",
    "parameters": {"prompt": "a cat", "maxImages": "1", "watermark": "false", "seed": "3"},
    "callbackurl": "",
}
KNOWN = UpstreamTask(upstream_id="7", socket_token="t7")


def found(task: Mapping[str, object], run: Run = RUN) -> Found:
    return pick([dict(task)], run, since=T0 - 5, until=T0 + 5)


def test_a_task_with_the_same_model_input_and_time_is_likely() -> None:
    """Numbers and booleans are compared as stored by Wiro; fields that Wiro adds are ignored."""
    assert found(TASK) == Found(likely=(KNOWN,))


@pytest.mark.parametrize(
    "other",
    [
        {"modelslugproject": "another"},
        {"parameters": {**TASK["parameters"], "prompt": "a dog"}},  # type: ignore[dict-item]
        {"parameters": {}},
        {"createtime": str(int(T0) - 1000)},
        {"createtime": str(int(T0) + 1000)},
        {"createtime": "0"},
    ],
)
def test_a_task_that_differs_does_not_match(other: dict[str, object]) -> None:
    """Any difference is enough."""
    assert found(TASK | other) == Found()


def test_the_values_of_files_are_not_compared() -> None:
    """Wiro stores its own URL for a file; a task without one does not match."""
    file = File(input="image", filename="a", content_type="image/png", size_bytes=1, sha256="", path=Path("0"))
    run = replace(RUN, input={**RUN.input, "image": ["https://x/2.png"]}, files=(file,))
    kept = {**TASK["parameters"], "image": "https://api/File/x/image-1.png"}  # type: ignore[dict-item]

    assert found(TASK | {"parameters": kept}, run).likely
    assert not found(TASK, run).likely


def test_the_callback_url_is_proof() -> None:
    """This holds for any other fields of the record."""
    run = Run(model="a/b", input={"prompt": "x"}, callback_url="https://relay.example/hooks/wiro/word")
    assert found({"id": "7", "socketaccesstoken": "t7", "callbackurl": run.callback_url}, run) == Found(certain=KNOWN)


def test_a_task_with_another_callback_url_does_not_match() -> None:
    """This holds even if everything else matches."""
    run = Run(model=RUN.model, input=RUN.input, callback_url="https://relay.example/hooks/wiro/word")
    assert found(TASK | {"callbackurl": "https://relay.example/hooks/wiro/other"}, run) == Found()


def test_a_task_that_is_listed_twice_is_one_candidate() -> None:
    """New tasks move others to later pages while the list is read."""
    assert pick([dict(TASK), dict(TASK)], RUN, since=T0 - 5, until=T0 + 5) == Found(likely=(KNOWN,))

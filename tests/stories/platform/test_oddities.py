"""Unusual output of the platforms, from their bytes to what viewers see."""

from typing import Any

import aiohttp

from relay.sandbox import Sandbox
from tests.conftest import MakeRelay
from tests.lab import Line, ended, frame, record, running, said, sent

MODEL = "lab/any"
JOB = "bytedance/seedream-v4-text-to-image"


async def play(
    make_relay: MakeRelay, script: list[Line], model: str = MODEL
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Play a recording, and return the task's last state and its events."""
    async with Sandbox(script=script, speed=10) as box:
        settings = {
            "wiro_api_url": box.api_url,
            "wiro_socket_url": box.socket_url,
            "apikley_api_key": box.apikley_key,
            "apikley_api_url": box.apikley_url,
        }
        async with make_relay(**settings) as relay:
            headers = {"Authorization": f"Bearer {relay.api_key}"}
            async with aiohttp.ClientSession(relay.url, headers=headers) as client:
                body = {"model": model, "input": {"prompt": "a cat"}}
                async with client.post("/v1/tasks", json=body) as answer:
                    assert answer.status == 201, await answer.text()
                    task = (await answer.json())["task"]["id"]
                url = f"/v1/tasks/{task}"
                stream = {"Accept": "text/event-stream"}
                async with client.get(f"{url}/events", headers=stream) as answer:
                    await answer.text()  # it ends with the task
                async with client.get(url) as answer, client.get(f"{url}/events") as log:
                    return await answer.json(), (await log.json())["events"]


def lines(events: list[dict[str, Any]]) -> list[str]:
    return [event["data"]["log"]["text"].strip() for event in events if "log" in event["data"]]


async def test_results_without_a_valid_type_are_recognized(make_relay: MakeRelay) -> None:
    """No type, an extension as a type, a bare address, one without a scheme: all are shown as images and videos."""
    outputs = [
        {"url": "{{cdn}}/pic.png?X=1"},
        {"name": "x", "url": "{{cdn}}/v.mp4"},
        {"name": "a", "contenttype": "png", "url": "{{cdn}}/a"},
        {"name": "b.webp", "contenttype": "application/octet-stream", "url": "{{cdn}}/b"},
        "{{cdn}}/plain.png",
        {"url": "//cdn.example.com/g.webp"},
        {"name": "c.png", "url": "javascript:alert(1)"},
    ]
    state, _ = await play(make_relay, [*running(), *ended(outputs)])

    assert state["state"] == "succeeded"
    assert [output["content_type"] for output in state["outputs"]] == [
        "image/png",
        "video/mp4",
        "image/png",
        "image/webp",
        "image/png",
        "image/webp",
        "image/png",
    ]
    assert state["outputs"][5]["url"] == "https://cdn.example.com/g.webp"
    assert state["outputs"][6]["url"] is None


async def test_an_answer_in_segments_has_no_tags(make_relay: MakeRelay) -> None:
    """Neither during streaming nor at the end; a tool call is readable."""
    text = "<think>hm</think><answer>Hi</answer>"
    call = {"type": "function_call", "name": "look", "arguments": '{"a":1}'}
    streamed = [
        frame("task_output", {"segments": [{"type": "answer", "text": text[:end]}]}, at_s=end / 10)
        for end in range(1, len(text))
    ]
    last = {"segments": [{"type": "answer", "text": text}, call], "finishreason": "stop"}
    outputs = [{"contenttype": "raw", "content": {"prompt": "q", **last}}]
    script = [*running(), *streamed, frame("task_output", last, at_s=5), *ended(outputs, at_s=5)]
    state, events = await play(make_relay, script)

    assert state["segments"] == [
        {"kind": "thinking", "text": "hm"},
        {"kind": "answer", "text": "Hi"},
        {"kind": "function_call", "text": 'look({"a":1})'},
    ]
    assert [segment.get("text") for segment in state["outputs"][0]["content"]["segments"]] == ["hm", "Hi", None]
    assert "<" not in "".join(event["data"]["append"]["text"] for event in events if "append" in event["data"])


async def test_an_object_that_a_model_prints_is_in_the_log(make_relay: MakeRelay) -> None:
    """With a key that progress has as well, next to a percentage, or as the raw text of an image model."""
    messages: list[object] = [
        {"type": "info", "message": "Frame 12 of 300"},
        {"type": "status", "text": "Uploading frames"},
        {"percentage": "50", "message": "Half of it"},
        {"raw": "Loading weights"},
        {"novel": "words"},
    ]
    frames = [frame("task_output", message, at_s=number) for number, message in enumerate(messages)]
    state, events = await play(make_relay, [*running(), *frames, *ended([{"url": "{{cdn}}/0.png"}], at_s=5)])

    assert lines(events) == [
        "Frame 12 of 300",
        "Uploading frames",
        "Half of it",
        "Loading weights",
        '{"novel":"words"}',
    ]
    assert state["progress"]["percent"] == 50
    assert state["segments"] == []


async def test_a_task_ends_whatever_the_spelling_of_its_end(make_relay: MakeRelay) -> None:
    """The last frame is in another case, and the status has a space."""
    end: dict[str, Any] = {"status": "Task Postprocess End", "postprocessendtime": "{{now}}", "pexit": "0"}
    outputs = [{"url": "{{cdn}}/0.png"}]
    state, _ = await play(
        make_relay, [*running(), record(**end, outputs=outputs), frame(" TASK_POSTPROCESS_END", outputs)]
    )

    assert state["state"] == "succeeded"
    assert state["done"]["inferred"] is False


async def test_another_word_for_failure_is_a_failure(make_relay: MakeRelay) -> None:
    """At once, with its reason."""
    failed = {"state": "Timed-Out", "failMsg": "The prompt was refused", "completeTime": "{{now_ms:number}}"}
    state, _ = await play(make_relay, [sent("jobs/createTask"), said("record", at_s=1, body=failed)], JOB)

    assert (state["state"], state["done"]["error"]["message"]) == ("failed", "The prompt was refused")


async def test_another_word_for_success_is_a_success(make_relay: MakeRelay) -> None:
    """Its results have another name and are in a list."""
    found = {"state": "COMPLETED", "resultJson": "", "videoUrl": "{{cdn}}/0.mp4", "completeTime": "{{now_ms:number}}"}
    state, _ = await play(make_relay, [sent("jobs/createTask"), said("record", at_s=1, body=found)], JOB)

    assert (state["state"], [output["content_type"] for output in state["outputs"]]) == ("succeeded", ["video/mp4"])


async def test_invalid_progress_is_dropped(make_relay: MakeRelay) -> None:
    """The bar stays as it is."""
    percents: list[object] = ["10", "150", "NaN", -1, "Infinity", ">100", "20"]
    frames = [frame("task_output", {"percentage": value}, at_s=2 * number) for number, value in enumerate(percents)]
    _, events = await play(make_relay, [*running(), *frames, *ended([{"url": "{{cdn}}/0.png"}], at_s=15)])

    assert [event["data"]["progress"]["percent"] for event in events if "progress" in event["data"]] == [10, 20]

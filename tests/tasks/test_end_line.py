"""The log has one line about each task that has ended."""

from dataclasses import replace

import aiohttp
import structlog
from structlog.testing import capture_logs

from relay.app import Running
from relay.core.events import Cost, Done, Source, Stage, State, Submit
from relay.core.events import Event as CoreEvent
from relay.core.snapshot import StageMark, begin
from relay.tasks.end_line import end_line
from tests.tasks.nodes import until

IMAGE = "bytedance/text-to-image-seedream-v4"


def test_the_stages_and_the_cost_are_in_the_line() -> None:
    """Each stage lasts until the next one that is known."""
    data = Submit(model="o/m", provider="wiro")
    first = CoreEvent(type="submit", task="t", seq=1, state=State.SUBMITTING, at=100.0, source=Source.RELAY, data=data)
    running = begin(first, "epoch")
    assert end_line(running, "shop") == {}
    marks = ((Stage.QUEUE, 100.5), (Stage.START, 102.0), (Stage.END, 112.25))
    ended = replace(
        running,
        seq=9,
        ended_at=112.5,
        stages=tuple(StageMark(type=stage, at=at, source=Source.LIVE) for stage, at in marks),
        done=Done(verdict="succeeded", cost=Cost(amount=0.03, unit="usd"), elapsed_s=10.25),
    )
    assert end_line(ended, "shop") == {
        "model": "o/m",
        "verdict": "succeeded",
        "inferred": False,
        "duration_s": 12.5,
        "stages_s": {"submit": 0.5, "queue": 1.5, "start": 10.25, "end": 0.25},
        "seq": 9,
        "key": "shop",
        "elapsed_s": 10.25,
        "cost": 0.03,
        "cost_unit": "usd",
    }


async def test_each_task_has_one_line_also_if_the_platform_refuses_it(
    client: aiohttp.ClientSession, relay: Running
) -> None:
    """It has the id of the request that has started the task."""
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        for switches, name in (("", "one"), ("run_error=97:no money", "two")):
            body = {"model": IMAGE, "input": {"prompt": f"a cat [sandbox: {switches}]"}}
            async with client.post("/v1/tasks", json=body, headers={"X-Request-Id": name}) as answer:
                await answer.read()
            await until(lambda: not relay.context.tasks.following)
    ended = [line for line in lines if line["event"] == "task.ended"]
    assert [(line["verdict"], line["request_id"]) for line in ended] == [("succeeded", "one"), ("failed", "two")]
    assert [line["model"] for line in ended] == [IMAGE, IMAGE]

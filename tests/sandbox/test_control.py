"""The control API."""

from collections.abc import Callable

import aiohttp
import pytest

from relay.errors import ConfigError
from relay.sandbox import Sandbox
from relay.sandbox.wiro.tasks import Task
from tests.sandbox.calls import IMAGE, post, run


async def test_requests_are_shown_as_received(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Fields are in order with their JSON types, with the number of identical requests."""
    body = {"size": "1x1", "maxImages": 2, "prompt": "a cat", "seed": None}
    await post(http, f"{sandbox.api_url}/Run/{IMAGE}", body)
    await post(http, f"{sandbox.api_url}/Run/{IMAGE}", body)
    async with http.get(f"{sandbox.control_url}/tasks") as response:
        state = await response.json()

    request = state["tasks"][0]["request"]
    assert request["content_type"] == "application/json"
    assert [(field["name"], field["type"]) for field in request["fields"]] == [
        ("size", "string"),
        ("maxImages", "number"),
        ("prompt", "string"),
        ("seed", "null"),
    ]
    assert state["tasks"][0]["runs_alike"] == 2


async def test_queued_switches_apply_to_the_next_runs(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Each Run takes one set of switches; an unknown switch is refused when it is queued."""
    url = f"{sandbox.control_url}/faults"
    assert (await post(http, url, {"next": [{"exit": 1}, {"percentages": ["NaN", "0"]}]}))["queued"] == 2
    assert "exitt" in str((await post(http, url, {"next": {"exitt": 1}}))["error"])
    ids = [(await run(sandbox, http))[0] for _ in range(3)]

    assert [sandbox.tasks[task_id].faults.exit for task_id in ids] == [1, 0, 0]
    assert [sandbox.tasks[task_id].faults.percentages for task_id in ids] == [(), ("NaN", "0"), ()]
    with pytest.raises(ConfigError):
        sandbox.next_run(exitt=1)


def at(stage: str) -> Callable[[Task], bool]:
    return lambda task: task.holding_at == stage


async def test_a_paused_task_is_released(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The response has the stage at which it was paused."""
    task_id, _ = await run(sandbox, http, "hold_at=task_accept|task_end")
    for stage in ("task_accept", "task_end"):
        await sandbox.until(task_id, at(stage))
        assert await post(http, f"{sandbox.control_url}/release", {"taskid": task_id}) == {"released_from": stage}
    task = await sandbox.until(task_id, lambda task: task.verdict)

    assert [stage for stage, _ in task.passed][-1] == "task_postprocess_end"
    async with http.get(f"{sandbox.control_url}/tasks") as response:
        assert (await response.json())["tasks"][0]["verdict"] == "success"


async def test_a_release_before_the_pause_counts(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """A test may release a task as soon as it has started."""
    task_id, _ = await run(sandbox, http, "hold_at=task_end")
    assert sandbox.tasks[task_id].holding_at is None

    sandbox.release(task_id)

    await sandbox.until(task_id, lambda task: task.verdict)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{", "the body is not valid JSON"),
        (b'{"exit": 1}', 'the body must be {"next": {switch: value}}'),
        (b'{"next": ["silent", "exitt"]}', "unknown switch 'exitt'"),
        (b'{"next": {"exit": "one"}}', "exit must be a whole number, not 'one'"),
    ],
)
async def test_invalid_switches_are_refused(
    sandbox: Sandbox, http: aiohttp.ClientSession, body: bytes, error: str
) -> None:
    """The response says what is wrong."""
    async with http.post(f"{sandbox.control_url}/faults", data=body) as response:
        assert response.status == 400
        assert error in (await response.json())["error"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"taskid": "1"}'])
async def test_an_unknown_task_is_not_released(sandbox: Sandbox, http: aiohttp.ClientSession, body: bytes) -> None:
    """The response is 404, also for an invalid body."""
    async with http.post(f"{sandbox.control_url}/release", data=body) as response:
        assert (response.status, await response.json()) == (404, {"error": "there is no task with this taskid"})

"""The parameters of language models that continue a conversation."""

import aiohttp
import pytest

from relay.sandbox import Sandbox
from tests.sandbox.calls import CHAT, OTHER_KEY, post, refusal, run

IMAGE_OUTPUT = [{"call_id": "call_fc_01", "output": "12"}]


async def completed(sandbox: Sandbox, http: aiohttp.ClientSession, switches: str = "", **fields: object) -> str:
    """Run the language model to its end and return the token of the task."""
    task_id, token = await run(sandbox, http, switches, CHAT, **fields)
    await sandbox.until(task_id, lambda task: task.verdict)
    return token


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "[prompt] required"),
        ({"prompt": "a", "messages": [{"role": "user", "content": "a"}]}, "[messages] must not be sent with [prompt]"),
        ({"toolOutputs": IMAGE_OUTPUT}, "[previousTaskToken] required"),
        ({"prompt": "a", "previousTaskToken": "EARLIER"}, "[session_id] required"),
        ({"prompt": "a", "previousTaskToken": "EARLIER", "session_id": "other"}, "must be a completed task"),
        ({"prompt": "a", "previousTaskToken": "unknown", "session_id": "s"}, "must be a completed task"),
        ({"prompt": "a", "session_id": "s" * 257}, "[session_id] must have at most 256 bytes"),
    ],
)
async def test_a_turn_that_is_not_valid_is_refused(
    sandbox: Sandbox, http: aiohttp.ClientSession, given: dict[str, object], message: str
) -> None:
    """No task is started."""
    earlier = await completed(sandbox, http, session_id="s")
    if given.get("previousTaskToken") == "EARLIER":
        given = given | {"previousTaskToken": earlier}
    assert message in refusal(await post(http, f"{sandbox.api_url}/Run/{CHAT}", given))[1]
    assert len(sandbox.tasks) == 1


async def test_a_turn_continues_a_completed_task_of_the_session(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """With a prompt, messages or the results of tools; also if the first turn had no session."""
    earlier = await completed(sandbox, http)
    for given in ({"prompt": "b"}, {"messages": [{"role": "user"}]}, {"toolOutputs": IMAGE_OUTPUT}):
        turn = given | {"previousTaskToken": earlier, "session_id": "s"}
        assert (await post(http, f"{sandbox.api_url}/Run/{CHAT}", turn))["result"]


@pytest.mark.parametrize("switches", ["exit=1", "hold_at=task_start"])
async def test_a_task_that_has_not_completed_cannot_be_continued(
    sandbox: Sandbox, http: aiohttp.ClientSession, switches: str
) -> None:
    """Whether it has failed or runs."""
    task_id, earlier = await run(sandbox, http, switches, CHAT, session_id="s")
    await sandbox.until(task_id, lambda task: task.verdict or task.holding_at)
    turn = {"prompt": "b", "previousTaskToken": earlier, "session_id": "s"}
    assert "completed task" in refusal(await post(http, f"{sandbox.api_url}/Run/{CHAT}", turn))[1]


async def test_a_conversation_ends_with_the_deletion_of_its_files(
    sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    """Its outputs are gone. Another project cannot continue it either."""
    earlier = await completed(sandbox, http, session_id="s")
    turn = {"prompt": "b", "previousTaskToken": earlier, "session_id": "s"}
    foreign = await post(http, f"{sandbox.api_url}/Run/{CHAT}", turn, **{"x-api-key": OTHER_KEY})
    assert foreign["result"] is False
    await post(http, f"{sandbox.api_url}/Task/InputOutputDelete", {"tasktoken": earlier})
    assert "completed task" in refusal(await post(http, f"{sandbox.api_url}/Run/{CHAT}", turn))[1]

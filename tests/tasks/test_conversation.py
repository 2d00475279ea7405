"""Conversations of language models: `previousTaskToken` is the relay's id of the earlier task."""

from typing import Any

import aiohttp
import pytest

from relay.app import Running
from relay.errors import RequestError
from relay.sandbox import Sandbox
from relay.sandbox.wiro import task_starter
from relay.tasks.requests import Start
from tests.tasks.support import ended, request

CHAT = "wiro/sandbox-chat"


def turn(prompt: str, **given: object) -> Start:
    return Start(model=CHAT, input={"prompt": prompt, "session_id": "s", **given})


async def test_a_conversation_continues(relay: Running, client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """The platform receives its own token, and the client gets back the id that it sent."""
    tasks = relay.context.tasks
    first = (await tasks.start(turn("hello"))).snapshot
    await ended(relay, first.id)
    second = (await tasks.start(turn("go on", previousTaskToken=first.id))).snapshot
    assert (await ended(relay, second.id)).state == "succeeded"

    sent: dict[str, Any] = {field.name: field.value for field in sandbox.runs[1].fields}
    token = (await tasks.stored_task(first.id)).upstream.socket_token  # type: ignore[union-attr]
    assert sent["previousTaskToken"] == token
    for path in ("", "/input", "/events?limit=1000"):
        async with client.get(f"/v1/tasks/{second.id}{path}") as answer:
            text = await answer.text()
            assert token not in text
            assert path != "/input" or first.id in text


async def test_the_results_of_tools_continue_a_conversation(relay: Running, sandbox: Sandbox) -> None:
    """Without a prompt."""
    sandbox.next_run(dialect="gen2", answer_calls="function_call")
    first = (await relay.context.tasks.start(turn("the weather"))).snapshot
    await ended(relay, first.id)
    results = [{"call_id": "call_fc_01", "output": {"temperature_c": 12}}]
    given = {"toolOutputs": results, "session_id": "s", "previousTaskToken": first.id}
    second = (await relay.context.tasks.start(Start(model=CHAT, input=given))).snapshot
    assert (await ended(relay, second.id)).state == "succeeded"


async def test_the_earlier_task_must_be_one_that_can_be_continued(relay: Running, sandbox: Sandbox) -> None:
    """Nothing is sent otherwise. The platform's own token is not accepted."""
    tasks = relay.context.tasks
    sandbox.next_run(hold_at="task_start")
    running = (await tasks.start(turn("hello"))).snapshot
    token = sandbox.tasks[running.upstream_id or ""].token
    sandbox.next_run(run_error="97:Insufficient balance")
    refused = (await tasks.start(turn("hello"))).snapshot
    for wrong, message in (
        ("unknown", "must be the ID"),
        (token, "must be the ID"),
        (7, "must be the ID"),
        (running.id, "has not ended"),
        (refused.id, "did not accept"),
    ):
        with pytest.raises(RequestError, match=message) as caught:
            await tasks.start(turn("go on", previousTaskToken=wrong))
        assert [each.field for each in caught.value.fields] == ["input.previousTaskToken"]
        assert token not in str(caught.value)
    assert len(sandbox.runs) == 2


async def test_a_task_of_another_provider_cannot_be_continued(relay: Running, sandbox: Sandbox) -> None:
    """Its token means nothing to this one."""
    first = (await relay.context.tasks.start(request())).snapshot
    await ended(relay, first.id)
    stored = await relay.context.tasks.stored_task(first.id)
    relay.journal._tasks[first.id].stored = type(stored)(  # type: ignore[attr-defined]
        id=first.id, provider="apikley", model="o/m", created_at=1.0, input={}, metadata={}
    )
    with pytest.raises(RequestError, match="is a task of apikley"):
        await relay.context.tasks.start(turn("go on", previousTaskToken=first.id))


async def test_a_refusal_that_quotes_the_token_does_not_disclose_it(
    relay: Running, client: aiohttp.ClientSession, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refusals are passed on to clients."""
    first = (await relay.context.tasks.start(turn("hello"))).snapshot
    await ended(relay, first.id)
    token = sandbox.tasks[first.upstream_id or ""].token
    monkeypatch.setattr(
        task_starter, "conversation_error", lambda *_given: f"Request parameter [previousTaskToken] {token} is too old"
    )
    body = {"model": CHAT, "input": {"prompt": "go on", "session_id": "s", "previousTaskToken": first.id}}
    async with client.post("/v1/tasks", json=body) as answer:
        text = await answer.text()
        assert answer.status == 422
        assert "is too old" in text
        assert token not in text

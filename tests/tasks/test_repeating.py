"""Running a task again with edits: `POST /v1/tasks/{id}/again`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.app import Running
from relay.core.upstream import File
from relay.errors import RequestError
from relay.journal.base import StoredTask, Subscription
from relay.sandbox import Sandbox
from relay.tasks.repeating import repeat, reused_files
from relay.tasks.requests import Again, Attach
from tests.tasks.support import MODEL, ended, request, start_elsewhere

STORED = StoredTask(
    id="task",
    provider="wiro",
    model="o/m",
    created_at=1.0,
    tags=("a",),
    title="Cat",
    input={"prompt": "a cat", "seed": None},
    files=(File(input="photo", filename="0.png", content_type="image/png", size_bytes=1, sha256="", path=Path("u/0")),),
    metadata={"order": 1},
    hook="hook",
    webhook=Subscription(url="https://example.com/hook"),
)


def test_edits_replace_what_they_name() -> None:
    """Null leaves an input out. What is not named is as it was."""
    plain = replace(STORED, files=())
    same = repeat(plain, Again())
    assert (same.model, same.provider, same.tags, same.metadata) == ("o/m", "wiro", ("a",), {"order": 1})
    assert (same.input, same.webhook, same.title) == (STORED.input, STORED.webhook, "Cat")
    edited = repeat(plain, Again(input={"prompt": None, "size": "1K"}, tags=(), metadata={}, title="Dog"))
    assert (edited.title, repeat(plain, Again(title="")).title) == ("Dog", None)
    assert (edited.input, edited.tags, edited.metadata) == ({"seed": None, "size": "1K"}, (), {})


@pytest.mark.parametrize("edits", [{"photo": None}, {"photoUrl": "https://example.com/0.png"}])
def test_an_uploaded_file_must_be_replaced(edits: dict[str, object]) -> None:
    """Unless the archive has it; the error names its input."""
    with pytest.raises(RequestError) as caught:
        repeat(STORED, Again(input={"prompt": "a dog"}))
    assert [each.field for each in caught.value.fields] == ["input.photo"]
    assert repeat(STORED, Again(input=edits)).files == ()
    assert reused_files(STORED, Again(input=edits)) == {}
    assert repeat(STORED, Again(input={"prompt": "a dog"}), {"inputs/0"}).input["prompt"] == "a dog"
    assert reused_files(STORED, Again()) == {"inputs/0": STORED.files[0]}


async def again(
    client: aiohttp.ClientSession, task: str, body: object = None, **headers: str
) -> tuple[int, dict[str, Any]]:
    async with client.post(f"/v1/tasks/{task}/again", json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_a_task_is_run_again(relay: Running, client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """The answer is that of a start, and says what the task has cost. An idempotency key works as there."""
    first = (await relay.context.tasks.start(request())).snapshot
    done = (await ended(relay, first.id)).done
    status, same = await again(client, first.id, {"tags": ["b"]}, **{"Idempotency-Key": "k"})
    _, repeated = await again(client, first.id, {"tags": ["b"]}, **{"Idempotency-Key": "k"})
    conflict, _ = await again(client, first.id, {"tags": ["c"]}, **{"Idempotency-Key": "k"})

    assert (status, conflict) == (201, 409)
    assert same["task"]["id"] == repeated["task"]["id"] != first.id
    assert (same["task"]["tags"], same["token"] != "") == (["b"], True)
    assert done is not None
    assert done.cost is not None
    cost = {"amount": done.cost.amount, "unit": done.cost.unit}
    assert same["previous"] == {"task": first.id, "cost": cost, "elapsed_s": done.elapsed_s}
    one, other = sandbox.runs
    assert (one.model, one.fields) == (other.model, other.fields)


async def test_the_edited_input_is_checked(relay: Running, client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """An empty body has no edits; a task that runs can be run again, too."""
    sandbox.next_run(hold_at="task_start")
    first = (await relay.context.tasks.start(request())).snapshot
    status, problem = await again(client, first.id, {"input": {"size": "huge"}})
    assert (status, problem["errors"][0]["field"]) == (422, "input.size")
    async with client.post(f"/v1/tasks/{first.id}/again") as answer:
        assert (answer.status, (await answer.json())["previous"]["cost"]) == (201, None)


async def test_only_keys_may_run_tasks_again(relay: Running, client: aiohttp.ClientSession) -> None:
    """And only tasks whose input the relay has."""
    assert (await again(client, "unknown"))[0] == 404
    first = (await relay.context.tasks.start(request())).snapshot
    token, _ = relay.context.access.mint(first.id, scope="view cancel input", ttl_s=60)
    assert (await again(client, first.id, Authorization=f"Bearer {token}"))[0] == 403


async def test_a_task_that_was_attached_to_cannot_be_run_again(
    relay: Running, client: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    """The relay does not have its input."""
    async with aiohttp.ClientSession() as session:
        token = await start_elsewhere(session, sandbox)
    attached = (await relay.context.tasks.attach(Attach(socket_token=token))).snapshot
    status, problem = await again(client, attached.id)
    assert (status, problem["code"]) == (409, "conflict")
    assert attached.model.lower() == MODEL

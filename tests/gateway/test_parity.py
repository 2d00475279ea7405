"""
The same calls to the simulated Wiro and to the gateway: what existing clients read must be the same.

They are the calls of the SDK for React Native and of the MCP server, which `tests/sandbox/clients` has in detail:
https://github.com/wiroai/ReactNative-QuickStart, https://github.com/wiroai/Wiro-MCP
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from relay.sandbox import API_KEY, API_SECRET, Sandbox
from tests.gateway.conftest import WiroClient
from tests.sample_files import png

RUN = "Run/bytedance/text-to-image-seedream-v4"
RUNNING = {"prompt": "A lake [sandbox: await_subscriber, hold_at=task_start]"}
QUEUED = {"prompt": "A lake [sandbox: hold_at=task_queue]"}

ADDED = {"task_queue"}
"""A stage that Wiro sends only to a client that is fast."""

LEFT_OUT = {"task_output_full", "task_error_full"}
"""Whole logs, which no client reads."""

ENTRY = {
    *("id", "socketaccesstoken", "parameters", "status", "pexit", "debugoutput", "debugerror", "outputs"),
    *("createtime", "starttime", "endtime", "canceltime", "elapsedseconds", "totalcost"),
    *("modelslugowner", "modelslugproject"),
}
"""What clients read of a task."""


@pytest.fixture
async def platform(sandbox: Sandbox) -> AsyncIterator[WiroClient]:
    """Open a client of the simulated Wiro itself."""
    async with aiohttp.ClientSession() as session:
        yield WiroClient(session, sandbox.api_url, API_KEY, API_SECRET)


async def a_full_run(client: WiroClient) -> dict[str, Any]:
    """Make the calls of a client from the catalogue to the end of several tasks; return what they answered."""
    answers: dict[str, Any] = {
        "search": await client("Tool/List", {"search": "video", "categories": ["text-to-video"], "limit": "5"}),
        "explore": await client("Tool/Explore"),
        "schema": await client("Tool/Detail", {"slugowner": "bytedance", "slugproject": "seedream-v4"}),
        "no folder name": await client("File/FolderCreate"),
        "no file": await client("File/Upload", aiohttp.FormData({"name": "x"}, default_to_multipart=True)),
        "no prompt": await client(RUN),
        "no such model": await client("Run/no/such-model", {"prompt": "A lake."}),
        "no money": await client(RUN, {"prompt": "A lake [sandbox: run_error=97:Insufficient balance]"}),
        "no such task": await client("Task/Detail", {"taskid": "1"}),
        "no id": await client("Task/Detail"),
        "no key": await client("Task/Detail", {"taskid": "1"}, accept="*/*"),
        "wrong signature": await client(RUN, **{**client.signed(), "x-nonce": "1"}),
        "no such call": await client("Bench/List"),
    }
    form = aiohttp.FormData()
    form.add_field("file", png(), filename="lake.png")
    answers["upload"] = await client("File/Upload", form)

    run = answers["run"] = await client(RUN, {"prompt": "A lake [sandbox: await_subscriber]", "maxImages": 1})
    token = run["socketaccesstoken"]
    answers["frames"] = [frame async for frame in client.frames(token)]
    answers["by token"] = await client("Task/Detail", {"tasktoken": token})
    answers["by id"] = await client("Task/Detail", {"taskid": run["taskid"]})
    answers["kill ended"] = await client("Task/Kill", {"taskid": run["taskid"]})

    queued = await client(RUN, QUEUED)
    answers["cancel"] = await client("Task/Cancel", {"taskid": queued["taskid"]})
    running = await client(RUN, RUNNING)
    assert [frame async for frame in client.frames(running["socketaccesstoken"], until="task_start")]
    answers["cancel running"] = await client("Task/Cancel", {"taskid": running["taskid"]})
    answers["kill"] = await client("Task/Kill", {"socketaccesstoken": running["socketaccesstoken"]})
    chat = await client("Run/wiro/sandbox-chat", {"prompt": "Why? [sandbox: await_subscriber]", "session_id": "s"})
    answers["chat"] = [frame async for frame in client.frames(chat["socketaccesstoken"])]
    answers["chat by id"] = await client("Task/Detail", {"taskid": chat["taskid"]})

    listing = {"type": "model", "sort": "id", "order": "DESC", "start": "0", "limit": "2"}
    answers["list"] = await client("Task/List", listing)
    answers["list model"] = await client("Task/List", listing | {"modelName": "seedream-v4"})
    answers["list oldest"] = await client("Task/List", listing | {"order": "ASC", "limit": "1"})
    answers["delete"] = await client("Task/InputOutputDelete", {"tasktoken": token})
    return answers


async def test_the_gateway_answers_as_wiro_does(platform: WiroClient, wiro: WiroClient, sandbox: Sandbox) -> None:
    """Refusals in the same words; tasks and frames with the same names and types, and what clients read of them."""
    theirs, ours = await a_full_run(platform), await a_full_run(wiro)

    same = {"search", "explore", "schema", "no key", "wrong signature", "no such call", "cancel running", "kill ended"}
    for name in same | {each for each in theirs if each.startswith("no ")}:
        assert ours[name] == theirs[name], name
    for name in ("run", "upload", "delete"):
        assert {*ours[name]} == {*theirs[name]}, name
    for name in ("upload", "by token", "by id", "cancel", "kill", "list"):
        assert dict(differences(ours[name], theirs[name])) == {}, name
    for name in ("by token", "by id", "cancel", "kill", "list", "list model", "list oldest"):
        assert all({*task} >= ENTRY for task in ours[name]["tasklist"]), name
    states = [(name, "status") for name in ("by token", "by id", "cancel", "kill")]
    for name, field in [*states, ("by id", "pexit"), ("by id", "parameters"), ("by token", "parameters")]:
        assert ours[name]["tasklist"][0][field] == theirs[name]["tasklist"][0][field], name
    for name in ("list", "list model", "list oldest"):
        assert models(ours[name]) == models(theirs[name])

    for name in ("frames", "chat"):
        assert types(ours[name]) == types(theirs[name])
        last, expected = ours[name][-1], theirs[name][-1]
        assert dict(differences(last["message"], expected["message"])) == {}
        assert {*last} - {"terminal", "success", "exitCode"} <= {*expected}
    for frames in (theirs["chat"], ours["chat"]):
        assert answer(frames) == frames[-1]["message"][0]["content"]["answer"] != []
    for chat, frames in ((theirs["chat by id"], theirs["chat"]), (ours["chat by id"], ours["chat"])):
        assert answer(frames)[0] in chat["tasklist"][0]["debugoutput"]


async def test_nothing_that_a_full_run_answers_belongs_to_the_platform(wiro: WiroClient, sandbox: Sandbox) -> None:
    """Neither the platform's ids nor its tokens, which give full power over a task, nor the relay's own credentials."""
    await a_full_run(wiro)
    ran = await wiro(RUN, {"prompt": "A lake [sandbox: exit=1, stderr_lines=3]"})
    assert [frame async for frame in wiro.frames(ran["socketaccesstoken"])][-1]["exitCode"] == 1
    await wiro(RUN, {"prompt": "A lake [sandbox: run_http=502]"})
    await wiro("Task/List")

    assert len(sandbox.tasks) >= 5
    said = dict.fromkeys(texts(wiro.said))
    for secret in (API_KEY, API_SECRET, *(task.token for task in sandbox.tasks.values())):
        assert not [text for text in said if secret in text]
    assert not {*sandbox.tasks} & {*said}


def texts(value: object) -> Iterator[str]:
    """Yield all texts of a JSON value, except times, which look like the platform's ids."""
    if isinstance(value, dict):
        for name, each in value.items():
            if not name.endswith("time"):
                yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    else:
        yield str(value)


def differences(ours: object, theirs: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield where a value of the gateway has a name or a type that Wiro's does not have. It may lack names."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name, each in ours.items():
            if name not in theirs:
                yield f"{path}.{name}", "is not at Wiro"
            else:
                yield from differences(each, theirs[name], f"{path}.{name}")
    elif isinstance(ours, list) and isinstance(theirs, list):
        for mine, other in zip(ours, theirs, strict=False):
            yield from differences(mine, other, f"{path}[]")
    elif type(ours) is not type(theirs):
        yield path, f"{ours!r} instead of {theirs!r}"


def types(frames: list[dict[str, Any]]) -> set[str]:
    """Return the types of frames that both send for every task: some write no log."""
    return {frame["type"] for frame in frames} - ADDED - LEFT_OUT - {"task_error"}


def answer(frames: list[dict[str, Any]]) -> list[str]:
    """Return the last answer that was streamed."""
    said: list[list[str]] = [frame["message"]["answer"] for frame in frames if "answer" in (frame["message"] or {})]
    return said[-1]


def models(listed: dict[str, Any]) -> list[str]:
    """Return the models of a list."""
    return [task["modelslugproject"] for task in listed["tasklist"]]

"""
The requests of Wiro's MCP server, and what it reads from the responses.

https://github.com/wiroai/Wiro-MCP, src/client.ts and src/tools/
"""

import time

import aiohttp
import pytest

from relay.sandbox import Sandbox
from tests.sandbox.clients.caller import Body, Caller, plain, signed

TERMINAL = ("task_postprocess_end", "task_cancel", "task_error")


@pytest.fixture(params=["signed", "plain"])
def mcp(request: pytest.FixtureRequest, sandbox: Sandbox, http: aiohttp.ClientSession) -> Caller:
    """Return the client with and without a secret."""
    auth = plain() if request.param == "plain" else signed(str(time.time_ns() // 1_000_000))
    return Caller(sandbox, http, auth)


def search(**given: object) -> Body:
    """Return the body of a search."""
    fixed = {"start": "0", "limit": "20", "search": "", "categories": [], "sort": "relevance"}
    return {**fixed, "hideworkflows": True, "summary": True, **given}


async def test_recommend_model_sends_a_sentence(mcp: Caller) -> None:
    """The best match comes first, and Tool/Detail finds it by its clean slug."""
    listed = await mcp.post("/Tool/List", search(search="generate a video from an image", limit="10"))
    best = listed["tool"][0]
    entry = await mcp.post(
        "/Tool/Detail", {"slugowner": best["cleanslugowner"], "slugproject": best["cleanslugproject"]}
    )

    assert best["cleanslugproject"] == "image-to-video-seedance-v1"
    assert int(listed["total"]) >= len(listed["tool"])
    assert entry["tool"][0]["parameters"][0]["items"]


async def test_search_models_filters(mcp: Caller) -> None:
    """Models are filtered by category and owner, and sorted."""
    listed = await mcp.post("/Tool/List", search(categories=["llm"], slugowner="wiro", sort="time", order="ASC"))

    assert [tool["cleanslugproject"] for tool in listed["tool"]] == ["sandbox-chat"]


async def test_explore(mcp: Caller) -> None:
    """Each model has the fields that the tool prints."""
    explored = await mcp.post("/Tool/Explore", {})

    for category in explored["explore"]:
        assert category["total"] >= len(category["tools"])
        for tool in category["tools"]:
            assert tool["cleanslugowner"]
            assert float(tool["averagepoint"]) > 0
            assert {"image", "description", "categories", "commentcount", "ratedusercount"} <= {*tool}


async def test_run_model_and_wait_for_task(mcp: Caller) -> None:
    """It polls Task/Detail by token until the end, and parses numbers from text."""
    started = await mcp.run({"prompt": "a lake", "size": "2048x2048"})
    while True:
        detail = await mcp.post("/Task/Detail", {"tasktoken": started["socketaccesstoken"]})
        assert detail["result"] is True
        (task,) = detail["tasklist"]
        if task["status"] in TERMINAL:
            break

    assert (task["pexit"], f"{task['modelslugowner']}/{task['modelslugproject']}".lower()) == (
        "0",
        "bytedance/text-to-image-seedream-v4",
    )
    assert float(task["elapsedseconds"]) >= 0
    assert float(task["totalcost"]) >= 0


async def test_list_tasks(mcp: Caller) -> None:
    """Numbers are text, and `modelName` filters."""
    first, second = await mcp.run({"prompt": "a"}), await mcp.run({"prompt": "b"}, "wiro/sandbox-chat")
    body = {"type": "model", "sort": "id", "order": "DESC", "start": "0", "limit": "20"}
    everything = await mcp.post("/Task/List", body)
    chats = await mcp.post("/Task/List", body | {"modelName": "sandbox-chat"})

    assert [task["id"] for task in everything["tasklist"]] == [second["taskid"], first["taskid"]]
    assert [task["id"] for task in chats["tasklist"]] == [second["taskid"]]
    assert (int(everything["total"]), int(chats["total"])) == (2, 1)


async def test_cancel_task_looks_up_the_id_first(mcp: Caller) -> None:
    """It has only the token, and Cancel requires the id."""
    started = await mcp.held("task_queue")
    detail = await mcp.post("/Task/Detail", {"tasktoken": started["socketaccesstoken"]})
    response = await mcp.post("/Task/Cancel", {"taskid": detail["tasklist"][0]["id"]})

    assert response["result"] is True


async def test_kill_task_by_token(mcp: Caller) -> None:
    """Kill accepts the token as `socketaccesstoken`."""
    started = await mcp.held("task_start")
    response = await mcp.post("/Task/Kill", {"socketaccesstoken": started["socketaccesstoken"]})

    assert response["result"] is True


async def test_upload_file(mcp: Caller) -> None:
    """A form with one file is uploaded."""
    form = aiohttp.FormData()
    form.add_field("file", b"\x89PNG", filename="in.png", content_type="image/png")
    async with mcp.http.post(f"{mcp.sandbox.api_url}/File/Upload", data=form, headers=mcp.headers) as response:
        result = await response.json()

    assert result["result"] is True
    assert {"id", "name", "contenttype", "size", "url"} <= {*result["list"][0]}

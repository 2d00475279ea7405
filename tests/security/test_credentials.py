"""Where credentials are accepted, and what a refusal discloses."""

from typing import Any

import aiohttp
import orjson
import pytest

from relay.app import Running

IMAGE = "bytedance/text-to-image-seedream-v4"
HELD = {"model": IMAGE, "input": {"prompt": "a cat [sandbox: hold_at=task_queue]"}, "tags": ["theirs"]}
STREAM = {"Accept": "text/event-stream"}
ABSENT = "abcdefghijkmnpqrstuvwxyz23"


async def begun(client: aiohttp.ClientSession) -> str:
    async with client.post("/v1/tasks", json=HELD) as answer:
        task: str = (await answer.json())["task"]["id"]
        return task


async def closed(client: aiohttp.ClientSession, path: str, **how: Any) -> int:
    """Return the code with which a WebSocket is closed when it opens."""
    async with client.ws_connect(path, **how) as socket:
        message = await socket.receive()
        assert message.type is aiohttp.WSMsgType.CLOSE, message
        return int(message.data)


async def test_an_api_key_in_the_url_is_rejected(relay: Running, client: aiohttp.ClientSession) -> None:
    """URLs end up in logs and histories. It is rejected for reading, streaming and canceling alike."""
    task = await begun(client)
    calls = [
        ("GET", f"/v1/tasks/{task}", {}),
        ("GET", f"/v1/tasks/{task}/events", {}),
        ("GET", f"/v1/tasks/{task}/events", STREAM),
        ("GET", f"/v1/tasks/{task}/input", {}),
        ("POST", f"/v1/tasks/{task}/cancel", {}),
        ("POST", f"/v1/tasks/{task}/tokens", {}),
        ("POST", "/v1/tasks", {}),
        ("GET", "/v1/tasks", {}),
        ("GET", "/v1/events?all=true", {}),
        ("GET", f"/v1/events?task={task}", STREAM),
        ("POST", "/v1/events", {}),
    ]
    protocol = {"Sec-WebSocket-Protocol": f"relay.token.{relay.api_key}"}
    async with aiohttp.ClientSession(relay.url) as page:
        for method, path, headers in calls:
            address = f"{path}{'&' if '?' in path else '?'}token={relay.api_key}"
            async with page.request(method, address, headers=headers) as answer:
                assert (path, answer.status) == (path, 401)
            async with page.request(method, path, headers=headers | protocol) as answer:
                assert (path, answer.status) == (path, 401)
    async with client.get(f"/v1/tasks/{task}?token=x") as answer:
        state = await answer.json()
        assert (answer.status, state["cancel"]) == (200, None)  # the header wins


@pytest.mark.parametrize("path", ["/v1/ws", "/v1/tasks/{task}/ws"])
async def test_an_api_key_in_the_url_or_subprotocol_of_a_websocket_is_rejected(
    relay: Running, client: aiohttp.ClientSession, path: str
) -> None:
    """A message may carry one, because messages are not logged."""
    path = path.format(task=await begun(client))
    async with aiohttp.ClientSession(relay.url) as page:
        assert await closed(page, f"{path}?token={relay.api_key}") == 4500
        assert await closed(page, path, protocols=["relay.v1", f"relay.token.{relay.api_key}"]) == 4500
        assert await closed(page, path, headers={"Sec-WebSocket-Protocol": f"relay.token.{relay.api_key}"}) == 4500
        async with page.ws_connect("/v1/ws") as socket:
            await socket.send_json({"type": "subscribe", "all": True, "token": relay.api_key})
            assert orjson.loads(await socket.receive_str())["type"] == "snapshot"


async def test_a_tag_token_does_not_disclose_which_tasks_exist(relay: Running, client: aiohttp.ClientSession) -> None:
    """An unknown task and a task without the tag get the same refusal, over every transport."""
    task = await begun(client)
    token, _ = relay.context.access.mint_tag("ours", scope="view cancel input", ttl_s=60)
    said: dict[str, list[object]] = {}
    headers = {"Authorization": f"Bearer {token}", "X-Request-Id": "the-same"}
    async with aiohttp.ClientSession(relay.url, headers=headers) as page:
        for each in (task, ABSENT):
            answers: list[object] = []
            for method, below in (("GET", ""), ("GET", "/events"), ("GET", "/input"), ("POST", "/cancel")):
                async with page.request(method, f"/v1/tasks/{each}{below}") as answer:
                    answers += [answer.status, await answer.json()]
            async with page.get(f"/v1/events?task={each}") as answer:
                (message,) = (await answer.json())["messages"]
                answers.append(message | {"task": "…"})
            answers.append(await closed(page, f"/v1/tasks/{each}/ws"))
            async with page.ws_connect("/v1/ws") as socket:
                await socket.send_json({"type": "subscribe", "task": each})
                answers.append(orjson.loads(await socket.receive_str()) | {"task": "…"})
            said[each] = answers
    assert said[task] == said[ABSENT]
    assert said[task][0] == 403
    assert said[task][-2] == 4501

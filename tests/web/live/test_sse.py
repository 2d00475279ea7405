"""The event stream of a task, byte by byte, as the EventSource of a browser reads it."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest

from relay.app import Running
from relay.core.codec import decode_snapshot
from relay.core.snapshot import Snapshot
from relay.sandbox import Sandbox
from relay.web.http.connection_counts import ConnectionCounts

Message = dict[str, Any]
Start = Callable[..., Awaitable[Message]]
Tell = Callable[..., Snapshot]
Later = Callable[[float], None]
Blocks = Callable[[aiohttp.ClientResponse], AsyncIterator[tuple[str | None, bytes]]]

HELD = "hold_at=task_queue"
PARTING = re.compile(rb'retry: \d+\ndata: {"type":"ping","at":[\d.]+}\n\n')
"""All that a stream says which is over before it began: one block, and it has data."""

STREAM = {"Accept": "text/event-stream"}


async def run_to_the_end(client: aiohttp.ClientSession, start: Start) -> Snapshot:
    """Run a task to its end; return its last state."""
    task = (await start())["task"]["id"]
    async with client.get(f"/v1/tasks/{task}/events", headers=STREAM) as answer:
        await answer.read()
    async with client.get(f"/v1/tasks/{task}") as answer:
        return decode_snapshot(await answer.read())


async def raw_stream(relay: Running, task: str, version: str, **headers: str) -> tuple[bytes, bytes]:
    """Request a stream over a plain socket; return the head and the body up to the end of the connection."""
    address = urlsplit(relay.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    lines = [f"GET /v1/tasks/{task}/events HTTP/{version}", f"Host: {address.netloc}", "Connection: close"]
    lines += [f"Authorization: Bearer {relay.api_key}", "Accept: text/event-stream"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return head, body


def unchunked(body: bytes) -> bytes:
    """Decode a chunked body; fail if it is incomplete."""
    found = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        found, body, end = found + body[:length], body[length + 2 :], body[length : length + 2]
        assert end == b"\r\n"
        if not length:
            assert body == b""
            return found


async def test_a_stream_has_the_headers_that_browsers_and_proxies_need(
    client: aiohttp.ClientSession, start: Start
) -> None:
    """It is not cached or buffered, says when to reconnect, and has ids but no event types."""
    state = await run_to_the_end(client, start)
    async with client.get(f"/v1/tasks/{state.id}/events", headers=STREAM) as answer:
        body = await answer.read()
        headers = answer.headers

    assert answer.status == 200
    assert headers["Content-Type"] == "text/event-stream"
    assert headers["Cache-Control"] == "no-cache, no-transform"
    assert headers["X-Accel-Buffering"] == "no"
    message, rest_of_it = body.split(b"\n\n")
    retry, _, message = message.partition(b"\n")
    assert re.fullmatch(rb"retry: [1-5]\d{3}", retry)
    assert message.startswith(f'id: {state.epoch}:{state.seq}\ndata: {{"type":"snapshot","task":'.encode())
    assert rest_of_it == b""


async def test_http_1_0_gets_plain_events_and_http_1_1_gets_chunks(
    client: aiohttp.ClientSession, relay: Running, start: Start
) -> None:
    """The events are the same, and complete."""
    state = await run_to_the_end(client, start)
    old_head, old = await raw_stream(relay, state.id, "1.0")
    new_head, new = await raw_stream(relay, state.id, "1.1")

    assert b"transfer-encoding" not in old_head.lower()
    assert b"transfer-encoding: chunked" in new_head.lower()
    times = re.compile(rb'retry: \d+|"at":[\d.]+}$', re.MULTILINE)
    assert times.sub(b"", old) == times.sub(b"", unchunked(new))
    assert old.startswith(b"retry: ")
    assert old.endswith(b"}\n\n")


async def test_each_live_event_has_its_cursor_as_the_id(
    client: aiohttp.ClientSession, start: Start, sandbox: Sandbox, blocks: Blocks, tell: Tell
) -> None:
    """A ping has no id, so that a browser keeps the last one."""
    made = await start(HELD)
    received: list[Message] = []
    async with client.get(f"/v1/tasks/{made['task']['id']}/events", headers=STREAM) as answer:
        async for cursor, data in blocks(answer):
            message = orjson.loads(data)
            if not received:
                sandbox.release(made["task"]["upstream_id"])
            received.append(message)
            seq = message["task"]["seq"] if message["type"] == "snapshot" else message.get("seq")
            assert cursor == (None if seq is None else f"{made['task']['epoch']}:{seq}")

    done = tell(received).done
    assert done is not None
    assert done.verdict == "succeeded"


async def test_the_last_event_id_takes_precedence_over_the_query(
    client: aiohttp.ClientSession, start: Start, blocks: Blocks
) -> None:
    """A browser that reconnects sends both, and the query has the older cursor."""
    state = await run_to_the_end(client, start)
    path, epoch = f"/v1/tasks/{state.id}/events", state.epoch
    for header, query, resumed_at in (
        (f"{epoch}:5", f"{epoch}:2", 5),
        ("", f"{epoch}:2", 2),
        ("junk", f"{epoch}:2", 0),
    ):
        headers = STREAM | {"Last-Event-ID": header}
        async with client.get(path, params={"cursor": query}, headers=headers) as answer:
            _, data = await anext(blocks(answer))
            first = orjson.loads(data)
        assert (first["type"], first.get("seq", 0)) == ("resumed" if resumed_at else "snapshot", resumed_at)


async def test_a_client_with_the_last_event_of_an_ended_task_gets_204(
    client: aiohttp.ClientSession, start: Start
) -> None:
    """This is what makes an EventSource stop."""
    state = await run_to_the_end(client, start)
    path = f"/v1/tasks/{state.id}/events"
    for cursor, status in (
        (f"{state.epoch}:{state.seq}", 204),
        (f"{state.epoch}:{state.seq - 1}", 200),
        (f"{state.epoch}:{state.seq + 1}", 200),
        (f"another:{state.seq}", 200),
    ):
        async with client.get(path, headers=STREAM | {"Last-Event-ID": cursor}) as answer:
            assert (answer.status, bool(await answer.read())) == (status, status == 200)


async def test_a_task_that_has_not_ended_is_resumed_even_if_nothing_is_missing(
    client: aiohttp.ClientSession, start: Start, blocks: Blocks
) -> None:
    """204 would stop the client before the end."""
    made = await start(HELD)
    path = f"/v1/tasks/{made['task']['id']}/events"
    cursor = ""
    async with client.get(path, headers=STREAM) as answer:
        async for at, data in blocks(answer):
            cursor = at or cursor
            if b'"type":"queue"' in data:  # the task is held here, so no event follows
                break
    async with client.get(path, headers=STREAM | {"Last-Event-ID": cursor}) as answer:
        _, data = await anext(blocks(answer))

    assert {name: value for name, value in orjson.loads(data).items() if name != "at"} == {
        "type": "resumed",
        "task": made["task"]["id"],
        "seq": int(cursor.rpartition(":")[2]),
        "events": 0,
    }


async def test_a_cursor_is_valid_after_a_restart(
    make_relay: Callable[..., AbstractAsyncContextManager[Running]],
    tmp_path: Path,
    blocks: Blocks,
    tell: Tell,
    sandbox: Sandbox,
) -> None:
    """The client gets the events that it has missed."""
    store = f"sqlite:///{tmp_path / 'relay.db'}"
    body = {"model": "bytedance/text-to-image-seedream-v4", "input": {"prompt": f"a cat [sandbox: {HELD}]"}}
    async with make_relay(store=store) as first:
        headers = STREAM | {"Authorization": f"Bearer {first.api_key}"}
        async with aiohttp.ClientSession(first.url, headers=headers) as client:
            async with client.post("/v1/tasks", json=body) as answer:
                task = (await answer.json())["task"]
            async with client.get(f"/v1/tasks/{task['id']}/events") as answer:
                cursor, data = await anext(blocks(answer))
    known = tell([orjson.loads(data)])
    sandbox.release(task["upstream_id"])
    async with make_relay(store=store) as second:
        headers |= {"Last-Event-ID": cursor or ""}
        async with aiohttp.ClientSession(second.url, headers=headers) as client:
            async with client.get(f"/v1/tasks/{task['id']}/events") as answer:
                messages = [orjson.loads(data) async for _, data in blocks(answer)]
            async with client.get(f"/v1/tasks/{task['id']}") as answer:
                final = decode_snapshot(await answer.read())

    assert messages[0]["type"] == "resumed"
    assert tell(messages, known) == final
    assert final.done is not None


async def test_a_full_or_draining_relay_responds_with_200_and_a_retry(
    client: aiohttp.ClientSession, start: Start, relay: Running
) -> None:
    """After any other status a browser would give up."""
    made = await start(HELD)
    path, parts = f"/v1/tasks/{made['task']['id']}/events", relay.context
    async with client.get(path, headers=STREAM) as first:
        assert b"retry" in await first.content.readline()
        parts.viewers = ConnectionCounts(0, 1)
        async with client.get(path, headers=STREAM) as answer:
            assert answer.status == 200
            assert PARTING.fullmatch(await answer.read())
        parts.tasks._supervisor.draining = True
        async with client.get(path, headers=STREAM) as answer:
            assert answer.status == 200
            assert PARTING.fullmatch(await answer.read())
        await parts.hub.drain(0)
        assert (await first.read()).endswith(b"}\n\n")
    assert parts.hub.viewers == 0


async def test_an_expired_token_ends_the_stream_with_an_error(
    client: aiohttp.ClientSession, start: Start, later: Later, blocks: Blocks, relay: Running
) -> None:
    """The error has no id. A token that has already expired gets 401."""
    made = await start(HELD, ttl=60)
    path, headers = f"/v1/tasks/{made['task']['id']}/events", STREAM | {"Authorization": f"Bearer {made['token']}"}
    async with client.get(path, headers=headers) as answer:
        reading = blocks(answer)
        await anext(reading)
        later(61)
        (last,) = [block async for block in reading]
    async with client.get(path, headers=headers) as answer:
        assert answer.status == 401

    cursor, data = last
    assert cursor is None
    assert orjson.loads(data)["type"] == "error"
    assert orjson.loads(data)["code"] == "token_expired"
    assert relay.context.hub.viewers == 0


async def test_a_token_is_accepted_in_the_query(relay: Running, start: Start, blocks: Blocks) -> None:
    """An EventSource cannot set headers."""
    made = await start(HELD)
    async with (
        aiohttp.ClientSession(relay.url, headers=STREAM) as page,
        page.get(f"/v1/tasks/{made['task']['id']}/events", params={"token": made["token"]}) as answer,
    ):
        assert orjson.loads((await anext(blocks(answer)))[1])["type"] == "snapshot"


async def test_head_of_a_stream_gets_405(client: aiohttp.ClientSession, start: Start) -> None:
    """A response to HEAD has no body, and the hub would write one."""
    made = await start(HELD)
    async with client.head(f"/v1/tasks/{made['task']['id']}/events", headers=STREAM) as answer:
        assert answer.status == 405


async def test_a_failing_journal_ends_the_stream_cleanly(
    client: aiohttp.ClientSession, start: Start, relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status is 200 already, so the stream ends and the browser reconnects."""
    made = await start(HELD)

    async def fail(_task: str) -> Snapshot | None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(relay.journal, "snapshot", fail)
    async with client.get(f"/v1/tasks/{made['task']['id']}/events", headers=STREAM) as answer:
        assert answer.status == 200
        assert PARTING.fullmatch(await answer.read())


async def test_an_unexpected_error_cuts_the_stream(
    client: aiohttp.ClientSession, start: Start, relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No second response is written into it, and the client notices."""
    made = await start(HELD)
    path = f"/v1/tasks/{made['task']['id']}/events"

    async def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(relay.context.hub, "subscribe", fail)
        async with client.get(path, headers=STREAM) as answer:
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
    async with client.get(path) as answer:
        assert answer.status == 200
    assert relay.context.hub.viewers == 0

"""Fixtures that start a task and read what a viewer receives."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import aiohttp
import orjson
import pytest

from relay.app import Running
from relay.core.codec import decode_event, decode_snapshot
from relay.core.snapshot import Snapshot, apply
from relay.hub.rounds import ROUND_S

IMAGE = "bytedance/text-to-image-seedream-v4"

Message = dict[str, Any]


@pytest.fixture
def start(client: aiohttp.ClientSession) -> Callable[..., Awaitable[Message]]:
    """Start a task with these sandbox switches, and return the body of the response."""

    async def start_one(switches: str = "", **fields: object) -> Message:
        body = {"model": IMAGE, "input": {"prompt": f"a cat [sandbox: {switches}]"}} | fields
        async with client.post("/v1/tasks", json=body) as answer:
            made: Message = await answer.json()
            assert answer.status == 201, made
            return made

    return start_one


@pytest.fixture
def tell() -> Callable[..., Snapshot]:
    """Fold the messages of one viewer into its known state. A gap, a duplicate or a wrong count fails."""

    def fold_messages(messages: Iterable[Message], known: Snapshot | None = None) -> Snapshot:
        state, promised = known, 0
        for message in messages:
            match message["type"]:
                case "ping":
                    continue
                case "snapshot":
                    state = decode_snapshot(orjson.dumps(message["task"]))
                case "resumed":
                    assert state is not None
                    assert message["seq"] == state.seq
                    promised = message["seq"] + message["events"]
                case _:
                    assert state is not None
                    assert message["seq"] == state.seq + 1
                    state = apply(state, decode_event(orjson.dumps(message)))
        assert state is not None
        assert state.seq >= promised
        return state

    return fold_messages


@pytest.fixture
def blocks() -> Callable[[aiohttp.ClientResponse], AsyncIterator[tuple[str | None, bytes]]]:
    """Read the blocks of a stream that have data: the id, or None, and the data."""

    async def read(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str | None, bytes]]:
        rest = b""
        async for piece in answer.content.iter_any():
            *whole, rest = (rest + piece).split(b"\n\n")
            for block in whole:
                lines = dict(line.split(b": ", 1) for line in block.split(b"\n"))
                assert set(lines) <= {b"id", b"data", b"retry"}
                if b"data" in lines:
                    yield (lines[b"id"].decode() if b"id" in lines else None), lines[b"data"]
        assert rest == b""

    return read


@pytest.fixture
def later(relay: Running) -> Callable[[float], None]:
    """Let so many seconds pass for the relay's rights and viewers, and look at every viewer once."""
    hub, access = relay.context.hub, relay.context.access
    passed = 0.0

    def now() -> float:
        return time.time() + passed

    def wait(seconds: float) -> None:
        nonlocal passed
        passed += seconds
        hub._clock = access._clock = now
        for _ in range(ROUND_S):
            hub._viewers.visit_next()

    return wait

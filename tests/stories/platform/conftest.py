"""
A sandbox, a relay in front of it, and the story of a task: what its viewers saw next to what the platform did.

Two viewers watch each story, one by WebSocket and one by SSE. Reading a story checks the rules that hold for all of
them: no gap, both viewers and the log agree, every stage comes at most once, and one `done` comes last.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal

import aiohttp
import orjson
import pytest
from aiohttp import hdrs

from relay import backoff
from relay.app import Running, running
from relay.config import Config
from relay.core import schedule
from relay.core.codec import decode_event, decode_snapshot
from relay.core.events import Event, LateLog, LogOutput, ProgressOutput, Source, Stage, Stream
from relay.core.snapshot import Snapshot, apply, begin
from relay.core.utf16 import utf16_cut, utf16_len
from relay.sandbox import STAGE_TIMES, Sandbox, Task, outputs
from relay.tasks import search

Message = dict[str, Any]
Wire = Literal["ws", "sse"]
WIRES: tuple[Wire, ...] = ("ws", "sse")
Condition = Callable[[Snapshot], object]

IMAGE = "bytedance/text-to-image-seedream-v4"
LONGEST_S = 60.0
VERDICTS = {"success": "succeeded", "failed": "failed", "canceled": "canceled"}


class Viewer:
    """A viewer of one task. It reads only on demand."""

    def __init__(self, messages: AsyncGenerator[Message, None], known: Snapshot | None = None) -> None:
        self._messages = messages
        self.state = known
        self.openings: list[str] = []
        """`snapshot` and `resumed`, as they came."""
        self.events: list[Event] = []

    async def until(self, condition: Condition) -> Snapshot:
        """Read on until a condition holds for the state."""
        async with asyncio.timeout(LONGEST_S):
            while self.state is None or not condition(self.state):
                self._take(await anext(self._messages))
            return self.state

    async def opened(self) -> None:
        """Read the opening message."""
        async with asyncio.timeout(LONGEST_S):
            while not self.openings:
                self._take(await anext(self._messages))

    async def to_the_end(self) -> Snapshot:
        """Read until the relay closes the connection."""
        async with asyncio.timeout(LONGEST_S):
            async for message in self._messages:
                self._take(message)
        assert self.state is not None
        return self.state

    async def leave(self) -> None:
        """Close the connection."""
        await self._messages.aclose()

    def _take(self, message: Message) -> None:
        match message["type"]:
            case "ping":
                return
            case "snapshot":
                self.openings.append("snapshot")
                self.state = decode_snapshot(orjson.dumps(message["task"]))
            case "resumed":
                self.openings.append("resumed")
                assert self.state is not None
                assert message["seq"] == self.state.seq
            case _:
                assert self.state is not None
                assert message["seq"] == self.state.seq + 1
                assert self.state.done is None
                event = decode_event(orjson.dumps(message))
                self.events.append(event)
                self.state = apply(self.state, event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A task that has ended: its log, the last state that viewers saw, and the platform's own state."""

    log: tuple[Event, ...]
    end: Snapshot
    truth: Task | None

    def of(self, event_type: str) -> list[Event]:
        """Return the events of one type."""
        return [event for event in self.log if event.type == event_type]

    @property
    def sources(self) -> dict[Stage, Source]:
        """The source of each stage."""
        return {mark.type: mark.source for mark in self.end.stages}

    @property
    def percents(self) -> list[float]:
        """Every percent that was shown, in order."""
        shown = [event.data.progress.percent for event in self.log if isinstance(event.data, ProgressOutput)]
        return [percent for percent in shown if percent is not None]

    def text(self, stream: Stream) -> str:
        """Return the model's output on a stream, with late lines at their position."""
        text = ""
        for event in self.log:
            if isinstance(event.data, LogOutput) and (log := event.data.log).stream == stream:
                units = log.before if isinstance(log, LateLog) else 0
                before, after = utf16_cut(text, utf16_len(text) - units)
                text = before + log.text + after
        return text

    def check(self) -> None:
        """Check the rules that hold for every story."""
        state = begin(self.log[0], self.end.epoch)
        for event in self.log[1:]:
            assert event.seq == state.seq + 1
            state = apply(state, event)
        assert state == self.end
        assert [event.type for event in self.log].index("done") == len(self.log) - 1
        stages = [event.type for event in self.log if event.type in set(Stage)]
        assert len(stages) == len(set(stages))
        assert all(before <= after for before, after in pairwise(self.percents))
        assert all(0 <= percent <= 100 for percent in self.percents)

    def check_truth(self) -> None:
        """Check verdict, stages and outputs against the platform."""
        assert self.truth is not None
        assert self.end.done is not None
        assert self.truth.verdict is not None
        assert self.end.done.verdict == VERDICTS[self.truth.verdict]
        assert set(self.sources) == passed(self.truth)
        assert [output.url for output in self.end.outputs] == made(self.truth)

    def check_logs(self) -> None:
        """Check that the log is the platform's, with every line once."""
        assert self.truth is not None
        assert self.text("stdout") == self.truth.record.stdout
        assert self.text("stderr") == self.truth.record.stderr


def passed(truth: Task) -> set[Stage]:
    """Return the stages that a task passed. A task that was killed while it ran has reached `end`."""
    names = {name for name, _ in truth.passed} | {
        name for name, clock in STAGE_TIMES.items() if clock in truth.record.times
    }
    return {stage for stage in Stage if f"task_{stage}" in names}


def made(truth: Task) -> list[object]:
    """Return the addresses of a task's outputs. An answer has none."""
    return [output.get("url") for output in outputs(truth.identity, truth.record)] if truth.verdict == "success" else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """A started task and its viewers."""

    id: str
    truth: Task
    token: str = field(repr=False)
    viewers: tuple[Viewer, ...] = ()


class Stand:
    """A relay in front of a sandbox, and the steps of the tests."""

    def __init__(self, sandbox: Sandbox, relay: Running, stack: AsyncExitStack) -> None:
        self.sandbox = sandbox
        self.relay = relay
        self._stack = stack
        self.page = aiohttp.ClientSession(relay.url)
        self.client = aiohttp.ClientSession(relay.url, headers={"Authorization": f"Bearer {relay.api_key}"})

    async def post(self, *, model: str = IMAGE, prompt: str = "a cat", **switches: Any) -> tuple[int, Message]:
        """Request a task with these sandbox switches."""
        if switches:
            self.sandbox.next_run(**switches)
        body = {"model": model, "input": {"prompt": prompt}}
        async with self.client.post("/v1/tasks", json=body) as answer:
            return answer.status, await answer.json()

    async def begin(self, *, model: str = IMAGE, hold_at: str = "", **switches: Any) -> Ward:
        """
        Start a task that holds in the queue until two viewers have opened and the relay has had its first look.

        `hold_at` names the stages at which it holds besides.
        """
        holds = "|".join(filter(None, ("task_queue", hold_at)))
        status, made_task = await self.post(model=model, hold_at=holds, await_subscriber=True, **switches)
        assert status == 201, made_task
        truth = self.sandbox.tasks[made_task["task"]["upstream_id"]]
        async with asyncio.timeout(LONGEST_S):
            await truth.until(lambda task: task.holding_at == "task_queue" and task.details_read)
        id_, token = made_task["task"]["id"], made_task["token"]
        viewers = [self.viewer(id_, token, wire) for wire in WIRES]
        for viewer in viewers:
            await viewer.opened()
        return Ward(id=id_, truth=truth, token=token, viewers=tuple(viewers))

    def viewer(self, task: str, token: str, wire: Wire, known: Snapshot | None = None) -> Viewer:
        """Watch a task, resuming from the state `known`."""
        cursor = {} if known is None else {"cursor": f"{known.epoch}:{known.seq}"}
        connect = self._by_socket if wire == "ws" else self._by_stream
        messages = connect(task, {"token": token} | cursor)
        self._stack.push_async_callback(messages.aclose)
        return Viewer(messages, known)

    async def release_at(self, truth: Task, stage: str) -> None:
        """Wait until a task has stopped at a stage, and let it continue."""
        async with asyncio.timeout(LONGEST_S):
            await truth.until(lambda task: task.holding_at == stage)
        self.sandbox.release(truth.id)

    async def story(self, **switches: Any) -> Story:
        """Run a task from its queue to its end, and return its story."""
        ward = await self.begin(**switches)
        self.sandbox.release(ward.truth.id)
        return await self.ended(ward)

    async def resume(self, ward: Ward) -> Ward:
        """Reconnect the viewers of another relay to this one, with their last state."""
        viewers = []
        for wire, old in zip(WIRES, ward.viewers, strict=True):
            viewers.append(self.viewer(ward.id, ward.token, wire, old.state))
            await viewers[-1].opened()
            assert viewers[-1].openings == ["resumed"]
        return replace(ward, viewers=tuple(viewers))

    async def ended(self, ward: Ward) -> Story:
        """Read all viewers of a task to the end, and return its story."""
        ends = [await viewer.to_the_end() for viewer in ward.viewers]
        story = await self.read(ward.id, ward.truth)
        assert all(end == story.end for end in ends)
        return story

    async def read(self, task: str, truth: Task | None = None) -> Story:
        """Read an ended task's log and state."""
        async with self.client.get(f"/v1/tasks/{task}") as answer:
            end = decode_snapshot(await answer.read())
        log: list[Event] = []
        after: int | None = 0
        while after is not None:
            async with self.client.get(f"/v1/tasks/{task}/events", params={"after": after, "limit": 1000}) as answer:
                page = await answer.json()
            log += [decode_event(orjson.dumps(event)) for event in page["events"]]
            after = page["next"]
        story = Story(log=tuple(log), end=end, truth=truth)
        story.check()
        return story

    async def look_now(self, task: str) -> None:
        """Make the relay read the platform's record, as a callback does."""
        record = await self.relay.context.tasks.stored_task(task)
        async with self.page.post(f"/hooks/wiro/{record.hook}", json={}) as answer:
            assert answer.status < 300

    async def mint(self, task: str, scope: str) -> str:
        """Mint a viewer token."""
        async with self.client.post(f"/v1/tasks/{task}/tokens", json={"scope": scope}) as answer:
            token: str = (await answer.json())["token"]
            return token

    async def cancel(self, task: str, token: str | None = None) -> int:
        """Cancel a task with the API key or a viewer's token; return the status."""
        session, headers = (self.client, {}) if token is None else (self.page, {hdrs.AUTHORIZATION: f"Bearer {token}"})
        async with session.post(f"/v1/tasks/{task}/cancel", headers=headers) as answer:
            return answer.status

    async def close(self) -> None:
        """Close the clients."""
        await self.page.close()
        await self.client.close()

    async def _by_socket(self, task: str, params: dict[str, str]) -> AsyncGenerator[Message, None]:
        async with self.page.ws_connect(f"/v1/tasks/{task}/ws", params=params, max_msg_size=0) as socket:
            async for message in socket:
                yield orjson.loads(message.data)

    async def _by_stream(self, task: str, params: dict[str, str]) -> AsyncGenerator[Message, None]:
        headers = {hdrs.ACCEPT: "text/event-stream"}
        async with self.page.get(f"/v1/tasks/{task}/events", params=params, headers=headers) as answer:
            rest = b""
            async for piece in answer.content.iter_any():
                *blocks, rest = (rest + piece).split(b"\n\n")
                for line in (line for block in blocks for line in block.split(b"\n")):
                    if line.startswith(b"data: "):
                        yield orjson.loads(line.removeprefix(b"data: "))


@asynccontextmanager
async def standing(sandbox: Sandbox, **settings: object) -> AsyncIterator[Stand]:
    """Run a relay in front of a sandbox. Settings are given by the names of Config's fields."""
    defaults: dict[str, Any] = {
        "port": 0,
        "store": "memory:",
        "api_keys": ("a-management-key-for-tests",),
        "wiro_api_key": sandbox.api_key,
        "wiro_api_secret": sandbox.api_secret,
        "wiro_api_url": sandbox.api_url,
        "wiro_socket_url": sandbox.socket_url,
        "drain_s": 0.1,
    }
    async with AsyncExitStack() as stack:
        relay = await stack.enter_async_context(running(Config.model_validate(defaults | settings)))
        stand = Stand(sandbox, relay, stack)
        stack.push_async_callback(stand.close)
        yield stand


MakeStand = Callable[..., AbstractAsyncContextManager[Stand]]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten pauses that are real seconds and that no test here measures."""
    # With the same patcher as the tests: two of them that are undone in the wrong order would leave a value behind.
    monkeypatch.setattr(schedule, "UNCONFIRMED_CHECK_S", 0.02)
    monkeypatch.setattr(schedule, "INCOMPLETE_CHECKS_S", (0.02, 0.05))
    monkeypatch.setattr(backoff, "FIRST_S", 0.02)
    monkeypatch.setattr(search, "SEARCH_AFTER_S", (0.0, 0.02, 0.05, 0.1))


@pytest.fixture(scope="session", name="standing")
def standing_fixture() -> MakeStand:
    """Return `standing`, for tests with their own sandbox."""
    return standing


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A simulated platform, 200 times as fast as a real one."""
    async with Sandbox(speed=200) as box:
        yield box


@pytest.fixture
def make_stand(sandbox: Sandbox) -> MakeStand:
    """Return a function that runs a relay with the given settings in front of the test's sandbox."""

    def make(**settings: object) -> AbstractAsyncContextManager[Stand]:
        return standing(sandbox, **settings)

    return make


@pytest.fixture
async def stand(make_stand: MakeStand) -> AsyncIterator[Stand]:
    """A relay in front of the sandbox."""
    async with make_stand() as one:
        yield one

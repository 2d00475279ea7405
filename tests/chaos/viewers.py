"""
Viewers that fold their events and resume with their cursor after every lost connection.

They keep every byte that they receive, so that it can be compared with the log.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from random import Random

import aiohttp
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidHandshake, InvalidMessage

from relay.core.codec import decode_event, decode_snapshot
from relay.core.snapshot import Snapshot, apply

RESUMABLE_EVENTS = 500
"""A viewer that has missed no more events than this is resumed without a snapshot."""

COME_BACK_CODES = frozenset({1006, 4001})
EXPIRED_CODES = frozenset({4002, 4500})

LOST = (OSError, EOFError, ConnectionClosed, InvalidHandshake, InvalidMessage, aiohttp.ClientError, TimeoutError)
"""Errors while the relay is down, or after a cut."""


class TryLater(Exception):
    """The relay asks the client to reconnect later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLink:
    """A task and a credential to watch it with."""

    task: str
    credential: str = field(repr=False)


@dataclass(slots=True, kw_only=True, repr=False)
class View:
    """What one viewer has received of one task."""

    link: TaskLink
    where: str = ""
    """The URL where it is watched."""
    may_reset: bool = False
    """Whether a snapshot may come instead of what was missed: a node that was declared dead sends what has changed."""
    state: Snapshot | None = None
    events: dict[int, bytes] = field(default_factory=dict)
    """The events by seq, as received."""
    snapshots: list[bytes] = field(default_factory=list)
    asked: str | None = None
    """The cursor of the current connection, which is answered by one `snapshot` or `resumed`."""
    answered: bool = False
    losses: int = 0

    def __repr__(self) -> str:
        return f"<View {self.link.task} at {self.state and self.state.seq}>"

    @property
    def ended(self) -> bool:
        """Whether the viewer has received `done`."""
        return self.state is not None and self.state.done is not None

    def begin(self) -> str | None:
        """Begin a connection, and return the cursor to send."""
        self.answered = False
        self.asked = None if self.state is None else f"{self.state.epoch}:{self.state.seq}"
        return self.asked

    def receive(self, frame: bytes) -> None:
        """Handle a message; raise AssertionError if the protocol does not allow it."""
        body = orjson.loads(frame)
        match body["type"]:
            case "ping":
                return
            case "error" if body["code"] == "token_expired":
                raise TryLater  # the same token would be refused for good
            case "error":
                raise AssertionError(f"{self!r} received {frame!r}")
            case "snapshot":
                self._replace_state(orjson.dumps(body["task"]))
            case "resumed":
                assert not self.answered, f"{self!r} was resumed twice"
                assert self.state is not None, f"{self!r} was resumed and had nothing"
                assert body["seq"] == self.state.seq, f"{self!r} was resumed from {body['seq']}"
                self.answered = True
            case _:
                self._next(frame)

    def _replace_state(self, raw: bytes) -> None:
        state = decode_snapshot(raw)
        assert state.id == self.link.task, f"{self!r} was given {state.id}"
        if self.state is not None:
            assert state.epoch == self.state.epoch, f"{self!r}: the epoch changed"
            assert state.seq >= self.state.seq, f"{self!r}: the state went back to {state.seq}"
            missed = state.seq - self.state.seq
            resumable = missed <= RESUMABLE_EVENTS and not self.answered and not self.may_reset
            assert not resumable, f"{self!r} came with {self.asked} and was given a snapshot at {state.seq}"
        self.answered = True
        self.state = state
        self.snapshots.append(raw)

    def _next(self, frame: bytes) -> None:
        event = decode_event(frame)
        assert self.answered, f"{self!r}: seq {event.seq} came before a snapshot or resumed"
        assert self.state is not None
        assert event.task == self.link.task, f"{self!r} received an event of {event.task}"
        assert event.seq == self.state.seq + 1, f"{self!r}: a gap or a duplicate at seq {event.seq}"
        assert self.state.done is None, f"{self!r}: {event.type} after done"
        self.events[event.seq] = frame
        self.state = apply(self.state, event)


class Viewer:
    """
    One viewer whose connections are cut at random.

    Args:
        base: the URL of the relay.
        random: the source of randomness.
        cut_share: the probability that the connection is cut after a frame.
        renewed: the credential to continue with when the first one has expired; None fails instead.
        come_back_codes: close codes after which it reconnects.
        come_back_statuses: HTTP statuses after which it reconnects.
    """

    def __init__(
        self,
        base: str,
        random: Random,
        *,
        cut_share: float,
        renewed: str | None = None,
        come_back_codes: frozenset[int] = COME_BACK_CODES,
        come_back_statuses: frozenset[int] = frozenset(),
    ) -> None:
        self.base = base
        self._random = random
        self._cut_share = cut_share
        self._renewed = renewed
        self._come_back_codes = come_back_codes
        self._come_back_statuses = come_back_statuses

    def is_cut(self) -> bool:
        """Decide at random whether the connection is cut after this frame."""
        return self._random.random() < self._cut_share

    async def back_off(self) -> None:
        """Wait before reconnecting."""
        await asyncio.sleep(self._random.choice((0.01, self._random.uniform(0.05, 0.6))))

    @asynccontextmanager
    async def socket(self, path: str, credential: str) -> AsyncIterator[ClientConnection]:
        """Connect for the duration of the block."""
        headers = {"Authorization": f"Bearer {credential}"}
        async with connect(
            self.base.replace("http", "ws", 1) + path,
            additional_headers=headers,
            compression=None,
            ping_interval=None,
            close_timeout=1,
            open_timeout=10,
            max_size=None,
            proxy=None,
        ) as socket:
            yield socket

    async def over_socket(self, view: View) -> None:
        """Watch one task over its own WebSocket."""
        while True:
            try:
                cursor = view.begin()
                query = f"?cursor={cursor}" if cursor else ""
                async with self.socket(f"/v1/tasks/{view.link.task}/ws{query}", view.link.credential) as socket:
                    with suppress(ConnectionClosedError):  # raised for every code but 1000 and 1001
                        async for text in socket:
                            view.receive(_bytes(text))
                            if self.is_cut():
                                socket.transport.abort()
                    if socket.close_code in EXPIRED_CODES and self._renewed is not None:
                        view.link = replace(view.link, credential=self._renewed)
                    elif socket.close_code is not None and socket.close_code not in self._come_back_codes:
                        assert socket.close_code == 1000, f"{view!r} was closed with {socket.close_code}"
                        assert view.ended, f"{view!r} was closed before the end"
                        return
            except (*LOST, TryLater):
                pass
            view.losses += 1
            await self.back_off()

    async def over_stream(self, session: aiohttp.ClientSession, view: View) -> None:
        """Watch one task over SSE until the relay answers 204, as an EventSource does."""
        while True:
            try:
                headers = {"Authorization": f"Bearer {view.link.credential}", "Accept": "text/event-stream"}
                if cursor := view.begin():
                    headers["Last-Event-ID"] = cursor
                url = f"{self.base}/v1/tasks/{view.link.task}/events"
                async with session.get(url, headers=headers) as answer:
                    if answer.status == 204:
                        assert view.ended, f"{view!r} was answered 204 before the end"
                        return
                    await self._check(view, answer)
                    async for line in answer.content:
                        if line.startswith(b"data: ") and line.endswith(b"\n"):
                            view.receive(line.removeprefix(b"data: ").removesuffix(b"\n"))
                            if self.is_cut():
                                break
            except (*LOST, TryLater):
                pass
            view.losses += 1
            await self.back_off()

    async def over_shared_stream(self, session: aiohttp.ClientSession, views: list[View]) -> None:
        """Watch several tasks over one event stream with the session's API key."""
        headers = {"Accept": "text/event-stream"}
        while not all(view.ended for view in views):
            asked = {"subscriptions": [subscription(view) for view in views if not view.ended]}
            by_task = {view.link.task: view for view in views if not view.ended}
            try:
                async with session.post(f"{self.base}/v1/events", json=asked, headers=headers) as answer:
                    await self._check(views[0], answer)
                    async for line in answer.content:
                        if line.startswith(b"data: ") and line.endswith(b"\n"):
                            frame = line.removeprefix(b"data: ").removesuffix(b"\n")
                            for view in _concerned(by_task, frame):
                                view.receive(frame)
                            if self.is_cut():
                                break
            except (*LOST, TryLater):
                pass
            for view in views:
                view.losses += 1
            await self.back_off()

    async def over_polls(self, session: aiohttp.ClientSession, views: list[View], every_s: float) -> None:
        """Watch several tasks by polling with the session's API key."""
        while not all(view.ended for view in views):
            asked = {"subscriptions": [subscription(view) for view in views if not view.ended]}
            by_task = {view.link.task: view for view in views if not view.ended}
            try:
                async with session.post(f"{self.base}/v1/events", json=asked) as answer:
                    await self._check(views[0], answer)
                    messages = orjson.loads(await answer.read())["messages"]
                for message in messages:
                    frame = orjson.dumps(message)
                    for view in _concerned(by_task, frame):
                        view.receive(frame)
            except (*LOST, TryLater):
                for view in views:
                    view.losses += 1
            await asyncio.sleep(every_s)

    async def _check(self, view: View, answer: aiohttp.ClientResponse) -> None:
        """Raise TryLater for a status after which the viewer reconnects; fail for any other but 200."""
        if answer.status == 401 and self._renewed is not None:
            view.link = replace(view.link, credential=self._renewed)
            raise TryLater
        if answer.status in self._come_back_statuses:
            raise TryLater
        assert answer.status == 200, f"{view!r}: {answer.status} {await answer.text()}"

    async def over_many(self, views: list[View], credential: str) -> None:
        """Watch several tasks over one WebSocket."""
        by_task = {view.link.task: view for view in views}
        while not all(view.ended for view in views):
            try:
                async with self.socket("/v1/ws", credential) as socket:
                    for view in views:
                        request = {"type": "subscribe", "task": view.link.task, "cursor": view.begin()}
                        await socket.send(orjson.dumps(request).decode())
                    async for text in socket:
                        frame = _bytes(text)
                        for view in _concerned(by_task, frame):
                            view.receive(frame)
                        if all(view.ended for view in views):
                            return
                        if self.is_cut():
                            socket.transport.abort()
            except LOST:
                pass
            for view in views:
                view.losses += 1
            await self.back_off()


def subscription(view: View) -> dict[str, str]:
    """Begin a connection, and return the subscription to send."""
    cursor = view.begin()
    asked = {"task": view.link.task}
    return asked | ({"cursor": cursor} if cursor else {})


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _concerned(by_task: dict[str, View], frame: bytes) -> list[View]:
    """Return the views that a message concerns; a ping concerns none."""
    task = orjson.loads(frame).get("task")
    if isinstance(task, dict):
        task = task["id"]
    return [by_task[task]] if task is not None else []

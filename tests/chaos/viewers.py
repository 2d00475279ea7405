"""
Viewers that fold what they are told, come back with their cursor after every loss, and believe nothing twice.

What each saw is kept to the byte, so that in the end it can be laid beside the log.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random

import aiohttp
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from relay.core.codec import decode_event, decode_snapshot
from relay.core.snapshot import Snapshot, apply

RESUMABLE_EVENTS = 500
"""Whoever misses no more than this gets just what is missing, and no snapshot."""

COME_BACK_CODES = frozenset({1006, 4001})
EXPIRED_CODES = frozenset({4002, 4500})

LOST = (OSError, EOFError, ConnectionClosed, InvalidHandshake, InvalidMessage, aiohttp.ClientError, TimeoutError)
"""What it is like when the relay is down, or a connection is cut."""


class TurnedAway(Exception):
    """The relay asks to come back later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a task can be watched, and with which credential."""

    task: str
    credential: str = field(repr=False)


@dataclass(slots=True, kw_only=True, repr=False)
class Story:
    """One viewer's view of one task."""

    place: Place
    state: Snapshot | None = None
    events: dict[int, bytes] = field(default_factory=dict)
    """What came, by its seq."""
    snapshots: list[bytes] = field(default_factory=list)
    asked: str | None = None
    """With which cursor the connection began; it is answered by exactly one `snapshot` or `resumed`."""
    answered: bool = False
    losses: int = 0

    def __repr__(self) -> str:
        return f"<Story {self.place.task} at {self.state and self.state.seq}>"

    @property
    def over(self) -> bool:
        """Whether the end was told."""
        return self.state is not None and self.state.done is not None

    def begin(self) -> str | None:
        """Begin a connection, and return the cursor to come with."""
        self.answered = False
        self.asked = None if self.state is None else f"{self.state.epoch}:{self.state.seq}"
        return self.asked

    def hear(self, frame: bytes) -> None:
        """Take in a frame; anything that must not be is an AssertionError."""
        body = orjson.loads(frame)
        match body["type"]:
            case "ping":
                return
            case "error" if body["code"] == "token_expired":
                raise TurnedAway  # who comes back with the same token is refused for good
            case "error":
                raise AssertionError(f"{self!r} heard {frame!r}")
            case "snapshot":
                self._begin_anew(orjson.dumps(body["task"]))
            case "resumed":
                assert not self.answered, f"{self!r} was resumed twice"
                assert self.state is not None, f"{self!r} was resumed and had nothing"
                assert body["seq"] == self.state.seq, f"{self!r} was resumed from {body['seq']}"
                self.answered = True
            case _:
                self._next(frame)

    def _begin_anew(self, raw: bytes) -> None:
        state = decode_snapshot(raw)
        assert state.id == self.place.task, f"{self!r} was given {state.id}"
        if self.state is not None:
            assert state.epoch == self.state.epoch, f"{self!r}: the epoch changed"
            assert state.seq >= self.state.seq, f"{self!r}: un-happened, back to {state.seq}"
            missed = state.seq - self.state.seq
            resumable = missed <= RESUMABLE_EVENTS and not self.answered
            assert not resumable, f"{self!r} came with {self.asked} and was given a snapshot at {state.seq}"
        self.answered = True
        self.state = state
        self.snapshots.append(raw)

    def _next(self, frame: bytes) -> None:
        event = decode_event(frame)
        assert self.answered, f"{self!r}: seq {event.seq} came before a snapshot or resumed"
        assert self.state is not None
        assert event.task == self.place.task, f"{self!r} heard of {event.task}"
        assert event.seq == self.state.seq + 1, f"{self!r}: a gap or a duplicate at seq {event.seq}"
        assert self.state.done is None, f"{self!r}: {event.type} after done"
        self.events[event.seq] = frame
        self.state = apply(self.state, event)


class Viewer:
    """
    One viewer, with a pace and bad luck of its own.

    Args:
        base: the address of the relay.
        random: where its luck comes from.
        cut_share: the share of frames after which its connection is cut.
        renewed: the credential that it comes back with when its own has expired; null: that must not happen.
        come_back_codes: the close codes after which it comes back.
        come_back_statuses: the HTTP statuses after which it comes back.
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
        self._base = base
        self._random = random
        self._cut_share = cut_share
        self._renewed = renewed
        self._come_back_codes = come_back_codes
        self._come_back_statuses = come_back_statuses

    def unlucky(self) -> bool:
        """Throw for one frame: whether the connection is cut after it."""
        return self._random.random() < self._cut_share

    async def rest(self) -> None:
        """Wait a moment before coming back, as a client does."""
        await asyncio.sleep(self._random.choice((0.01, self._random.uniform(0.05, 0.6))))

    @asynccontextmanager
    async def socket(self, path: str, credential: str) -> AsyncIterator[ClientConnection]:
        """Connect; the connection is gone at the end of the block."""
        headers = {"Authorization": f"Bearer {credential}"}
        async with connect(
            self._base.replace("http", "ws", 1) + path,
            additional_headers=headers,
            compression=None,
            ping_interval=None,
            close_timeout=1,
            open_timeout=10,
            max_size=None,
            proxy=None,
        ) as socket:
            yield socket

    async def over_socket(self, story: Story) -> None:
        """Watch one task over its own WebSocket."""
        while True:
            try:
                cursor = story.begin()
                query = f"?cursor={cursor}" if cursor else ""
                async with self.socket(f"/v1/tasks/{story.place.task}/ws{query}", story.place.credential) as socket:
                    async for text in socket:
                        story.hear(_bytes(text))
                        if self.unlucky():
                            socket.transport.abort()
                    if socket.close_code in EXPIRED_CODES and self._renewed is not None:
                        story.place = replace(story.place, credential=self._renewed)
                    elif socket.close_code is not None and socket.close_code not in self._come_back_codes:
                        assert socket.close_code == 1000, f"{story!r} was closed with {socket.close_code}"
                        assert story.over, f"{story!r} was sent away before the end"
                        return
            except (*LOST, TurnedAway):
                pass
            story.losses += 1
            await self.rest()

    async def over_stream(self, session: aiohttp.ClientSession, story: Story) -> None:
        """Watch one task over SSE, as an EventSource does: until it is told 204."""
        while True:
            try:
                headers = {"Authorization": f"Bearer {story.place.credential}", "Accept": "text/event-stream"}
                if cursor := story.begin():
                    headers["Last-Event-ID"] = cursor
                url = f"{self._base}/v1/tasks/{story.place.task}/events"
                async with session.get(url, headers=headers) as answer:
                    if answer.status == 204:
                        assert story.over, f"{story!r} was told to stop before the end"
                        return
                    await self._check(story, answer)
                    async for line in answer.content:
                        if line.startswith(b"data: ") and line.endswith(b"\n"):
                            story.hear(line.removeprefix(b"data: ").removesuffix(b"\n"))
                            if self.unlucky():
                                break
            except (*LOST, TurnedAway):
                pass
            story.losses += 1
            await self.rest()

    async def over_shared_stream(self, session: aiohttp.ClientSession, stories: list[Story]) -> None:
        """Watch several tasks over one event stream, each with its cursor, under the session's key."""
        headers = {"Accept": "text/event-stream"}
        while not all(story.over for story in stories):
            asked = {"subscriptions": [subscription(story) for story in stories if not story.over]}
            by_task = {story.place.task: story for story in stories if not story.over}
            try:
                async with session.post(f"{self._base}/v1/events", json=asked, headers=headers) as answer:
                    await self._check(stories[0], answer)
                    async for line in answer.content:
                        if line.startswith(b"data: ") and line.endswith(b"\n"):
                            frame = line.removeprefix(b"data: ").removesuffix(b"\n")
                            for story in _meant(by_task, frame):
                                story.hear(frame)
                            if self.unlucky():
                                break
            except (*LOST, TurnedAway):
                pass
            for story in stories:
                story.losses += 1
            await self.rest()

    async def over_polls(self, session: aiohttp.ClientSession, stories: list[Story], every_s: float) -> None:
        """Watch several tasks by asking for what is new, again and again, under the session's key."""
        while not all(story.over for story in stories):
            asked = {"subscriptions": [subscription(story) for story in stories if not story.over]}
            by_task = {story.place.task: story for story in stories if not story.over}
            try:
                async with session.post(f"{self._base}/v1/events", json=asked) as answer:
                    await self._check(stories[0], answer)
                    messages = orjson.loads(await answer.read())["messages"]
                for message in messages:
                    frame = orjson.dumps(message)
                    for story in _meant(by_task, frame):
                        story.hear(frame)
            except (*LOST, TurnedAway):
                for story in stories:
                    story.losses += 1
            await asyncio.sleep(every_s)

    async def _check(self, story: Story, answer: aiohttp.ClientResponse) -> None:
        """Raise TurnedAway for a status after which it comes back, and fail for any other but 200."""
        if answer.status == 401 and self._renewed is not None:
            story.place = replace(story.place, credential=self._renewed)
            raise TurnedAway
        if answer.status in self._come_back_statuses:
            raise TurnedAway
        assert answer.status == 200, f"{story!r}: {answer.status} {await answer.text()}"

    async def over_many(self, stories: list[Story], credential: str) -> None:
        """Watch several tasks over one WebSocket."""
        by_task = {story.place.task: story for story in stories}
        while not all(story.over for story in stories):
            try:
                async with self.socket("/v1/ws", credential) as socket:
                    for story in stories:
                        wish = {"type": "subscribe", "task": story.place.task, "cursor": story.begin()}
                        await socket.send(orjson.dumps(wish).decode())
                    async for text in socket:
                        frame = _bytes(text)
                        for story in _meant(by_task, frame):
                            story.hear(frame)
                        if all(story.over for story in stories):
                            return
                        if self.unlucky():
                            socket.transport.abort()
            except LOST:
                pass
            for story in stories:
                story.losses += 1
            await self.rest()


def subscription(story: Story) -> dict[str, str]:
    """Begin anew, and return what to ask for."""
    cursor = story.begin()
    asked = {"task": story.place.task}
    return asked | ({"cursor": cursor} if cursor else {})


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _meant(by_task: dict[str, Story], frame: bytes) -> list[Story]:
    """Return whom a frame is about; a ping is about nobody."""
    task = orjson.loads(frame).get("task")
    if isinstance(task, dict):
        task = task["id"]
    return [by_task[task]] if task is not None else []

"""
Play the lines of one task, or of the platform as a whole, in order: act when they are due, and wait for the client.

A line is due `at_s` seconds after the start, divided by the sandbox's speed. Time spent waiting for the client delays
all later lines, so that the intervals between them stay the same.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from relay.sandbox.recording.lines import Change, Clock, Effect, Line, Response, Wait
from relay.sandbox.recording.placeholders import PlatformClock, Scope


@dataclass(slots=True, kw_only=True, eq=False)
class Timeline:
    """Lines that are being played."""

    lines: Sequence[Line]
    scope: Scope
    speed: float
    act: Callable[[Effect], Awaitable[None]]
    """Carries out the lines that involve sockets or callbacks."""
    entry: dict[str, object] = field(default_factory=dict)
    """The task's record; empty for the platform as a whole."""
    on_change: Callable[[], None] = lambda: None
    """Called when the record has changed."""
    sent: Counter[str] = field(default_factory=Counter)
    """The number of messages that the client has sent, by channel."""
    answered: Counter[str] = field(default_factory=Counter)
    """The number of messages that have been answered, by channel."""
    _limited: list[Response] = field(default_factory=list)
    _unlimited: dict[tuple[str, str | None], Response] = field(default_factory=dict)
    _uses: Counter[int] = field(default_factory=Counter)
    _replies: dict[tuple[str, int], asyncio.Future[Response | None]] = field(default_factory=dict)
    _message: asyncio.Event = field(default_factory=asyncio.Event)
    _playing: asyncio.Task[None] | None = None

    def set_clock(self) -> None:
        """Set the platform's clock if the timeline starts with that, so that the first record has the right time."""
        for line in self.lines:
            if line.at_s > 0 or not isinstance(line.action, Clock):
                break
            set_clock(self.scope.clock, line.action)

    def start(self, name: str) -> None:
        """Act on the first lines that are due immediately, and play the rest in the background."""
        loop = asyncio.get_running_loop()
        for line in self.lines:
            if isinstance(line.action, Response) and line.action.reply_to is not None:
                self._replies[line.action.channel, line.action.reply_to] = loop.create_future()
        done = 0
        for line in self.lines:
            if line.at_s > 0 or not isinstance(line.action, Clock | Change | Response):
                break
            self._apply(line.action)
            done += 1
        self._playing = asyncio.create_task(self._play(self.lines[done:]), name=f"sandbox script {name}")

    async def stop(self) -> None:
        """Stop playing. Calls that wait for a reply get the sandbox's own response."""
        for reply in self._replies.values():
            if not reply.done():
                reply.set_result(None)
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)

    def note_sent(self, channel: str) -> None:
        """Count a message from the client."""
        self.sent[channel] += 1
        self._notify()

    def note_answered(self, channel: str) -> None:
        """Count a message that has been answered."""
        self.answered[channel] += 1
        self._notify()

    async def next_response(self, channel: str, path: str | None = None) -> Response | None:
        """
        Return the response to the latest call on a channel, None for the sandbox's own, and count it against `times`.

        If the recording has a reply to this call, wait for it.
        """
        if (reply := self._replies.get((channel, self.sent[channel]))) is not None:
            return await reply
        for response in self._limited:
            if response.channel == channel and response.path in (None, path):
                self._uses[id(response)] += 1
                if self._uses[id(response)] == response.times:
                    self._limited.remove(response)
                return response
        return self._unlimited.get((channel, path)) or self._unlimited.get((channel, None))

    async def _play(self, lines: Sequence[Line]) -> None:
        clock = asyncio.get_running_loop().time
        start = clock()
        for line in lines:
            due = start + line.at_s / self.speed
            await asyncio.sleep(max(0.0, due - clock()))
            match line.action:
                case Wait() as wait:
                    await self._wait(wait)
                    start += max(0.0, clock() - due)
                case Clock() | Change() | Response() as action:
                    self._apply(action)
                case effect:
                    await self.act(effect)

    def _apply(self, action: Clock | Change | Response) -> None:
        match action:
            case Clock():
                set_clock(self.scope.clock, action)
            case Change():
                self._change(action)
            case Response(times=None):
                self._unlimited[action.channel, action.path] = action
                if action.reply_to is not None:
                    self._replies[action.channel, action.reply_to].set_result(action)
            case Response():
                self._limited.append(action)

    def _change(self, change: Change) -> None:
        if change.replace:
            self.entry.clear()
        self.entry |= self.scope.fill_object(change.fields)
        for name in change.remove:
            self.entry.pop(name, None)
        self.on_change()

    async def _wait(self, wait: Wait) -> None:
        seen = self.answered if wait.answered else self.sent
        while seen[wait.channel] < wait.count:
            await self._message.wait()

    def _notify(self) -> None:
        self._message.set()
        self._message = asyncio.Event()


def set_clock(clock: PlatformClock, action: Clock) -> None:
    """Set the platform's clock."""
    clock.offset_s, clock.date_offset_s = action.offset_s, action.date_offset_s

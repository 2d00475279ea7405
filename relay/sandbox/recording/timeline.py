"""
Plays the lines of one task, or of the platform as a whole, in order: acts on time, and waits for the client.

A line is due `at_s` after the start, at the sandbox's speed. When the client keeps a line waiting, all later lines move
by as much, so that what follows a wait keeps its distance from it.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from relay.sandbox.recording.lines import Action, Answer, Change, Clock, Line, Wait
from relay.sandbox.recording.placeholders import PlatformClock, Scope

Perform = Callable[[Action], Awaitable[None]]


@dataclass(slots=True, kw_only=True, eq=False)
class Play:
    """
    Lines that are being played.

    `entry` is the task's record; the platform as a whole has none. `perform` does what touches sockets and callbacks.
    """

    lines: Sequence[Line]
    scope: Scope
    speed: float
    perform: Perform
    entry: dict[str, object] = field(default_factory=dict)
    changed: Callable[[], None] = lambda: None
    """Called when the record has changed."""
    sent: Counter[str] = field(default_factory=Counter)
    """How many messages the client has sent, by their channels."""
    answered: Counter[str] = field(default_factory=Counter)
    """How many of them have been answered."""
    _limited: list[Answer] = field(default_factory=list)
    _lasting: dict[tuple[str, str | None], Answer] = field(default_factory=dict)
    _used: Counter[int] = field(default_factory=Counter)
    _replies: dict[tuple[str, int], asyncio.Future[Answer | None]] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _playing: asyncio.Task[None] | None = None

    def set_clock(self) -> None:
        """Set the platform's clock, if the lines begin with that: the first record already shows it."""
        for line in self.lines:
            if line.at_s > 0 or not isinstance(line.action, Clock):
                break
            set_clock(self.scope.clock, line.action)

    def start(self, name: str) -> None:
        """Do at once what is due at once and needs no client, and begin to play the rest."""
        loop = asyncio.get_running_loop()
        for line in self.lines:
            if isinstance(line.action, Answer) and line.action.reply_to is not None:
                self._replies[line.action.channel, line.action.reply_to] = loop.create_future()
        at_once = 0
        for line in self.lines:
            if line.at_s > 0 or not isinstance(line.action, Clock | Change | Answer):
                break
            self._do(line.action)
            at_once += 1
        self._playing = asyncio.create_task(self._play(self.lines[at_once:]), name=f"sandbox script {name}")

    async def stop(self) -> None:
        """Play no further; calls that wait for a reply are answered in the usual way."""
        for reply in self._replies.values():
            if not reply.done():
                reply.set_result(None)
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)

    def note_sent(self, channel: str) -> None:
        """Take down that the client has sent something."""
        self.sent[channel] += 1
        self._stir()

    def note_answered(self, channel: str) -> None:
        """Take down that the client has been answered."""
        self.answered[channel] += 1
        self._stir()

    async def answer_to(self, channel: str, path: str | None = None) -> Answer | None:
        """
        Return how the call that was noted last is answered, null for the usual way; it counts against `times`.

        A call that has a reply waits for it.
        """
        if (reply := self._replies.get((channel, self.sent[channel]))) is not None:
            return await reply
        for answer in self._limited:
            if answer.channel == channel and answer.path in (None, path):
                self._used[id(answer)] += 1
                if self._used[id(answer)] == answer.times:
                    self._limited.remove(answer)
                return answer
        return self._lasting.get((channel, path)) or self._lasting.get((channel, None))

    async def _play(self, lines: Sequence[Line]) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        for line in lines:
            due = began + line.at_s / self.speed
            await asyncio.sleep(max(0.0, due - clock()))
            match line.action:
                case Wait() as wait:
                    await self._wait(wait)
                    began += max(0.0, clock() - due)
                case Clock() | Change() | Answer() as action:
                    self._do(action)
                case action:
                    await self.perform(action)

    def _do(self, action: Clock | Change | Answer) -> None:
        match action:
            case Clock():
                set_clock(self.scope.clock, action)
            case Change():
                self._change(action)
            case Answer(times=None):
                self._lasting[action.channel, action.path] = action
                if action.reply_to is not None:
                    self._replies[action.channel, action.reply_to].set_result(action)
            case Answer():
                self._limited.append(action)

    def _change(self, change: Change) -> None:
        fields = self.scope.fill(dict(change.fields))
        if not isinstance(fields, dict):
            return
        if change.replace:
            self.entry.clear()
        self.entry |= fields
        for name in change.remove:
            self.entry.pop(name, None)
        self.changed()

    async def _wait(self, wait: Wait) -> None:
        seen = self.answered if wait.answered else self.sent
        while seen[wait.channel] < wait.count:
            await self._news.wait()

    def _stir(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def set_clock(clock: PlatformClock, action: Clock) -> None:
    """Set the platform's clock."""
    clock.offset_s, clock.date_offset_s = action.offset_s, action.date_offset_s

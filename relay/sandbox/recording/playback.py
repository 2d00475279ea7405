"""
A recording that is being played: which task a Run takes, and how each call is answered.

`wiro` and `apikley` put it in front of their calls. Without a recording there is none of this.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from aiohttp import web

from relay.sandbox.recording.lines import Action, Answer, Platform, Script, TaskScript
from relay.sandbox.recording.placeholders import PlatformClock, Scope
from relay.sandbox.recording.recorded_task import Notice, Performance
from relay.sandbox.recording.reply import reply
from relay.sandbox.recording.timeline import Play
from relay.sandbox.wiro.task_socket import Audience

Proper = Callable[[], Awaitable[web.StreamResponse]]
"""Carries a call out and returns the sandbox's own answer."""


class Stage:
    """
    Plays a recording.

    Args:
        script: what is played.
        audience: the subscribers of the task socket.
        speed: divides the offsets of the lines.
        closing: set when hanging calls should let go.
    """

    _platform: Play

    def __init__(self, script: Script, audience: Audience, *, speed: float, closing: asyncio.Event) -> None:
        self.clock = PlatformClock()
        self._tasks = script.tasks
        self._platform_lines = script.platform
        self._audience = audience
        self._speed = speed
        self._closing = closing
        self._taken: set[str] = set()
        self._performances: dict[str, Performance] = {}
        self._by_token: dict[str, Performance] = {}
        self._by_folder: dict[str, Performance] = {}
        audience.heard = self._heard

    def open(self, base: str) -> None:
        """Play the lines that belong to no task; `base` is the address of the sandbox."""

        async def nothing(action: Action) -> None:
            raise AssertionError(f"{type(action).__name__} needs a task: the parser refuses it without")

        scope = Scope(clock=self.clock, base=base, task={})
        self._platform = Play(lines=self._platform_lines, scope=scope, speed=self._speed, perform=nothing)
        self._platform.start("platform")

    async def close(self) -> None:
        """Stop playing."""
        for play in self._plays():
            await play.stop()

    def next_task(self, platform: Platform, model: str) -> TaskScript | None:
        """
        Return the task that a Run of a model takes, null when none fits it.

        One that names the model comes before those that take any. After the last one they are taken from the first on.
        """
        fitting = [task for task in self._tasks if task.platform == platform and task.model in (None, model.lower())]
        if not fitting:
            return None
        fresh = [task for task in fitting if task.name not in self._taken]
        if not fresh:
            self._taken -= {task.name for task in fitting}
            fresh = fitting
        chosen = next((task for task in fresh if task.model is not None), fresh[0])
        self._taken.add(chosen.name)
        return chosen

    def knows(self, model: str) -> bool:
        """Return whether a task of Wiro's names this model, or takes any."""
        return any(task.platform == "wiro" and task.model in (None, model.lower()) for task in self._tasks)

    def begin(
        self,
        task: TaskScript,
        *,
        task_id: str,
        token: str,
        host: str,
        callback_url: str,
        first: Callable[[Scope], dict[str, object]],
        notice: Callable[[dict[str, object]], Notice],
    ) -> Performance:
        """Begin to play a task; `first` makes its record, `notice` makes a callback of what has become of it."""
        folder = secrets.token_hex(16)
        names = {"id": task_id, "token": token, "cdn": f"http://{host}/cdn/{folder}"}

        async def perform(action: Action) -> None:
            await performance.perform(action)

        scope = Scope(clock=self.clock, base=f"http://{host}", task=names)
        play = Play(lines=task.lines, scope=scope, speed=self._speed, perform=perform)
        performance = Performance(
            id=task_id,
            token=token,
            start=task.start,
            play=play,
            callback_url=callback_url,
            notice=lambda: notice(play.entry),
            audience=self._audience,
        )
        self._performances[task_id] = self._by_token[token] = self._by_folder[folder] = performance
        play.set_clock()
        play.entry.update(first(scope))
        play.start(task_id)
        return performance

    def find(self, *names: str) -> Performance | None:
        """Return the task of which one of these is the id or the token, or null."""
        return next(
            (found for name in names if (found := self._performances.get(name) or self._by_token.get(name))), None
        )

    async def answer(
        self, request: web.Request, channel: str, performance: Performance | None, proper: Proper, path: str = ""
    ) -> web.StreamResponse:
        """Answer a call: as the recording has it for this task, else for the platform, else properly."""
        plays = [performance.play, self._platform] if performance else [self._platform]
        for play in plays:
            play.note_sent(channel)
        for play in plays:
            if (recorded := await play.answer_to(channel, path)) is not None:
                response = await reply(request, recorded, proper, play.scope, self._closing)
                break
        else:
            response = await proper()
        return await self._finish(request, channel, plays, response)

    async def refused(self, request: web.Request, channel: str) -> web.StreamResponse | None:
        """Return the platform's recorded answer to a call that starts a task, null when the task may start."""
        self._platform.note_sent(channel)
        recorded = await self._platform.answer_to(channel)
        if recorded is None:
            return None
        if not recorded.replaces and recorded.fault is None:
            await asyncio.sleep(recorded.delay_s)
            return None
        response = await reply(request, recorded, _unavailable, self._platform.scope, self._closing)
        return await self._finish(request, channel, [self._platform], response)

    async def started(
        self, request: web.Request, channel: str, performance: Performance | None, proper: Proper
    ) -> web.StreamResponse:
        """Answer a call that starts a task; null is one that is no part of the recording."""
        if performance is None:
            return await self._finish(request, channel, [self._platform], await proper())
        play, start = performance.play, performance.start
        if start is None or not isinstance(start.action, Answer):
            response = await proper()
        else:
            recorded = replace(start.action, delay_s=start.action.delay_s + start.at_s / self._speed)
            response = await reply(request, recorded, proper, play.scope, self._closing)
        return await self._finish(request, channel, [play, self._platform], response)

    async def connect(self, request: web.Request, accept: Proper) -> web.StreamResponse:
        """Accept a WebSocket, or refuse it as the recording of a task or of the platform has it."""
        plays = self._plays()
        for play in plays:
            play.note_sent("connect")
        for play in plays:
            if (recorded := await play.answer_to("connect")) is None:
                continue
            if recorded.replaces or recorded.fault is not None:
                response = await reply(request, recorded, _unavailable, play.scope, self._closing)
                return await self._finish(request, "connect", plays, response)
            await asyncio.sleep(recorded.delay_s)
            break
        return await accept()

    def owner_of(self, folder: str) -> Performance | None:
        """Return the task whose files are in a folder, or null."""
        return self._by_folder.get(folder)

    async def _finish(
        self, request: web.Request, channel: str, plays: list[Play], response: web.StreamResponse
    ) -> web.StreamResponse:
        """Send an answer to its end, and only then tell the plays: their next frames come after it."""
        with suppress(ConnectionError):  # the client is gone, or the recording has cut the connection
            if not response.prepared:
                response.headers.setdefault("Date", self.clock.date())
                await response.prepare(request)
            await response.write_eof()
        for play in plays:
            play.note_answered(channel)
        return response

    def _plays(self) -> list[Play]:
        """Return what is being played, the newest task first, the platform last."""
        return [*(performance.play for performance in reversed(self._performances.values())), self._platform]

    def _heard(self, token: str) -> None:
        if (performance := self._by_token.get(token)) is not None:
            performance.play.note_sent("socket")


async def _unavailable() -> web.StreamResponse:
    return web.Response(status=503)

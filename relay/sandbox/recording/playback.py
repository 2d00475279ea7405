"""
Play back a recording: assign its tasks to Runs, and respond to calls as it says.

`wiro` and `apikley` put it in front of the platforms' calls. A sandbox without a recording has no playback.
"""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from aiohttp import web

from relay.sandbox.recording.lines import Effect, Platform, Recording, Response, TaskLines
from relay.sandbox.recording.placeholders import PlatformClock, Scope
from relay.sandbox.recording.recorded_task import PlatformCallback, RecordedTask
from relay.sandbox.recording.reply import Proper, reply
from relay.sandbox.recording.timeline import Timeline
from relay.sandbox.shared.context import Context
from relay.sandbox.wiro.task_socket import TaskSocket


class Playback:
    """A recording that is being played back. Create it in a running event loop."""

    _platform: Timeline

    def __init__(self, recording: Recording, context: Context, socket: TaskSocket) -> None:
        self.clock = PlatformClock()
        self._recording = recording
        self._context = context
        self._socket = socket
        self._used: set[str] = set()
        self._tasks: dict[str, RecordedTask] = {}
        self._by_token: dict[str, RecordedTask] = {}
        self._by_folder: dict[str, RecordedTask] = {}
        socket.on_message = self._on_message

    def open(self, base: str) -> None:
        """Start the lines of the platform as a whole. `base` is the address of the sandbox."""

        async def unexpected(effect: Effect) -> None:
            raise AssertionError(f"{type(effect).__name__} needs a task; the parser refuses it without one")

        scope = Scope(clock=self.clock, base=base, task={})
        self._platform = Timeline(
            lines=self._recording.platform, scope=scope, speed=self._context.speed, act=unexpected
        )
        self._platform.start("platform")

    async def close(self) -> None:
        """Stop playing."""
        for timeline in self._timelines():
            await timeline.stop()

    def next_task(self, platform: Platform, model: str) -> TaskLines | None:
        """
        Return the task for a Run of a model, None if no task is for this model.

        Tasks that name the model come before tasks for any model. After the last task, the first is used again.
        """
        fitting = [
            task for task in self._recording.tasks if task.platform == platform and task.model in (None, model.lower())
        ]
        if not fitting:
            return None
        unused = [task for task in fitting if task.name not in self._used]
        if not unused:
            self._used -= {task.name for task in fitting}
            unused = fitting
        chosen = next((task for task in unused if task.model is not None), unused[0])
        self._used.add(chosen.name)
        return chosen

    def has_model(self, model: str) -> bool:
        """Return whether a task of Wiro is for this model, or for any."""
        return any(task.platform == "wiro" and task.model in (None, model.lower()) for task in self._recording.tasks)

    def start_task(
        self,
        lines: TaskLines,
        *,
        task_id: str,
        token: str,
        host: str,
        callback_url: str,
        first_record: Callable[[Scope], dict[str, object]],
        callback: Callable[[dict[str, object]], PlatformCallback],
    ) -> RecordedTask:
        """Start a task. `first_record` returns its initial record, `callback` the callback for its current record."""
        folder = secrets.token_hex(16)
        values = {"id": task_id, "token": token, "cdn": f"http://{host}/cdn/{folder}"}

        async def act(effect: Effect) -> None:
            await task.act(effect)

        scope = Scope(clock=self.clock, base=f"http://{host}", task=values)
        timeline = Timeline(lines=lines.lines, scope=scope, speed=self._context.speed, act=act)
        task = RecordedTask(
            id=task_id,
            token=token,
            start=lines.start,
            timeline=timeline,
            callback_url=callback_url,
            callback=lambda: callback(timeline.entry),
            socket=self._socket,
        )
        self._tasks[task_id] = self._by_token[token] = self._by_folder[folder] = task
        timeline.set_clock()
        timeline.entry.update(first_record(scope))
        timeline.start(task_id)
        return task

    def find(self, *names: str) -> RecordedTask | None:
        """Return the task that has one of these ids or tokens, or None."""
        return next((task for name in names if (task := self._tasks.get(name) or self._by_token.get(name))), None)

    def in_folder(self, folder: str) -> RecordedTask | None:
        """Return the task whose files are in a folder, or None."""
        return self._by_folder.get(folder)

    async def respond(
        self, request: web.Request, channel: str, task: RecordedTask | None, proper: Proper, path: str = ""
    ) -> web.StreamResponse:
        """Respond to a call as recorded for its task or for the platform; otherwise with the sandbox's own response."""
        timelines = [task.timeline, self._platform] if task else [self._platform]
        for timeline in timelines:
            timeline.note_sent(channel)
        for timeline in timelines:
            if (recorded := await timeline.next_response(channel, path)) is not None:
                response = await reply(request, recorded, proper, timeline.scope, self._context.closing)
                break
        else:
            response = await proper()
        return await self._send(request, channel, timelines, response)

    async def refuse_start(self, request: web.Request, channel: str) -> web.StreamResponse | None:
        """Return the platform's recorded response to a call that starts a task; None if the task may start."""
        self._platform.note_sent(channel)
        recorded = await self._platform.next_response(channel)
        if recorded is None:
            return None
        if not recorded.replaces and recorded.fault is None:
            await asyncio.sleep(recorded.delay_s)
            return None
        response = await reply(request, recorded, _unavailable, self._platform.scope, self._context.closing)
        return await self._send(request, channel, [self._platform], response)

    async def respond_to_start(
        self, request: web.Request, channel: str, task: RecordedTask | None, proper: Proper
    ) -> web.StreamResponse:
        """Respond to a call that starts a task; `task` is None if it is not part of the recording."""
        if task is None:
            return await self._send(request, channel, [self._platform], await proper())
        start = task.start
        if start is None or not isinstance(start.action, Response):
            response = await proper()
        else:
            delay_s = start.action.delay_s + start.at_s / self._context.speed
            recorded = replace(start.action, delay_s=delay_s)
            response = await reply(request, recorded, proper, task.timeline.scope, self._context.closing)
        return await self._send(request, channel, [task.timeline, self._platform], response)

    async def connect(self, request: web.Request, accept: Proper) -> web.StreamResponse:
        """Accept a WebSocket, or refuse it as recorded for any task or for the platform."""
        timelines = self._timelines()
        for timeline in timelines:
            timeline.note_sent("connect")
        for timeline in timelines:
            if (recorded := await timeline.next_response("connect")) is None:
                continue
            if recorded.replaces or recorded.fault is not None:
                response = await reply(request, recorded, _unavailable, timeline.scope, self._context.closing)
                return await self._send(request, "connect", timelines, response)
            await asyncio.sleep(recorded.delay_s)
            break
        return await accept()

    async def _send(
        self, request: web.Request, channel: str, timelines: list[Timeline], response: web.StreamResponse
    ) -> web.StreamResponse:
        """Send a response completely before the timelines continue, so that later frames arrive after it."""
        with suppress(ConnectionError):  # the client has disconnected, or the recording has closed the connection
            if not response.prepared:
                response.headers.setdefault("Date", self.clock.date())
                await response.prepare(request)
            await response.write_eof()
        for timeline in timelines:
            timeline.note_answered(channel)
        return response

    def _timelines(self) -> list[Timeline]:
        """Return all timelines: the latest task first, the platform last."""
        return [*(task.timeline for task in reversed(self._tasks.values())), self._platform]

    def _on_message(self, token: str) -> None:
        if (task := self._by_token.get(token)) is not None:
            task.timeline.note_sent("socket")


async def _unavailable() -> web.StreamResponse:
    return web.Response(status=503)

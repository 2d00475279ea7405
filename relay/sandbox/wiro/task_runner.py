"""
Plays the scripts: one asyncio task for each, at the sandbox's pace, through the holds and lags that its faults ask for.

The only place where time passes. What a step changes is `record`'s, how it is spelled is `frames`'.
"""

import asyncio
import time

from relay.sandbox.wiro.frames import spell
from relay.sandbox.wiro.record import Record
from relay.sandbox.wiro.steps import Step
from relay.sandbox.wiro.task_socket import Audience
from relay.sandbox.wiro.tasks import Task
from relay.sandbox.wiro.webhooks import Webhooks


class Player:
    """Every task that is being played. `speed` 1.0 is the pace of the real platform, 10.0 ten times that."""

    def __init__(self, audience: Audience, webhooks: Webhooks, *, speed: float) -> None:
        self._audience = audience
        self._webhooks = webhooks
        self._speed = speed
        self._playing: dict[str, asyncio.Task[None]] = {}

    def start(self, task: Task) -> None:
        """Begin to play a task."""
        playing = asyncio.create_task(self._play(task), name=f"sandbox task {task.id}")
        self._playing[task.id] = playing
        playing.add_done_callback(lambda _: self._playing.pop(task.id, None))

    def cancel(self, task: Task) -> None:
        """End a task here and now, as Cancel and Kill do."""
        if playing := self._playing.pop(task.id, None):
            playing.cancel()
        task.holding_at = None
        step = Step(at_s=0, type="task_cancel", status="task_cancel", announced=not task.faults.silent)
        self._record(task, step)
        self._announce(task, step, task.record)
        self._webhooks.send(task)

    async def close(self) -> None:
        """Stop playing."""
        playing = list(self._playing.values())
        for each in playing:
            each.cancel()
        await asyncio.gather(*playing, return_exceptions=True)

    async def _play(self, task: Task) -> None:
        clock = asyncio.get_running_loop().time
        if task.faults.await_subscriber:
            await self._audience.arrival(task.token)
        due, at_s, holds = clock(), 0.0, set(task.faults.hold_at)
        for step in task.script:
            due += (step.at_s - at_s) / self._speed
            at_s = step.at_s
            await asyncio.sleep(max(0.0, due - clock()))
            await self._pass(task, step)
            if step.type in holds:
                holds.discard(step.type)
                await _hold(task, step.type)
                due = clock()

    async def _pass(self, task: Task, step: Step) -> None:
        if not (step.terminal and step.recorded):
            self._record(task, step)
            self._announce(task, step, task.record)
            return
        # The upstream's frame may come before its database knows: the frame shows a state that the detail lacks yet.
        ended = task.record.after(step, time.time(), task.faults.exit)
        if task.faults.webhook_early:
            await self._webhooks.send_now(task, ended)
        self._announce(task, step, ended)
        if task.faults.detail_lag_s:
            await asyncio.sleep(task.faults.detail_lag_s)
        self._record(task, step)
        if not task.faults.webhook_early:
            self._webhooks.send(task)

    def _record(self, task: Task, step: Step) -> None:
        if not step.recorded:
            return
        now = time.time()
        if step.terminal:
            task.before_end = task.record
        task.record = task.record.after(step, now, task.faults.exit)
        if step.status is not None and step.status != "task_output":
            task.passed.append((step.status, now))
        task.stir()

    def _announce(self, task: Task, step: Step, record: Record) -> None:
        if step.announced:
            self._audience.send(task.token, spell(step, task.identity, record))
        close = task.faults.early_close
        if close and close.stage == step.type and not task.early_closed:
            task.early_closed = True
            self._audience.close(task.token, close.code)


async def _hold(task: Task, stage: str) -> None:
    task.gate.clear()
    task.holding_at = stage
    task.stir()
    await task.gate.wait()
    task.holding_at = None

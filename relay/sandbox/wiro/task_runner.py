"""
Run the plans of tasks in real time, at the sandbox's speed, with the pauses and delays that switches ask for.

Each task runs in its own asyncio task. `record` defines what a step changes, `frames` how it is sent.
"""

import asyncio
import time

from relay.sandbox.wiro.frames import encode
from relay.sandbox.wiro.record import Record
from relay.sandbox.wiro.steps import Step
from relay.sandbox.wiro.task_socket import TaskSocket
from relay.sandbox.wiro.tasks import Task
from relay.sandbox.wiro.webhooks import Webhooks


class TaskRunner:
    """The tasks that are running. At `speed` 1.0 they take as long as on the real platform."""

    def __init__(self, socket: TaskSocket, webhooks: Webhooks, *, speed: float) -> None:
        self._socket = socket
        self._webhooks = webhooks
        self._speed = speed
        self._running: dict[str, asyncio.Task[None]] = {}

    def start(self, task: Task) -> None:
        """Start a task."""
        running = asyncio.create_task(self._run(task), name=f"sandbox task {task.id}")
        self._running[task.id] = running
        running.add_done_callback(lambda _: self._running.pop(task.id, None))

    def cancel(self, task: Task) -> None:
        """End a task immediately, as Cancel and Kill do."""
        if running := self._running.pop(task.id, None):
            running.cancel()
        task.holding_at = None
        step = Step(at_s=0, type="task_cancel", status="task_cancel", sent=not task.faults.silent)
        self._record(task, step)
        self._send(task, step, task.record)
        self._webhooks.send(task)

    async def close(self) -> None:
        """Stop all tasks."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _run(self, task: Task) -> None:
        clock = asyncio.get_running_loop().time
        if task.faults.await_subscriber:
            await self._socket.until_subscribed(task.token)
        holds: set[str] = set(task.faults.hold_at)
        due, at_s = clock(), 0.0
        for step in task.steps:
            due += (step.at_s - at_s) / self._speed
            at_s = step.at_s
            await asyncio.sleep(max(0.0, due - clock()))
            await self._take(task, step)
            if step.type in holds:
                holds.discard(step.type)
                await task.hold(step.type)
                due = clock()

    async def _take(self, task: Task, step: Step) -> None:
        if not (step.terminal and step.recorded):
            self._record(task, step)
            self._send(task, step, task.record)
            return
        # Wiro can send the terminal frame before its database has the end: the frame is ahead of the record.
        ended = task.record.after(step, time.time(), task.faults.exit)
        if task.faults.webhook_early:
            await self._webhooks.send_now(task, ended)
        self._send(task, step, ended)
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
        task.notify()

    def _send(self, task: Task, step: Step, record: Record) -> None:
        if step.sent:
            self._socket.send(task.token, encode(step, task.identity, record))
        close = task.faults.early_close
        if close and close.stage == step.type and not task.early_closed:
            task.early_closed = True
            self._socket.close(task.token, close.code)

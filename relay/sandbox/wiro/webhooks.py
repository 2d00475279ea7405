"""
Post the callback of a finished task.

Wiro's callbacks are unsigned, and its documentation specifies neither their body nor their retries.
"""

import asyncio

from relay.sandbox.shared.background import BackgroundTasks
from relay.sandbox.shared.callbacks import may_call_back, post_callback
from relay.sandbox.shared.json_response import encode
from relay.sandbox.wiro.detail import detail
from relay.sandbox.wiro.record import Record
from relay.sandbox.wiro.tasks import Task


class Webhooks:
    """Callbacks that are being sent."""

    def __init__(self) -> None:
        self._sending = BackgroundTasks()

    def send(self, task: Task) -> None:
        """Send a task's callback in the background, if it has one."""
        self._sending.start(self.send_now(task, task.record), name=f"sandbox callback {task.id}")

    async def send_now(self, task: Task, record: Record) -> None:
        """Send a task's callback for a state, if it has one, and wait for the response."""
        url, faults = task.identity.callback_url, task.faults
        if not url or faults.webhook == "none" or not may_call_back(url, task.id):
            return
        await asyncio.sleep(faults.webhook_delay_s)
        body = encode(_body(task, record))
        for _ in range(faults.webhook_times):
            await post_callback(url, body, {}, task.id)

    async def close(self) -> None:
        """Cancel the callbacks that are being sent."""
        await self._sending.close()


def _body(task: Task, record: Record) -> dict[str, object]:
    entry = detail(task.identity, record)
    match task.faults.webhook:
        case "tasklist":
            return {"result": True, "errors": [], "total": "1", "tasklist": [entry]}
        case "task":
            return entry
        case "status" | "none":
            return {"taskid": task.id, "status": record.status, "outputs": entry.get("outputs")}

"""
Post the signed callback of a finished job.

Apikley documents no retries of a callback that failed; the switch `webhook_times` repeats it.
"""

import asyncio
import time

from relay.sandbox.apikley.auth import WEBHOOK_SECRET, signature_headers
from relay.sandbox.apikley.jobs import Job
from relay.sandbox.apikley.record import record
from relay.sandbox.shared.background import BackgroundTasks
from relay.sandbox.shared.callbacks import may_call_back, post_callback
from relay.sandbox.shared.json_response import encode

_OUTDATED_S = 3600


class Callbacks:
    """Callbacks that are being sent."""

    def __init__(self) -> None:
        self._sending = BackgroundTasks()

    def send(self, job: Job) -> None:
        """Send a job's callback in the background, if it has one."""
        if job.callback_url and job.faults.webhook != "none" and may_call_back(job.callback_url, job.id):
            self._sending.start(_send(job), name=f"sandbox callback {job.id}")

    async def close(self) -> None:
        """Cancel the callbacks that are being sent."""
        await self._sending.close()


def callback_body(data: object, *, succeeded: bool) -> dict[str, object]:
    """Return the body of a callback with a job's record."""
    return {
        "code": 200 if succeeded else 501,
        "msg": "Playground task completed successfully." if succeeded else "Playground task failed.",
        "data": data,
    }


async def _send(job: Job) -> None:
    await asyncio.sleep(job.faults.webhook_delay_s)
    body = callback_body(record(job, id_name=job.faults.callback_id), succeeded=job.state == "success")
    for _ in range(job.faults.webhook_times):
        status = await post_callback(job.callback_url, encode(body), _signature(job), job.id)
        if status is not None:
            job.callbacks_answered.append(status)
        job.notify()


def _signature(job: Job) -> dict[str, str]:
    now = int(time.time())
    match job.faults.signature:
        case "none":
            return {}
        case "old":
            return signature_headers(WEBHOOK_SECRET, job.id, now - _OUTDATED_S)
        case "bad":
            return signature_headers("not-" + WEBHOOK_SECRET, job.id, now)
        case "good":
            return signature_headers(WEBHOOK_SECRET, job.id, now)

"""
The callback of a job that has ended: a signed POST. How often a failed one is repeated is documented nowhere.

The signature is base64 of HMAC-SHA256 over the job's id, a dot and the time; the body is not part of it. It only ever
goes to loopback: a simulation must not reach strangers.
"""

import asyncio
import base64
import hashlib
import hmac
import time

import aiohttp

from relay import log
from relay.sandbox.apikley.jobs import Job, record
from relay.sandbox.wiro.webhooks import on_loopback

_log = log.get("sandbox.apikley")
_TIMEOUT = aiohttp.ClientTimeout(total=5)
_LONG_AGO_S = 3600


class Callbacks:
    """Every callback on its way."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._sending: set[asyncio.Task[None]] = set()

    def send(self, job: Job) -> None:
        """Send the callback of a job that has ended, if it has one, without waiting for it."""
        if not job.callback_url or job.faults.webhook == "none":
            return
        if not on_loopback(job.callback_url):
            _log.warning("callback.refused", job=job.id, reason="the sandbox calls back to loopback addresses only")
            return
        sending = asyncio.create_task(self._send(job))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """Give up what is under way."""
        sending = list(self._sending)
        for each in sending:
            each.cancel()
        await asyncio.gather(*sending, return_exceptions=True)

    async def _send(self, job: Job) -> None:
        await asyncio.sleep(job.faults.webhook_delay_s)
        succeeded = job.state == "success"
        body = {
            "code": 200 if succeeded else 501,
            "msg": "Playground task completed successfully." if succeeded else "Playground task failed.",
            "data": record(job, id_name=job.faults.callback_id),
        }
        async with aiohttp.ClientSession() as session:
            for _ in range(job.faults.webhook_times):
                try:
                    async with session.post(
                        job.callback_url, json=body, headers=self._headers(job), timeout=_TIMEOUT
                    ) as answer:
                        job.callbacks_answered.append(answer.status)
                except (aiohttp.ClientError, TimeoutError) as error:
                    _log.warning("callback.failed", job=job.id, error=type(error).__name__)
                job.stir()

    def _headers(self, job: Job) -> dict[str, str]:
        at = int(time.time())
        match job.faults.signature:
            case "none":
                return {}
            case "old":
                at -= _LONG_AGO_S
                secret = self._secret
            case "bad":
                secret = "not-" + self._secret
            case "good":
                secret = self._secret
        return signed_headers(secret, job.id, at)


def signed_headers(secret: str, task_id: str, at: int) -> dict[str, str]:
    """Return the headers that sign a callback of a job at a unix time."""
    digest = hmac.new(secret.encode(), f"{task_id}.{at}".encode(), hashlib.sha256).digest()
    return {"X-Webhook-Timestamp": str(at), "X-Webhook-Signature": base64.b64encode(digest).decode()}

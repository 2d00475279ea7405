"""
The callback of a finished task: a POST without a signature, of which the documents pin neither body nor retries.

It only ever goes to loopback: a simulation must not reach strangers.
"""

import asyncio
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp

from relay import log
from relay.sandbox.wiro.record import Record, detail
from relay.sandbox.wiro.tasks import Task

_log = log.get("sandbox.webhooks")
_TIMEOUT = aiohttp.ClientTimeout(total=5)


class Webhooks:
    """Every callback on its way."""

    def __init__(self) -> None:
        self._sending: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    def send(self, task: Task) -> None:
        """Send the callback of a task, if it has one, without waiting for it."""
        if task.identity.callback_url and task.faults.webhook != "none":
            sending = asyncio.create_task(self.send_now(task, task.record))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)

    async def send_now(self, task: Task, record: Record) -> None:
        """Send the callback of a task, if it has one, as of a record, and wait until it was answered or failed."""
        url, faults = task.identity.callback_url, task.faults
        if not url or faults.webhook == "none":
            return
        if not on_loopback(url):
            _log.warning("webhook.refused", task=task.id, reason="the sandbox calls back to loopback addresses only")
            return
        await asyncio.sleep(faults.webhook_delay_s)
        body = _body(task, record)
        for _ in range(faults.webhook_times):
            try:
                async with self._client().post(url, json=body, timeout=_TIMEOUT) as answer:
                    _log.debug("webhook.answered", task=task.id, status=answer.status)
            except (aiohttp.ClientError, TimeoutError) as error:
                _log.warning("webhook.failed", task=task.id, error=type(error).__name__)

    async def close(self) -> None:
        """Give up what is under way."""
        sending = list(self._sending)
        for each in sending:
            each.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        if self._session:
            await self._session.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session


def on_loopback(url: str) -> bool:
    """Return whether an address is on this machine."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _body(task: Task, record: Record) -> dict[str, object]:
    entry = detail(task.identity, record)
    match task.faults.webhook:
        case "tasklist":
            return {"result": True, "errors": [], "total": "1", "tasklist": [entry]}
        case "task":
            return entry
        case "status" | "none":
            return {"taskid": task.id, "status": record.status, "outputs": entry.get("outputs")}

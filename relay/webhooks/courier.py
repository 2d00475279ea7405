"""
Delivers the webhooks of the outbox: takes those that are due, sends them, and notes what came of it.

In a journal that several nodes share, each node does this. What is in memory is bounded by AT_ONCE.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, Self

from relay import log
from relay.backoff import full_jitter
from relay.counting import LabeledCounter
from relay.errors import StoreError
from relay.journal.base import Journal, StoredTask
from relay.journal.outbox import Delivery, Outcome, Status
from relay.net.receiver_url import ReceiverUrl
from relay.webhooks.schedule import GIVE_UP_S, pause_s
from relay.webhooks.sender import Answer, Sender
from relay.webhooks.webhooks import Webhooks

AT_ONCE: Final = 200
"""How many webhooks a node sends at once."""

PER_URL: Final = 5
"""How many webhooks are sent to one URL at once, by all nodes."""

POLL_S: Final = 2.0
"""How often a node of several looks for webhooks that others have stored or returned."""

GONE: Final = 410
"""The status with which a receiver asks for no more webhooks about a task."""


class Courier:
    """The deliveries of this process. Use it as an async context manager: leaving it interrupts them."""

    def __init__(
        self,
        journal: Journal,
        webhooks: Webhooks,
        sender: Sender,
        *,
        clock: Callable[[], float],
        cautious_clock: Callable[[], float],
        pause: Callable[..., float] = pause_s,
        attempts: LabeledCounter | None = None,
        traceparent: Callable[[StoredTask], str] | None = None,
    ) -> None:
        """
        Args:
            journal: open, until this has been left.
            webhooks: wakes the courier.
            sender: sends webhooks, until this has been left.
            clock: returns unix seconds.
            cautious_clock: returns the unix seconds that have certainly passed: a jump gives nothing up.
            pause: returns how long to wait before another attempt, as `pause_s` does.
            traceparent: returns the trace that the webhooks of a task belong to; null for none.
            attempts: counts what came of each attempt: `delivered`, `delayed`, `failed` or `stopped`.
        """
        self._journal = journal
        self._webhooks = webhooks
        self._sender = sender
        self._clock = clock
        self._cautious_clock = cautious_clock
        self._pause = pause
        self._traceparent = traceparent
        self._attempts = LabeledCounter() if attempts is None else attempts
        self._running: asyncio.Task[None] | None = None
        self._sending: set[str] = set()
        self._log = log.get("courier")

    def __repr__(self) -> str:
        return f"<Courier sending={len(self._sending)}>"

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run(), name="courier")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        failures = 0
        async with asyncio.TaskGroup() as deliveries:
            while True:
                try:
                    next_in_s = await self._start_due(deliveries)
                except StoreError as error:  # the journal has logged it
                    self._log.debug("outbox.claim_failed", error=str(error))
                    failures += 1
                except Exception:  # noqa: BLE001 -- a boundary: without this loop, nothing would be delivered any more
                    self._log.exception("courier.crashed")
                    failures += 1
                else:
                    failures = 0
                if failures:
                    await asyncio.sleep(full_jitter(failures))
                else:
                    await self._wait(next_in_s)

    async def _start_due(self, deliveries: asyncio.TaskGroup) -> float | None:
        """Begin to send what is due; return in how many seconds the next one is."""
        self._webhooks.woken.clear()
        room = AT_ONCE - len(self._sending)
        if room <= 0:
            return None
        claimed = await self._journal.outbox.claim(tuple(self._sending), per_url=PER_URL, limit=room)
        for delivery in claimed.deliveries:
            self._sending.add(delivery.webhook.id)
            deliveries.create_task(self._deliver(delivery))
        return claimed.next_in_s

    async def _wait(self, next_in_s: float | None) -> None:
        """Wait until something is due, or may be."""
        limits = [limit for limit in (next_in_s, POLL_S if self._journal.shared else None) if limit is not None]
        try:
            async with asyncio.timeout(min(limits, default=None)):
                await self._webhooks.woken.wait()
        except TimeoutError:
            return

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            outcome = await self._send(delivery)
        except asyncio.CancelledError:
            interrupted = Outcome(status=Status.PENDING, answer="the relay shut down", tried_at=self._clock())
            with suppress(StoreError):  # the next process sends it
                await self._journal.outbox.settle(delivery.webhook.id, interrupted)
            raise
        except Exception:  # noqa: BLE001 -- a boundary: one that fails must not end all others
            self._log.exception("webhook.crashed", webhook=delivery.webhook.id, task=delivery.webhook.task)
            again_in_s = self._pause(delivery.failures + 1)
            outcome = Outcome(
                status=Status.PENDING, answer="an internal error", tried_at=self._clock(), again_in_s=again_in_s
            )
        await self._settle(delivery, outcome)
        self._sending.discard(delivery.webhook.id)
        self._webhooks.wake()

    async def _send(self, delivery: Delivery) -> Outcome:
        tried_at = self._clock()
        answer = await self._sender.send(delivery.webhook, await self._trace(delivery.webhook.task))
        status, again_in_s = self._judge(delivery, answer)
        self._attempts["delayed" if status is Status.PENDING else status.value,] += 1
        facts = {
            "task": delivery.webhook.task,
            "webhook": delivery.webhook.id,
            "type": delivery.webhook.type,
            "receiver": str(ReceiverUrl.parse(delivery.webhook.url)),
            "answer": answer.text,
            "attempts": delivery.attempts + 1,
        }
        if status is Status.DELIVERED:
            self._log.debug("webhook.delivered", **facts)
        elif status is Status.PENDING:
            self._log.info("webhook.delayed", **facts, again_in_s=round(again_in_s, 1))
        else:
            self._log.warning("webhook.given_up", **facts)
        return Outcome(status=status, answer=answer.text, tried_at=tried_at, again_in_s=again_in_s)

    async def _trace(self, task: str) -> Mapping[str, str]:
        """Return the header that names the trace of a task, if there are traces."""
        if self._traceparent is None:
            return {}
        try:
            stored = await self._journal.stored_task(task)
        except StoreError:  # the journal has logged it, and the webhook matters more
            return {}
        return {} if stored is None else {"traceparent": self._traceparent(stored)}

    def _judge(self, delivery: Delivery, answer: Answer) -> tuple[Status, float]:
        """Return what becomes of a webhook, and in how many seconds it is sent again."""
        if answer.status is not None and 200 <= answer.status < 300:
            return Status.DELIVERED, 0.0
        if answer.status == GONE:
            return Status.STOPPED, 0.0
        if not answer.allowed or self._cautious_clock() - delivery.since >= GIVE_UP_S:
            return Status.FAILED, 0.0
        return Status.PENDING, self._pause(delivery.failures + 1, asked_s=answer.retry_after_s)

    async def _settle(self, delivery: Delivery, outcome: Outcome) -> None:
        """Note an outcome. While the store fails, try again: the webhook would be sent twice without need."""
        failures = 0
        while True:
            try:
                await self._journal.outbox.settle(delivery.webhook.id, outcome)
            except StoreError:  # the journal has logged it
                failures += 1
                await asyncio.sleep(full_jitter(failures))
            else:
                return

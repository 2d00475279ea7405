"""The outbox of a journal in memory."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from itertools import count, islice

from relay.clock import uptime_s
from relay.journal.outbox import Claimed, Delivery, DeliveryFilter, Outcome, Status, Webhook

ACTIVE = (Status.QUEUED, Status.PENDING, Status.SENDING)
"""What a delivery is before it has ended. Each queue has at most one that is not queued."""


class MemoryOutbox:
    """
    The webhooks of this process.

    Like the journal, a write takes effect before the first suspension and suspends once after it.
    """

    def __init__(self, is_task: Callable[[str], bool]) -> None:
        """`is_task` returns whether there is a task with this id."""
        self._is_task = is_task
        self._numbers = count(1)
        self._rows: dict[str, Delivery] = {}
        """By id, oldest first."""
        self._queues: dict[tuple[str, str], list[str]] = {}
        """The ids of the webhooks of each task to each URL, oldest first."""
        self._sending: dict[str, str] = {}
        """The URLs of those that are being sent, by id."""
        self._due_s: dict[str, float] = {}
        """When each pending one is due, as `uptime_s` counts."""

    def store(self, webhooks: Iterable[Webhook]) -> None:
        """Store webhooks as a part of a commit."""
        for webhook in webhooks:
            if webhook.id in self._rows or not self._is_task(webhook.task):
                continue
            waits = any(each.status in ACTIVE for each in self._queue_of(webhook))
            self._queues.setdefault((webhook.task, webhook.url), []).append(webhook.id)
            self._rows[webhook.id] = Delivery(
                number=next(self._numbers),
                webhook=webhook,
                status=Status.QUEUED if waits else Status.PENDING,
                attempts=0,
                failures=0,
                since=webhook.created_at,
                tried_at=None,
                answer=None,
                next_in_s=None,
            )
            if not waits:
                self._due_s[webhook.id] = uptime_s()

    def prune(self, tasks: Collection[str]) -> None:
        """Delete the webhooks of tasks."""
        self._rows = {key: row for key, row in self._rows.items() if row.webhook.task not in tasks}
        self._queues = {queue: keys for queue, keys in self._queues.items() if queue[0] not in tasks}
        self._sending = {key: url for key, url in self._sending.items() if key in self._rows}
        self._due_s = {key: due_s for key, due_s in self._due_s.items() if key in self._rows}

    async def add(self, webhooks: Sequence[Webhook]) -> None:
        self.store(webhooks)
        await asyncio.sleep(0)

    async def claim(self, held: Collection[str], *, per_url: int, limit: int) -> Claimed:
        now_s = uptime_s()
        for key in [key for key in self._sending if key not in held]:
            self._set_due(self._rows[key], now_s)
        sending = Counter(self._sending.values())
        due = sorted((due_s, key) for key, due_s in self._due_s.items() if due_s <= now_s)
        taken: list[Delivery] = []
        for _, key in sorted(due, key=lambda each: (sending[self._rows[each[1]].webhook.url], each)):
            row = self._rows[key]
            if len(taken) < limit and sending[row.webhook.url] < per_url:
                sending[row.webhook.url] += 1
                taken.append(self._put(replace(row, status=Status.SENDING)))
        await asyncio.sleep(0)
        next_s = min((due_s for due_s in self._due_s.values() if due_s > now_s), default=None)
        return Claimed(deliveries=tuple(taken), next_in_s=None if next_s is None else next_s - now_s)

    async def settle(self, webhook: str, outcome: Outcome) -> None:
        row = self._rows.get(webhook)
        if row is not None and row.status is Status.SENDING:
            failures = 0 if outcome.status is Status.DELIVERED else row.failures + 1
            row = self._put(
                replace(
                    row,
                    status=outcome.status,
                    attempts=row.attempts + 1,
                    failures=failures,
                    tried_at=outcome.tried_at,
                    answer=outcome.answer,
                )
            )
            if outcome.status is Status.PENDING:
                self._set_due(row, uptime_s() + outcome.again_in_s)
            else:
                self._advance(row)
        await asyncio.sleep(0)

    async def again(self, webhook: str, at: float) -> Delivery | None:
        row = self._rows.get(webhook)
        if row is not None and row.status is Status.PENDING:
            self._set_due(row, uptime_s())
        elif row is not None and row.status.ended:
            row = self._put(replace(row, status=Status.QUEUED, failures=0, since=at))
            if all(each is row or each.status not in ACTIVE for each in self._queue_of(row.webhook)):
                self._set_due(row, uptime_s())
        await asyncio.sleep(0)
        return None if row is None else self._shown(self._rows[webhook])

    async def backlog(self) -> int:
        return sum(row.status in ACTIVE for row in self._rows.values())

    async def page(self, where: DeliveryFilter, *, before: int | None, limit: int) -> tuple[Delivery, ...]:
        newest = sorted(self._rows.values(), key=lambda row: -row.number)
        found = (
            self._shown(row)
            for row in newest
            if (before is None or row.number < before)
            and where.task in (None, row.webhook.task)
            and where.status in (None, row.status)
        )
        return tuple(islice(found, limit))

    def _advance(self, ended: Delivery) -> None:
        """Have the next one of a queue sent; or none, if the receiver has stopped it."""
        for row in self._queue_of(ended.webhook):
            if row.status is not Status.QUEUED:
                continue
            if ended.status is not Status.STOPPED:
                self._set_due(row, uptime_s())
                return
            self._put(replace(row, status=Status.STOPPED, answer=ended.answer))

    def _queue_of(self, webhook: Webhook) -> list[Delivery]:
        return [self._rows[key] for key in self._queues.get((webhook.task, webhook.url), ())]

    def _set_due(self, row: Delivery, due_s: float) -> None:
        self._put(replace(row, status=Status.PENDING))
        self._due_s[row.webhook.id] = due_s

    def _put(self, row: Delivery) -> Delivery:
        self._rows[row.webhook.id] = row
        if row.status is not Status.PENDING:
            self._due_s.pop(row.webhook.id, None)
        if row.status is Status.SENDING:
            self._sending[row.webhook.id] = row.webhook.url
        else:
            self._sending.pop(row.webhook.id, None)
        return row

    def _shown(self, row: Delivery) -> Delivery:
        due_s = self._due_s.get(row.webhook.id)
        return row if due_s is None else replace(row, next_in_s=max(0.0, due_s - uptime_s()))

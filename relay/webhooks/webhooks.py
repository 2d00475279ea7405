"""Stores webhooks in the outbox, lists what has become of them, and has them sent again."""

import asyncio
from collections.abc import Callable, Sequence

from relay.core.events import Event
from relay.core.snapshot import Snapshot
from relay.errors import Code, RequestError
from relay.journal.base import Journal, StoredTask, Subscription
from relay.journal.outbox import Delivery, DeliveryFilter, Webhook
from relay.webhooks.messages import Message, WebhookType, messages_of
from relay.webhooks.receivers import Receivers


class Webhooks:
    """The use cases of webhooks. The courier delivers them."""

    def __init__(self, journal: Journal, receivers: Receivers, clock: Callable[[], float]) -> None:
        """
        Args:
            journal: stores the webhooks.
            receivers: who receives them.
            clock: returns unix seconds.
        """
        self._journal = journal
        self._receivers = receivers
        self._clock = clock
        self.woken = asyncio.Event()
        """Set when there may be something to deliver."""

    def check(self, subscription: Subscription) -> None:
        """
        Check that a caller may name a receiver.

        Raises:
            RequestError: the caller may not.
        """
        self._receivers.check(subscription)

    def about(self, task: StoredTask, before: Snapshot, events: Sequence[Event]) -> tuple[Webhook, ...]:
        """
        Return the webhooks that events lead to, to be stored in the same commit. Call `wake` after it.

        Args:
            task: whose events they are.
            before: its state before the first of them.
            events: consecutive events of its log.
        """
        if not self._receivers.has_any(task):
            return ()
        return tuple(each for message in messages_of(before, events) for each in self._address(task, message))

    def wake(self) -> None:
        """Let the courier look into the outbox."""
        self.woken.set()

    async def announce(self, task: str, kind: WebhookType, key: str = "") -> None:
        """
        Store webhooks of a type that is not about an event of the log, such as `task.archived`, with the task's state.

        A call may be repeated: the same task, type and key have the same webhooks. Does nothing for an unknown task.

        Raises:
            StoreError: the store failed. The webhooks may have been stored.
        """
        stored, snapshot = await self._journal.stored_task(task), await self._journal.snapshot(task)
        if stored is None or snapshot is None:
            return
        message = Message(type=kind, at=self._clock(), key=key, snapshot=snapshot)
        if webhooks := self._address(stored, message):
            await self._journal.outbox.add(webhooks)
            self.wake()

    async def page(self, where: DeliveryFilter, *, before: int | None, limit: int) -> tuple[Delivery, ...]:
        """Return deliveries, newest first, with a number below `before`, at most `limit`."""
        return await self._journal.outbox.page(where, before=before, limit=limit)

    async def again(self, webhook: str) -> Delivery:
        """
        Have a webhook sent now, whatever became of it before.

        Raises:
            RequestError: there is no such webhook.
        """
        delivery = await self._journal.outbox.again(webhook, self._clock())
        if delivery is None:
            raise RequestError(Code.NOT_FOUND, "There is no such webhook.")
        self.wake()
        return delivery

    def _address(self, task: StoredTask, message: Message) -> tuple[Webhook, ...]:
        urls = self._receivers.of(task, message.type)
        body, now = message.body() if urls else b"", self._clock()
        return tuple(
            Webhook(
                id=message.id_for(url),
                task=task.id,
                url=url,
                type=message.type,
                body=body,
                created_at=now,
            )
            for url in urls
        )

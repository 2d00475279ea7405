"""
The contract of an outbox: webhooks that are stored with the events they are about, until they have been delivered.

`Journal.append` stores webhooks in the same commit as the events, and `Outbox.add` stores those that are not about an
event. The webhooks of one task to one URL are a queue: they are delivered in the order in which they were stored, and
at most one of them is pending or being sent at any time. They are deleted with their task.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook to be delivered to one URL."""

    id: str
    """Sent as `webhook-id`. A webhook with an id that is stored already is not stored again."""
    task: str
    url: str = field(repr=False)
    type: str
    body: bytes = field(repr=False)
    """What is sent: JSON in UTF-8."""
    created_at: float
    """In unix seconds."""


class Status(StrEnum):
    """How far a delivery is."""

    QUEUED = "queued"
    """An earlier webhook of the task to the same URL has not been delivered."""
    PENDING = "pending"
    """It is sent when it is due."""
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """It was tried for too long."""
    STOPPED = "stopped"
    """The receiver wants no more webhooks about the task."""

    @property
    def ended(self) -> bool:
        return self in (Status.DELIVERED, Status.FAILED, Status.STOPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A webhook and what has become of it."""

    number: int
    """Its place in the order in which webhooks were stored."""
    webhook: Webhook
    status: Status
    attempts: int
    """How often it has been sent."""
    failures: int
    """How often in a row that has failed since it was stored, or since it was to be sent again."""
    since: float
    """When that was, in unix seconds."""
    tried_at: float | None
    """When it was sent last, in unix seconds."""
    answer: str | None
    """What came of that, such as `HTTP 500`."""
    next_in_s: float | None
    """In how many seconds it is sent, if it is pending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of sending a webhook."""

    status: Status
    """DELIVERED, FAILED, STOPPED, or PENDING to send it again."""
    answer: str
    tried_at: float
    """In unix seconds."""
    again_in_s: float = 0.0
    """In how many seconds to send it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """Deliveries that this node sends now."""

    deliveries: tuple[Delivery, ...]
    next_in_s: float | None
    """In how many seconds the next one is due of those that are not due yet; null if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries to list: those that meet every condition. Null means no condition."""

    task: str | None = None
    status: Status | None = None


class Outbox(Protocol):
    """
    The webhooks of all tasks. Open as long as its journal is.

    Every method raises StoreError if the store fails. When a journal that one process has to itself is opened, and when
    a node registers, all pending deliveries are due at once.
    """

    async def add(self, webhooks: Sequence[Webhook]) -> None:
        """Store webhooks, durably. Those of tasks that do not exist and those that are stored already are left out."""

    async def claim(self, held: Collection[str], *, per_url: int, limit: int) -> Claimed:
        """
        Take deliveries that are due, to send them: no other node takes them until `settle`.

        URLs to which the fewest are being sent come first, then those that have been due for the longest time.

        Args:
            held: the ids of those that this node is sending. Others that it has taken are due again: the answer to an
                earlier call was lost.
            per_url: how many may be sent to one URL at once, by all nodes.
            limit: how many to take at most.
        """

    async def settle(self, webhook: str, outcome: Outcome) -> None:
        """
        Note what came of sending a webhook that this node has taken.

        If it is not sent again, the next one of its queue is due. If the receiver has stopped it, those behind it are
        stopped as well. Does nothing if the node does not send the webhook any more.
        """

    async def again(self, webhook: str, at: float) -> Delivery | None:
        """
        Have a webhook sent now, whatever became of it before, as if it was stored at `at` (unix seconds).

        Returns:
            It, or null if there is none with this id. If an earlier one of its queue has not been delivered, it waits.
        """

    async def backlog(self) -> int:
        """Return how many webhooks have not been delivered or given up, of all nodes."""

    async def page(self, where: DeliveryFilter, *, before: int | None, limit: int) -> tuple[Delivery, ...]:
        """Return deliveries that match, newest first, with a number below `before`, at most `limit`."""

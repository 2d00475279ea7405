"""The nodes that share a journal, and what they ask each other to do."""

from dataclasses import dataclass
from enum import StrEnum

from relay.core.upstream import UpstreamTask


class Order(StrEnum):
    """What a node asks the owner of a task to do."""

    CANCEL = "cancel"
    CALLED_BACK = "called_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """An order for the owner of a task. It is delivered until it is done, so it may be delivered more than once."""

    id: str
    task: str
    order: Order
    by: str = ""
    """Who cancels."""
    named: UpstreamTask | None = None
    """The upstream task that a callback proved to be about, or that a node which lost the task was answered with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A process that shares the journal."""

    id: str
    name: str
    seen_s: float
    """How many seconds ago it renewed its lease."""
    alive: bool
    tasks: int
    """How many tasks that have not ended it owns."""
    viewers: int
    lag_s: float
    """How far its listeners are behind the journal, as it reported last."""

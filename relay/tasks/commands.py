"""Passes requests on to the node that follows the task."""

from relay.core.upstream import UpstreamTask
from relay.journal.base import Journal
from relay.journal.nodes import Command, Order
from relay.tasks.ids import random_id
from relay.tasks.watching import becomes_true

CANCEL_S = 10.0
"""How long a client that cancels waits until the other node has noted that."""


async def cancel_elsewhere(journal: Journal, task: str, by: str) -> None:
    """
    Have the node that follows a task cancel it; wait until its log says so, or until CANCEL_S have passed.

    Args:
        journal: shared with that node.
        task: by id.
        by: who cancels.
    """

    async def noted() -> bool:
        snapshot = await journal.snapshot(task)
        return snapshot is None or snapshot.cancel is not None or snapshot.done is not None

    await journal.command(Command(id=random_id(), task=task, order=Order.CANCEL, by=by))
    await becomes_true(noted, journal, (task,), CANCEL_S)


async def call_back_elsewhere(journal: Journal, task: str, named: UpstreamTask | None) -> None:
    """
    Have the node that follows a task handle a callback, unless the task has ended.

    Args:
        journal: shared with that node.
        task: by id.
        named: the upstream task that the callback proved to be about.
    """
    snapshot = await journal.snapshot(task)
    if snapshot is not None and snapshot.done is None:
        await journal.command(Command(id=random_id(), task=task, order=Order.CALLED_BACK, named=named))

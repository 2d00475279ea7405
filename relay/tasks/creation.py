"""Puts a new task into the journal."""

import math
from collections.abc import Sequence
from dataclasses import replace

from relay.clock import uptime_s
from relay.core.lifecycle import submit
from relay.core.snapshot import Snapshot
from relay.core.spending import Limit
from relay.journal.base import Claim, Created, Journal, StoredTask
from relay.tasks.permit import permitted_until_s


async def create(
    journal: Journal,
    stored: StoredTask,
    *,
    claim: Claim | None = None,
    expired_before: float = -math.inf,
    began_at: float | None = None,
    limits: Sequence[Limit] = (),
) -> tuple[Snapshot, Created]:
    """
    Commit a new task with its first event. From then on the task exists, even if the relay stops.

    Args:
        journal: where it is stored.
        stored: the task.
        claim: the idempotency key that it is created under.
        expired_before: an older claim of the key, in unix seconds, does not count any more.
        began_at: when it began in unix seconds, if that was before the relay accepted it.
        limits: on starts and spending.

    Returns:
        Its state, and the outcome: if another task holds the key, or a limit is exceeded, none was created.

    Raises:
        Taken: another task is this upstream task.
        Fenced: the journal has to give this node a new id first.
    """
    issued_at_s = uptime_s()
    event, snapshot = submit(
        task=stored.id,
        model=stored.model,
        provider=stored.provider,
        tags=stored.tags,
        title=stored.title,
        epoch=journal.epoch,
        now=stored.created_at if began_at is None else began_at,
    )
    created = await journal.create(stored, event, claim=claim, expired_before=expired_before, limits=limits)
    return snapshot, replace(created, send_until_s=permitted_until_s(issued_at_s, created.send_until_s))

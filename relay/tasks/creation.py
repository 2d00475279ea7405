"""Puts a new task into the journal."""

from relay.core.lifecycle import submit
from relay.core.snapshot import Snapshot
from relay.journal.base import Claim, Journal, StoredTask


async def create(
    journal: Journal, stored: StoredTask, *, claim: Claim | None = None, began_at: float | None = None
) -> Snapshot:
    """
    Commit a new task with its first event, and return its state. From then on the task exists, even if the relay stops.

    Args:
        journal: where it is stored.
        stored: the task.
        claim: the idempotency key that it is created under.
        began_at: when it began in unix seconds, if that was before the relay accepted it.
    """
    event, snapshot = submit(
        task=stored.id,
        model=stored.model,
        provider=stored.provider,
        tags=stored.tags,
        epoch=journal.epoch,
        now=stored.created_at if began_at is None else began_at,
    )
    await journal.create(stored, event, claim=claim)
    return snapshot

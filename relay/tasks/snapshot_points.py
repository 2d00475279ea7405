"""
When the stored snapshot of a task is renewed: every SNAPSHOT_EVERY events, from a point that depends on the task.

Tasks that start together and log equally fast would otherwise renew their snapshots in the same commit, which delays
the events of all of them: a snapshot is much larger than an event.
"""

from zlib import crc32

from relay.journal.base import SNAPSHOT_EVERY


def snapshot_due(task: str, before: int, after: int) -> bool:
    """
    Return whether events of a task pass a point at which its stored snapshot is renewed.

    Args:
        task: its id, from which every node calculates the same points.
        before: the seq before the events.
        after: the seq of the last one.
    """
    offset = crc32(task.encode()) % SNAPSHOT_EVERY
    return (before + offset) // SNAPSHOT_EVERY != (after + offset) // SNAPSHOT_EVERY

"""The events that a viewer that reconnects with a cursor has missed, or has seen before this process."""

from relay.hub.cursor import Cursor
from relay.hub.recent_entries import RECENT_EVENTS
from relay.hub.task_channel import TaskChannel
from relay.hub.viewer import Viewer
from relay.journal.base import Journal
from relay.journal.entries import Appended, Entry


async def read_ahead(journal: Journal, channel: TaskChannel, cursor: Cursor) -> list[Viewer]:
    """
    Bring a channel up to a cursor that is ahead of it: its viewer has come from a node that was faster.

    Without that, the viewer's state would go back. What is published here is passed over when the journal publishes it.

    Returns:
        The viewers to which nothing was written because there was too much. They are slow from now on.

    Raises:
        OSError: the journal failed.
    """
    skipped: list[Viewer] = []
    while cursor.epoch == journal.epoch and cursor.seq > channel.seq and channel.loaded:
        after, version = channel.seq, channel.version
        history = await journal.read(channel.task, after=after, limit=RECENT_EVENTS)
        if channel.version != version or not history.entries or history.entries[0].seq != after + 1:
            break
        skipped += channel.publish(Appended(task=channel.task, entries=history.entries))
    return skipped


async def read_missed(journal: Journal, channel: TaskChannel, cursor: Cursor) -> list[Entry] | None:
    """
    Return the events after `cursor` up to the last one of `channel`, from memory or else from the journal.

    Returns:
        None if the viewer should start with a snapshot instead: the cursor is from another epoch or beyond the log,
        more than `RECENT_EVENTS` are missing, some are no longer kept, or the channel's state became outdated.

    Raises:
        OSError: the journal failed.
    """
    if cursor.epoch != journal.epoch or not 0 <= channel.seq - cursor.seq <= RECENT_EVENTS:
        return None
    version = channel.version
    missed: list[Entry] = []
    after = cursor.seq
    while (recent := channel.recent(after)) is None:
        history = await journal.read(channel.task, after=after, limit=RECENT_EVENTS)
        if channel.version != version:
            return None
        # The journal may have events that are not published yet: the channel will write those later.
        published = [entry for entry in history.entries if entry.seq <= channel.seq]
        if not published or published[0].seq != after + 1:
            return None
        missed += published
        after = published[-1].seq
    missed += recent
    return missed if len(missed) <= RECENT_EVENTS else None  # more may have been published during the read

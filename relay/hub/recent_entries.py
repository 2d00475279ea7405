"""The end of a task's log, kept in memory for viewers that resume."""

from collections import deque
from itertools import islice

from relay.journal.entries import Entry

RECENT_EVENTS = 500
RECENT_BYTES = 256 * 1024
"""The maximum kept per task. Older entries are read from the journal."""


class RecentEntries:
    """The last entries of one task, without gaps."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._size_bytes = 0

    def append(self, entry: Entry) -> None:
        """Add the next entry of the log, dropping the oldest ones over the limits."""
        self._entries.append(entry)
        self._size_bytes += len(entry.body)
        while len(self._entries) > RECENT_EVENTS or self._size_bytes > RECENT_BYTES:
            self._size_bytes -= len(self._entries.popleft().body)

    def after(self, seq: int) -> list[Entry] | None:
        """Return the entries after `seq`, or None if one of them has been dropped."""
        if not self._entries or self._entries[0].seq > seq + 1:
            return None
        return list(islice(self._entries, seq + 1 - self._entries[0].seq, None))

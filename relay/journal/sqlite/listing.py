"""
Lists of tasks, newest first, for a million tasks.

The table `listed` has a row of each task for each of its tags, and one with the empty tag. A page is read by merging
ranges of its indexes (`ranges`), so that it takes about as many rows as the page has, for any tag, provider, model,
states and time. Only a search by words may have to test rows that it does not return (`search`).
"""

import sqlite3
from math import inf

from relay.journal.lists import Filter, ListPosition
from relay.journal.sqlite.ranges import ALL_TASKS, Merge, Window, find_ranges
from relay.journal.sqlite.search import choose_merge


def load_page(
    connection: sqlite3.Connection, where: Filter, after: ListPosition | None, limit: int
) -> tuple[ListPosition, ...]:
    """Return tasks, newest first, after the position `after`."""
    if where.tag == ALL_TASKS:
        return ()  # no task has an empty tag
    window = _window(where, after)
    ranges = find_ranges(
        connection,
        window,
        where,
        tags=[where.tag or ALL_TASKS],
        models=None if where.model is None else [where.model],
    )
    merge = choose_merge(connection, window, where, ranges) if where.words else Merge.of(ranges)
    return merge.load(connection, window, limit)


def _window(where: Filter, after: ListPosition | None) -> Window:
    until = ListPosition(created_at=inf if where.until is None else where.until, id="")
    behind = until if after is None else min(until, after, key=lambda position: (position.created_at, position.id))
    return Window(since=-inf if where.since is None else where.since, after=behind)

"""
Lists of tasks, newest first, for a million tasks.

The table `listed` has a row of each task for each of its tags, and one with the empty tag. A page is read by merging
ranges of its indexes (`ranges`), so that it takes about as many rows as the page has, for any tag, provider, model,
states and time. Only a search by words may have to test rows that it does not return (`search`).
"""

import sqlite3
from dataclasses import replace
from math import inf
from typing import Final

from relay.core.events import State
from relay.journal.lists import Filter, ListPosition
from relay.journal.sqlite.ranges import ALL_TASKS, Merge, Range, Window, count_rows, find_ranges
from relay.journal.sqlite.search import NOT_STALLED, choose_merge, find_stalled

_NO_LIMIT: Final = -1


def load_page(
    connection: sqlite3.Connection, where: Filter, after: ListPosition | None, limit: int
) -> tuple[ListPosition, ...]:
    """Return tasks, newest first, after the position `after`."""
    if where.tag == ALL_TASKS:
        return ()  # no task has an empty tag
    window = _window(where, after)
    return _merge(connection, window, where, counts=False).load(connection, window, limit)


def count_tasks(connection: sqlite3.Connection, where: Filter, limit: int | None) -> dict[State, int]:
    """Return the number of tasks in each state, at most `limit` of each."""
    if where.tag == ALL_TASKS:
        return {}
    window = _window(where, None)
    most = _NO_LIMIT if limit is None else limit
    merge = _merge(connection, window, where, counts=True) if where.words or where.stalled else None
    if merge is not None and merge.looks_up:
        found = merge.count_by_state(connection, window)
        return found if limit is None else {state: min(tasks, limit) for state, tasks in found.items()}
    counts = {}
    for state in where.states or tuple(State):
        of_state = replace(where, states=(state,))
        if where.words or where.stalled is not None:
            counts[state] = _merge(connection, window, of_state, counts=True).count(connection, window, most)
        else:
            counts[state] = count_rows(connection, window, _ranges(connection, window, of_state), most)
    return counts


def _merge(connection: sqlite3.Connection, window: Window, where: Filter, *, counts: bool) -> Merge:
    """Return what finds the tasks in a window."""
    if where.stalled:
        return find_stalled(connection, window, where)
    ranges = _ranges(connection, window, where)
    merge = choose_merge(connection, window, where, ranges, counts=counts) if where.words else Merge.of(ranges)
    return merge if where.stalled is None else replace(merge, tests=(*merge.tests, NOT_STALLED))


def _ranges(connection: sqlite3.Connection, window: Window, where: Filter) -> tuple[Range, ...]:
    return find_ranges(
        connection,
        window,
        where,
        tags=[where.tag or ALL_TASKS],
        models=None if where.model is None else [where.model],
    )


def _window(where: Filter, after: ListPosition | None) -> Window:
    until = ListPosition(created_at=inf if where.until is None else where.until, id="")
    behind = until if after is None else min(until, after, key=lambda position: (position.created_at, position.id))
    return Window(since=-inf if where.since is None else where.since, after=behind)

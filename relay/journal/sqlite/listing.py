"""
Lists of tasks, newest first, optimized for half a million tasks.

There are two plans. If few tasks meet one of the conditions, these are looked up, tested for the other conditions and
sorted. If many tasks meet every condition, an index by age is scanned until the page is full, which takes few rows.
SQLite cannot choose between them without statistics, so the matches of each condition are counted first, up to a limit.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from math import inf

from relay.core.events import State
from relay.journal.base import Filter, ListPosition

RARE = 2000
"""A condition that at most this many tasks meet is looked up first."""

_LAST_CHAR = "\U0010ffff"
"""A word followed by this sorts behind everything that starts with the word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scan:
    """A scan of tasks in the order of an index: FROM and WHERE, and the columns of that order."""

    rows: str
    values: tuple[object, ...] = ()
    at: str = "t.created_at"
    id: str = "t.id"


Window = tuple[float, float]
"""The earliest and the latest time at which a task of the page can have been created."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Condition:
    """A condition on the tasks of a list, in SQL."""

    test: str
    """An expression: whether row `t` of tasks meets the condition."""
    values: tuple[object, ...]
    found: str
    """A SELECT of the ids within the window that meet the condition. Duplicates are possible."""
    found_values: tuple[object, ...]
    scans: tuple[_Scan, ...] = ()
    """Scans that together find exactly these tasks, if an index has them by age."""


def load_page(
    connection: sqlite3.Connection, where: Filter, after: ListPosition | None, limit: int
) -> tuple[ListPosition, ...]:
    """Return tasks, newest first, after the position `after`."""
    since = -inf if where.since is None else where.since
    until = inf if where.until is None else where.until
    behind = ListPosition(created_at=inf, id="") if after is None else after
    window = since, min(until, behind.created_at)
    conditions = _conditions(where, window)
    scans = _scans(connection, conditions)
    tests = "".join(f" AND ({condition.test})" for condition in conditions)
    values = tuple(value for condition in conditions for value in condition.values)
    pages = [
        connection.execute(
            f"SELECT t.created_at, t.id FROM {scan.rows}"  # noqa: S608 - composed of literals of this module
            # The index is used for the window only. The unary + keeps SQLite from using it for the other conditions.
            f" AND {scan.at} >= ? AND {scan.at} <= ?"
            f" AND +t.created_at < ? AND (+t.created_at, +t.id) < (?, ?){tests}"
            f" ORDER BY {scan.at} DESC, {scan.id} DESC LIMIT ?",
            (*scan.values, *window, until, behind.created_at, behind.id, *values, limit),
        ).fetchall()
        for scan in scans
    ]
    return tuple(ListPosition(created_at=at, id=task) for at, task in islice(merge(*pages, reverse=True), limit))


def _scans(connection: sqlite3.Connection, conditions: Sequence[_Condition]) -> Sequence[_Scan]:
    """Choose the plan: the scans that together find all candidates."""
    for condition in conditions:
        (count,) = connection.execute(
            f"SELECT count(*) FROM ({condition.found} LIMIT ?)",  # noqa: S608 - a literal of this module
            (*condition.found_values, RARE + 1),
        ).fetchone()
        if count <= RARE:
            # CROSS JOIN keeps the join order: the few ids first, then the row of each.
            rows = f"(SELECT DISTINCT id FROM ({condition.found})) f CROSS JOIN tasks t ON t.id = f.id WHERE TRUE"  # noqa: S608
            return [_Scan(rows=rows, values=condition.found_values)]
    by_index = next((condition.scans for condition in conditions if condition.scans), None)
    return by_index or [_Scan(rows="tasks t INDEXED BY tasks_by_age WHERE TRUE")]


def _conditions(where: Filter, window: Window) -> list[_Condition]:
    """Return the conditions of a filter. Of those with an index by age, the first one is scanned."""
    conditions = [_word(word, window) for word in where.words]
    if where.tag is not None:
        conditions.append(_tag(where.tag, window))
    if where.model is not None:
        conditions.append(_column("model = ? COLLATE NOCASE", "tasks_by_model", where.model, window))
    if where.states:
        conditions.append(_states(where.states, window))
    if where.provider is not None:
        conditions.append(_column("provider = ?", "tasks_by_provider", where.provider, window))
    return conditions


def _word(word: str, window: Window) -> _Condition:
    """The word is a prefix of the id, or of a word in the model or a tag, which the table `words` has."""
    prefix = word, word + _LAST_CHAR
    return _Condition(
        test="(t.id >= ? AND t.id < ?)"
        " OR t.model IN (SELECT name FROM words WHERE word >= ? AND word < ?)"
        " OR EXISTS (SELECT 1 FROM task_tags g WHERE g.task = t.id"
        " AND g.tag IN (SELECT name FROM words WHERE word >= ? AND word < ?))",
        values=prefix * 3,
        found="SELECT id FROM tasks WHERE id >= ? AND id < ? AND +created_at >= ? AND +created_at <= ?"
        # NOCASE as in the index. Other spellings of a model have the same words.
        " UNION ALL SELECT id FROM tasks WHERE model COLLATE NOCASE IN"
        " (SELECT name FROM words WHERE word >= ? AND word < ?) AND created_at >= ? AND created_at <= ?"
        " UNION ALL SELECT task FROM task_tags WHERE tag IN"
        " (SELECT name FROM words WHERE word >= ? AND word < ?) AND created_at >= ? AND created_at <= ?",
        found_values=(*prefix, *window) * 3,
    )


def _tag(tag: str, window: Window) -> _Condition:
    scan = "task_tags g CROSS JOIN tasks t ON t.id = g.task WHERE g.tag = ?"
    return _Condition(
        test="EXISTS (SELECT 1 FROM task_tags g WHERE g.tag = ? AND g.created_at = t.created_at AND g.task = t.id)",
        values=(tag,),
        found="SELECT task AS id FROM task_tags WHERE tag = ? AND created_at >= ? AND created_at <= ?",
        found_values=(tag, *window),
        scans=(_Scan(rows=scan, values=(tag,), at="g.created_at", id="g.task"),),
    )


def _states(states: tuple[State, ...], window: Window) -> _Condition:
    # One scan of several states would have to sort all tasks, so each state has its own, and the results are merged.
    scan = "tasks t INDEXED BY tasks_by_state WHERE t.state = ?"
    some = f"IN ({', '.join('?' * len(states))})"
    return _Condition(
        test=f"t.state {some}",
        values=states,
        found=f"SELECT id FROM tasks WHERE state {some} AND created_at >= ? AND created_at <= ?",  # noqa: S608
        found_values=(*states, *window),
        scans=tuple(_Scan(rows=scan, values=(state,)) for state in dict.fromkeys(states)),
    )


def _column(test: str, index: str, value: str, window: Window) -> _Condition:
    return _Condition(
        test=f"t.{test}",
        values=(value,),
        found=f"SELECT id FROM tasks WHERE {test} AND created_at >= ? AND created_at <= ?",  # noqa: S608
        found_values=(value, *window),
        scans=(_Scan(rows=f"tasks t INDEXED BY {index} WHERE t.{test}", values=(value,)),),
    )

"""
Which tasks a list shows, newest first, out of half a million and quickly.

A list has two ways. Where few tasks meet one of its conditions, these are looked up, tested for the others and sorted.
Where every condition is met by many, tasks are walked by age until there are enough: one of many is soon found. SQLite
cannot know which it is, for it keeps no statistics here, so the conditions are counted first, up to a limit.
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
"""A condition that no more tasks meet than this is one to begin with."""

_LAST_CHAR = "\U0010ffff"
"""Nothing that begins with a word sorts behind the word and this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """A way through tasks in the order of an index: FROM and WHERE, and the columns of that order."""

    rows: str
    values: tuple[object, ...] = ()
    at: str = "t.created_at"
    id: str = "t.id"


Window = tuple[float, float]
"""The first and the last moment at which a task of the page can have been created."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Condition:
    """What a list asks of a task."""

    test: str
    """Whether a row `t` of tasks meets it."""
    values: tuple[object, ...]
    found: str
    """A SELECT of the ids of those within the window that meet it, some perhaps more than once."""
    found_values: tuple[object, ...]
    walks: tuple[_Walk, ...] = ()
    """Walks that together find just those tasks, where an index has them by age."""


def load_page(
    connection: sqlite3.Connection, where: Filter, after: ListPosition | None, limit: int
) -> tuple[ListPosition, ...]:
    """Return tasks newest first, beginning behind `after`."""
    since = -inf if where.since is None else where.since
    until = inf if where.until is None else where.until
    behind = ListPosition(created_at=inf, id="") if after is None else after
    window = since, min(until, behind.created_at)
    conditions = _conditions(where, window)
    walks = _walks(connection, conditions)
    tests = "".join(f" AND ({condition.test})" for condition in conditions)
    values = tuple(value for condition in conditions for value in condition.values)
    pages = [
        connection.execute(
            f"SELECT t.created_at, t.id FROM {walk.rows}"  # noqa: S608 - put together from the literals of this module
            # The window is where the index begins and ends. The rest is tested: SQLite would begin at either.
            f" AND {walk.at} >= ? AND {walk.at} <= ?"
            f" AND +t.created_at < ? AND (+t.created_at, +t.id) < (?, ?){tests}"
            f" ORDER BY {walk.at} DESC, {walk.id} DESC LIMIT ?",
            (*walk.values, *window, until, behind.created_at, behind.id, *values, limit),
        ).fetchall()
        for walk in walks
    ]
    return tuple(ListPosition(created_at=at, id=task) for at, task in islice(merge(*pages, reverse=True), limit))


def _walks(connection: sqlite3.Connection, conditions: Sequence[_Condition]) -> Sequence[_Walk]:
    """Choose how to come by the tasks."""
    for condition in conditions:
        (count,) = connection.execute(
            f"SELECT count(*) FROM ({condition.found} LIMIT ?)",  # noqa: S608 - a literal of this module
            (*condition.found_values, RARE + 1),
        ).fetchone()
        if count <= RARE:
            # CROSS JOIN keeps the order: these few first, and each one's row.
            rows = f"(SELECT DISTINCT id FROM ({condition.found})) f CROSS JOIN tasks t ON t.id = f.id WHERE TRUE"  # noqa: S608
            return [_Walk(rows=rows, values=condition.found_values)]
    by_index = next((condition.walks for condition in conditions if condition.walks), None)
    return by_index or [_Walk(rows="tasks t INDEXED BY tasks_by_age WHERE TRUE")]


def _conditions(where: Filter, window: Window) -> list[_Condition]:
    """Return what is asked for. Of two that have an index by age, the first is walked."""
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
    """An id begins with it, or a word of a model or of a tag does; `words` has those of all models and tags."""
    begins = word, word + _LAST_CHAR
    return _Condition(
        test="(t.id >= ? AND t.id < ?)"
        " OR t.model IN (SELECT name FROM words WHERE word >= ? AND word < ?)"
        " OR EXISTS (SELECT 1 FROM task_tags g WHERE g.task = t.id"
        " AND g.tag IN (SELECT name FROM words WHERE word >= ? AND word < ?))",
        values=begins * 3,
        found="SELECT id FROM tasks WHERE id >= ? AND id < ? AND +created_at >= ? AND +created_at <= ?"
        # NOCASE is the index's; a model's other spellings have the same words.
        " UNION ALL SELECT id FROM tasks WHERE model COLLATE NOCASE IN"
        " (SELECT name FROM words WHERE word >= ? AND word < ?) AND created_at >= ? AND created_at <= ?"
        " UNION ALL SELECT task FROM task_tags WHERE tag IN"
        " (SELECT name FROM words WHERE word >= ? AND word < ?) AND created_at >= ? AND created_at <= ?",
        found_values=(*begins, *window) * 3,
    )


def _tag(tag: str, window: Window) -> _Condition:
    walk = "task_tags g CROSS JOIN tasks t ON t.id = g.task WHERE g.tag = ?"
    return _Condition(
        test="EXISTS (SELECT 1 FROM task_tags g WHERE g.tag = ? AND g.created_at = t.created_at AND g.task = t.id)",
        values=(tag,),
        found="SELECT task AS id FROM task_tags WHERE tag = ? AND created_at >= ? AND created_at <= ?",
        found_values=(tag, *window),
        walks=(_Walk(rows=walk, values=(tag,), at="g.created_at", id="g.task"),),
    )


def _states(states: tuple[State, ...], window: Window) -> _Condition:
    # With several states one walk would have to sort them all: each has its own, and they are merged.
    walk = "tasks t INDEXED BY tasks_by_state WHERE t.state = ?"
    some = f"IN ({', '.join('?' * len(states))})"
    return _Condition(
        test=f"t.state {some}",
        values=states,
        found=f"SELECT id FROM tasks WHERE state {some} AND created_at >= ? AND created_at <= ?",  # noqa: S608
        found_values=(*states, *window),
        walks=tuple(_Walk(rows=walk, values=(state,)) for state in dict.fromkeys(states)),
    )


def _column(test: str, index: str, value: str, window: Window) -> _Condition:
    return _Condition(
        test=f"t.{test}",
        values=(value,),
        found=f"SELECT id FROM tasks WHERE {test} AND created_at >= ? AND created_at <= ?",  # noqa: S608
        found_values=(value, *window),
        walks=(_Walk(rows=f"tasks t INDEXED BY {index} WHERE t.{test}", values=(value,)),),
    )

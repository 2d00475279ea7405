"""
Ranges of the indexes of `listed`: the tasks of one tag, provider and state, or also of one model, ordered by age.

A list that is not one range consists of several, which are merged. There are ten states and few providers, so a tag has
few ranges. Those without tasks are left out first.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from relay.core.events import State
from relay.journal.lists import Filter, ListPosition

ALL_TASKS: Final = ""
"""The tag under which every task is listed. No tag of a task is empty."""

WINDOW: Final = "l.created_at >= :since AND (l.created_at, l.task) < (:at, :id)"
"""The condition that row `l` of `listed` is within a window."""

_BY_PROVIDER: Final = "listed l INDEXED BY listed_by_provider WHERE l.tag = {0} AND l.provider = {2} AND l.state = {3}"

_BY_MODEL: Final = (
    "listed l INDEXED BY listed_by_model WHERE l.tag = {0} AND l.model = {1} AND l.provider = {2} AND l.state = {3}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Where in a list the tasks are: created at `since` or later, and after the position `after`."""

    since: float
    after: ListPosition

    @property
    def values(self) -> dict[str, object]:
        """The parameters of WINDOW."""
        return {"since": self.since, "at": self.after.created_at, "id": self.after.id}


@dataclass(frozen=True, slots=True)
class Range:
    """A range of the index by provider or, with a model, of the index by model."""

    tag: str
    model: str | None
    provider: str
    state: str

    @property
    def values(self) -> tuple[str, str | None, str, str]:
        return self.tag, self.model, self.provider, self.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """A statement that merges SELECTs in the order of the list, and tests their rows until it has enough."""

    selects: tuple[str, ...]
    """Each returns positions in a window. Together they return all tasks of the list, possibly more than once."""
    tests: tuple[str, ...] = ()
    """Conditions on a row of `merged`."""
    values: Mapping[str, object]
    looks_up: bool = False
    """Whether it looks up few tasks, instead of reading ranges."""

    @classmethod
    def of(
        cls,
        ranges: Iterable[Range],
        *more: str,
        tests: tuple[str, ...] = (),
        values: Mapping[str, object] | None = None,
    ) -> "Merge":
        """Return a merge of ranges and of more SELECTs, which have the given tests and values."""
        selects: list[str] = []
        range_values: dict[str, object] = {}
        for number, one in enumerate(ranges):
            names = [f"{name}{number}" for name in ("tag", "model", "provider", "state")]
            index = _BY_PROVIDER if one.model is None else _BY_MODEL
            rows = index.format(*(f":{name}" for name in names))
            selects.append(f"SELECT l.created_at, l.task FROM {rows} AND {WINDOW}")  # noqa: S608 - literals
            range_values |= zip(names, one.values, strict=True)
        return cls(selects=(*selects, *more), tests=tests, values=range_values | dict(values or {}))

    def load(self, connection: sqlite3.Connection, window: Window, limit: int) -> tuple[ListPosition, ...]:
        """Return the first tasks in a window."""
        if not self.selects:
            return ()
        rows = connection.execute(self._statement, {**window.values, **self.values, "limit": limit})
        return tuple(ListPosition(created_at=at, id=task) for at, task in rows)

    def count(self, connection: sqlite3.Connection, window: Window, limit: int) -> int:
        """Return the number of tasks in a window, at most `limit`; -1 for no limit."""
        if not self.selects:
            return 0
        count = f"SELECT count(*) FROM ({self._statement})"  # noqa: S608 - literals
        (tasks,) = connection.execute(count, {**window.values, **self.values, "limit": limit}).fetchone()
        return int(tasks)

    def count_by_state(self, connection: sqlite3.Connection, window: Window) -> dict[State, int]:
        """Return the number of tasks in a window by state."""
        rows = connection.execute(
            f"SELECT g.state, count(*) FROM ({self._statement}) m"  # noqa: S608 - literals
            " CROSS JOIN listed g ON g.task = m.task AND g.tag = :all_tasks GROUP BY 1",
            {**window.values, **self.values, "limit": -1, "all_tasks": ALL_TASKS},
        )
        return {State(state): tasks for state, tasks in rows}

    @property
    def _statement(self) -> str:
        """The statement, which has the parameter `limit`."""
        # SQLite merges ordered SELECTs row by row, and reads no further than it has to. UNION drops duplicates.
        merged = f"{' UNION '.join(self.selects)} ORDER BY 1 DESC, 2 DESC"
        # Rows are tested after the merge: a range without a match would be read to its end to find its first one.
        # The inner LIMIT keeps SQLite from rewriting the statement, so that its rows stay in order.
        return (
            f"SELECT created_at, task FROM ({merged} LIMIT -1) merged WHERE {' AND '.join(self.tests)} LIMIT :limit"  # noqa: S608
            if self.tests
            else f"{merged} LIMIT :limit"
        )


def find_ranges(
    connection: sqlite3.Connection,
    window: Window,
    where: Filter,
    *,
    tags: Sequence[str],
    models: Sequence[str] | None = None,
) -> tuple[Range, ...]:
    """
    Return the ranges that have tasks in a window.

    Args:
        connection: the database.
        window: the tasks to look for.
        where: the provider and the states to list.
        tags: the tags to list.
        models: the models to list; null for all.
    """
    index = _BY_PROVIDER if models is None else _BY_MODEL
    rows = connection.execute(
        "SELECT t.value, m.value, p.value, s.value FROM json_each(:tags) t CROSS JOIN json_each(:models) m"  # noqa: S608
        " CROSS JOIN json_each(:providers) p CROSS JOIN json_each(:states) s WHERE EXISTS"
        f" (SELECT 1 FROM {index.format('t.value', 'm.value', 'p.value', 's.value')} AND {WINDOW})",
        {
            "tags": _json(tags),
            "models": _json([None] if models is None else models),
            "providers": _json(load_providers(connection) if where.provider is None else [where.provider]),
            "states": _json(where.states or tuple(State)),
            **window.values,
        },
    )
    return tuple(dict.fromkeys(Range(*row) for row in rows))


def count_rows(connection: sqlite3.Connection, window: Window, ranges: Iterable[Range], limit: int) -> int:
    """Return the number of rows that ranges have in a window, at most `limit`."""
    by_model = [each.values for each in ranges if each.model is not None]
    by_provider = [each.values for each in ranges if each.model is None]
    columns = [f"json_extract(j.value, '$[{column}]')" for column in range(4)]
    (rows,) = connection.execute(
        "SELECT count(*) FROM ("  # noqa: S608 - literals of this module
        f" SELECT 1 FROM json_each(:by_provider) j CROSS JOIN {_BY_PROVIDER.format(*columns)} AND {WINDOW} UNION ALL"
        f" SELECT 1 FROM json_each(:by_model) j CROSS JOIN {_BY_MODEL.format(*columns)} AND {WINDOW} LIMIT :limit)",
        {"by_provider": _json(by_provider), "by_model": _json(by_model), "limit": limit, **window.values},
    ).fetchone()
    return int(rows)


def load_providers(connection: sqlite3.Connection) -> list[str]:
    """Return the providers that have tasks, with one lookup for each."""
    rows = connection.execute(
        "WITH RECURSIVE known (provider) AS ("
        "  SELECT min(provider) FROM listed WHERE tag = :tag UNION ALL"
        "  SELECT (SELECT min(provider) FROM listed WHERE tag = :tag AND provider > known.provider) FROM known"
        "  WHERE known.provider IS NOT NULL"
        ") SELECT provider FROM known WHERE provider IS NOT NULL",
        {"tag": ALL_TASKS},
    )
    return [provider for (provider,) in rows]


def _json(values: object) -> str:
    return orjson.dumps(values).decode()

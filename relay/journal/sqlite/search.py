"""
Searches by words: chooses the rows of `listed` among which the tasks with all words are found.

Each row that is read is tested for the words, so the fewer rows the better. The choice is between the list that is
searched, and the tasks with one of the words: these are looked up if they are few, or are ranges if few models and tags
have the word. Without a good choice, the list is searched from its newest task on, and the reader may stop it.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

import orjson

from relay.journal.lists import Filter
from relay.journal.sqlite.ranges import ALL_TASKS, WINDOW, Merge, Range, Window, count_rows, find_ranges

FEW = 2000
"""The tasks with a word are looked up if they are at most this many, or ten times as many to count them."""

MAX_RANGES = 64
"""The tasks with a word are merged from at most this many ranges."""

COUNTED = 50_000
"""Up to which number of rows two choices are compared."""

_LAST_CHAR: Final = "\U0010ffff"
"""A word followed by this sorts behind everything that starts with the word."""

# In these statements, {0} is the number of a word. The word is a prefix of the id of a task, or of a word in its title,
# which the table `title_words` has, or in its model or one of its tags, which the table `words` has.

_HAS_WORD: Final = (
    "(merged.task >= :from{0} AND merged.task < :to{0}"
    " OR EXISTS (SELECT 1 FROM title_words t WHERE t.task = merged.task AND t.word >= :from{0} AND t.word < :to{0})"
    " OR EXISTS (SELECT 1 FROM listed g CROSS JOIN words w"
    " ON w.name IN (g.tag, g.model) AND w.word >= :from{0} AND w.word < :to{0} WHERE g.task = merged.task))"
)

_IS_LISTED: Final = (
    "EXISTS (SELECT 1 FROM listed g"
    " WHERE g.task = merged.task AND g.tag = :listed AND (:model IS NULL OR g.model = :model))"
)

_STALLED: Final = "SELECT task AS id FROM stalled"

NOT_STALLED: Final = "NOT EXISTS (SELECT 1 FROM stalled s WHERE s.task = merged.task)"
"""A condition on a row of a merge."""

_IDS: Final = (
    "SELECT id FROM tasks WHERE id >= :from{0} AND id < :to{0} UNION ALL"
    " SELECT task FROM title_words WHERE word >= :from{0} AND word < :to{0}"
)

_FOUND: Final = (
    f"{_IDS} UNION ALL"  # noqa: S608 - literals of this module
    " SELECT g.task FROM words w CROSS JOIN listed g ON g.tag = w.name"
    " WHERE w.word >= :from{0} AND w.word < :to{0} UNION ALL"
    " SELECT g.task FROM words w CROSS JOIN listed g ON g.tag = :all AND g.model = w.name"
    " WHERE w.word >= :from{0} AND w.word < :to{0}"
)


def choose_merge(
    connection: sqlite3.Connection, window: Window, where: Filter, listed: Sequence[Range], *, counts: bool
) -> Merge:
    """
    Return the merge that finds the tasks in the ranges `listed` that have all words, with the fewest rows.

    With `counts`, it is to find all of them, so it looks up more tasks rather than to test every row.
    """
    search = _Search(connection, window, where, few=10 * FEW if counts else FEW)
    words = range(len(where.words))
    for word in words:
        if search.is_few(_FOUND.format(word)):
            found = search.look_up(_FOUND.format(word))
            return Merge(selects=(found,), tests=search.tests(word), values=search.values, looks_up=True)
    best, fewest = Merge.of(listed, tests=search.tests(), values=search.values), COUNTED
    for word in words:
        if (ranges := search.ranges(word)) is None:
            continue
        merge = search.merge(word, ranges)
        if not merge.tests:
            return merge
        fewest = count_rows(connection, window, listed, fewest)
        if (rows := count_rows(connection, window, ranges, fewest)) < fewest:
            best, fewest = merge, rows
    return best


def find_stalled(connection: sqlite3.Connection, window: Window, where: Filter) -> Merge:
    """Return the merge that finds the stalled tasks that have all words. Stalled tasks are few: they are looked up."""
    search = _Search(connection, window, where, few=FEW)
    return Merge(selects=(search.look_up(_STALLED),), tests=search.tests(), values=search.values, looks_up=True)


class _Search:
    """The parts of the statements of one search. Words are referred to by their numbers."""

    def __init__(self, connection: sqlite3.Connection, window: Window, where: Filter, *, few: int) -> None:
        self._connection = connection
        self._few = few
        self._window = window
        self._where = where
        self.values: dict[str, object] = {
            "all": ALL_TASKS,
            "listed": where.tag or ALL_TASKS,
            "model": where.model,
            "provider": where.provider,
            "states": orjson.dumps(where.states).decode(),
        }
        for number, word in enumerate(where.words):
            self.values |= {f"from{number}": word, f"to{number}": word + _LAST_CHAR}

    def is_few(self, select: str) -> bool:
        """Return whether a SELECT finds few tasks."""
        (found,) = self._connection.execute(
            f"SELECT count(*) FROM ({select} LIMIT :few + 1)",  # noqa: S608 - a literal of this module
            {**self.values, "few": self._few},
        ).fetchone()
        return bool(found <= self._few)

    def ranges(self, word: int) -> tuple[Range, ...] | None:
        """Return the ranges of the models and tags with a word; null if they are too many."""
        rows = self._connection.execute(
            "SELECT DISTINCT name FROM words WHERE word >= :from AND word < :to LIMIT :limit",
            {"from": self.values[f"from{word}"], "to": self.values[f"to{word}"], "limit": MAX_RANGES + 1},
        )
        names = [name for (name,) in rows]
        if len(names) > MAX_RANGES or not self.is_few(_IDS.format(word)):
            return None
        connection, window, where = self._connection, self._window, self._where
        tagged = find_ranges(connection, window, where, tags=names)
        made = find_ranges(connection, window, where, tags=[where.tag or ALL_TASKS], models=names)
        return (*tagged, *made) if len(tagged) + len(made) <= MAX_RANGES else None

    def merge(self, word: int, ranges: Sequence[Range]) -> Merge:
        """Return a merge of the ranges of a word, and of the tasks whose ids or titles have it."""
        tests = self.tests(word)
        if self._where.tag is not None or self._where.model is not None:
            tests = (_IS_LISTED, *tests)
        return Merge.of(ranges, self.look_up(_IDS.format(word)), tests=tests, values=self.values)

    def tests(self, met: int | None = None) -> tuple[str, ...]:
        """Return the conditions on a row that it has all words except one."""
        return tuple(_HAS_WORD.format(word) for word in range(len(self._where.words)) if word != met)

    def look_up(self, ids: str) -> str:
        """Return a SELECT of the tasks in the list whose ids another SELECT returns."""
        tests = [WINDOW]
        if self._where.provider is not None:
            tests.append("l.provider = :provider")
        if self._where.model is not None:
            tests.append("l.model = :model")
        if self._where.states:
            tests.append("l.state IN (SELECT value FROM json_each(:states))")
        # CROSS JOIN keeps the join order: the few ids first, then the row of each.
        return (
            f"SELECT l.created_at, l.task FROM (SELECT DISTINCT id FROM ({ids})) f"  # noqa: S608 - literals
            f" CROSS JOIN listed l ON l.task = f.id AND l.tag = :listed WHERE {' AND '.join(tests)}"
        )

"""The tables of words by which models, tags and titles are found. Plain functions on a connection."""

import sqlite3
from collections.abc import Iterable

from relay.journal.search_words import title_words, word_suffixes
from relay.journal.sqlite.ranges import ALL_TASKS


def add_words(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    """Index models and tags by their words. Names that are already indexed cost only a lookup."""
    rows = [(word, name) for name in names for word in word_suffixes(name)]
    connection.executemany("INSERT OR IGNORE INTO words (word, name) VALUES (?, ?)", rows)


def add_title(connection: sqlite3.Connection, task: str, title: str | None) -> None:
    """Index the title of a task by its words."""
    rows = [(task, word) for word in title_words(title)]
    connection.executemany("INSERT INTO title_words (task, word) VALUES (?, ?)", rows)


def names_of(connection: sqlite3.Connection, tasks: Iterable[str]) -> set[str]:
    """Return the models and tags of tasks."""
    rows = (connection.execute("SELECT tag, model FROM listed WHERE task = ?", (task,)) for task in tasks)
    return {name for each in rows for row in each for name in row if name}


def drop_unused_words(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    """Remove models and tags from the index that no task has any more."""
    for name in names:
        (used,) = connection.execute(
            "SELECT EXISTS (SELECT 1 FROM listed WHERE tag = :name)"
            " OR EXISTS (SELECT 1 FROM listed WHERE tag = :all AND model = :name AND model = :name COLLATE BINARY)",
            {"name": name, "all": ALL_TASKS},
        ).fetchone()
        if not used:
            rows = [(word, name) for word in word_suffixes(name)]
            connection.executemany("DELETE FROM words WHERE word = ? AND name = ?", rows)

"""The table of words by which models and tags are found. Plain functions on a connection."""

import sqlite3
from collections.abc import Iterable

from relay.journal.search_words import word_suffixes


def add_words(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    """Index models and tags by their words. Names that are already indexed cost only a lookup."""
    rows = [(word, name) for name in names for word in word_suffixes(name)]
    connection.executemany("INSERT OR IGNORE INTO words (word, name) VALUES (?, ?)", rows)


def names_of(connection: sqlite3.Connection, tasks: Iterable[str]) -> set[str]:
    """Return the models and tags of tasks."""
    both = "SELECT model FROM tasks WHERE id = :task UNION SELECT tag FROM task_tags WHERE task = :task"
    return {name for task in tasks for (name,) in connection.execute(both, {"task": task})}


def drop_unused_words(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    """Remove models and tags from the index that no task has any more."""
    for name in names:
        (used,) = connection.execute(
            "SELECT EXISTS (SELECT 1 FROM task_tags WHERE tag = :name)"
            " OR EXISTS (SELECT 1 FROM tasks WHERE model = :name COLLATE NOCASE AND model = :name)",
            {"name": name},
        ).fetchone()
        if not used:
            rows = [(word, name) for word in word_suffixes(name)]
            connection.executemany("DELETE FROM words WHERE word = ? AND name = ?", rows)

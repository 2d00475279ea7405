"""
The tables with facts about the file as a whole, its secrets, and its size.

Plain functions on a connection, called in the thread that owns it. None begins or ends a transaction.
"""

import sqlite3
from typing import Final

_SAVED_TIME: Final = "witnessed"


def keep_secret(connection: sqlite3.Connection, name: str, value: str) -> str:
    """Store a secret unless there is one with this name; return the stored one."""
    connection.execute("INSERT OR IGNORE INTO secrets (name, value) VALUES (?, ?)", (name, value))
    (kept,) = connection.execute("SELECT value FROM secrets WHERE name = ?", (name,)).fetchone()
    return str(kept)


def set_meta(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Store a fact about the file, replacing an earlier value."""
    connection.execute("REPLACE INTO meta (name, value) VALUES (?, ?)", (name, value))


def save_time(connection: sqlite3.Connection, at: float) -> None:
    """Store a time that has certainly been reached, in unix seconds."""
    set_meta(connection, _SAVED_TIME, repr(at))


def load_saved_time(connection: sqlite3.Connection) -> float | None:
    """Return the time that was saved last. A file of an earlier version has only the time of its newest task."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (_SAVED_TIME,)).fetchone()
    if row is None:
        row = connection.execute("SELECT max(created_at) FROM tasks").fetchone()
    return None if row[0] is None else float(row[0])


def load_size_bytes(connection: sqlite3.Connection) -> int:
    """Return the size of all pages in use. Free pages are reused before the file grows."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * page_bytes)

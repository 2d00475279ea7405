"""Upgrades of the schema of older files, one version after the other, in one transaction."""

import sqlite3

import orjson

from relay.journal.base import UNFINISHED
from relay.journal.sqlite.words import add_words

SCHEMA_VERSION = 15


def upgrade(connection: sqlite3.Connection, version: int) -> None:
    """Upgrade the tables from `version` to SCHEMA_VERSION. The time it takes is proportional to the number of tasks."""
    for older in range(version, SCHEMA_VERSION):
        _STEPS[older](connection)


def _add_files(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE tasks ADD COLUMN files BLOB")


def _index_rows_by_task(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE INDEX IF NOT EXISTS claims_by_task ON claims (task)")
    connection.execute("CREATE INDEX IF NOT EXISTS task_tags_by_task ON task_tags (task)")


def _index_by_age_and_words(connection: sqlite3.Connection) -> None:
    """Index the tasks of each tag, model and provider by age, and all models and tags by their words."""
    connection.execute("CREATE INDEX tasks_by_model ON tasks (model COLLATE NOCASE, created_at, id)")
    connection.execute("CREATE INDEX tasks_by_provider ON tasks (provider, created_at, id)")
    connection.execute(
        "CREATE TABLE tags_by_age ("
        "  tag TEXT NOT NULL, created_at REAL NOT NULL, task TEXT NOT NULL REFERENCES tasks (id),"
        "  PRIMARY KEY (tag, created_at, task)"
        ") STRICT, WITHOUT ROWID"
    )
    connection.execute(
        "INSERT INTO tags_by_age (tag, created_at, task)"
        " SELECT tag, created_at, task FROM task_tags JOIN tasks ON id = task ORDER BY tag, created_at, task"
    )
    connection.execute("DROP TABLE task_tags")
    connection.execute("ALTER TABLE tags_by_age RENAME TO task_tags")
    connection.execute("CREATE INDEX task_tags_by_task ON task_tags (task)")
    connection.execute(
        "CREATE TABLE words (word TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (word, name)) STRICT, WITHOUT ROWID"
    )
    names = connection.execute("SELECT DISTINCT model FROM tasks UNION SELECT DISTINCT tag FROM task_tags")
    add_words(connection, (name for (name,) in names.fetchall()))


def _add_checked_input(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE tasks ADD COLUMN checked BLOB")


def _list_by_state(connection: sqlite3.Connection) -> None:
    """Replace the tags and the indexes of tasks by the table of lists, which has the state of each task."""
    for index in ("tasks_by_state", "tasks_by_model", "tasks_by_provider"):
        connection.execute(f"DROP INDEX {index}")
    connection.execute(
        "CREATE TABLE listed ("
        "  task TEXT NOT NULL REFERENCES tasks (id), tag TEXT NOT NULL, provider TEXT NOT NULL,"
        "  model TEXT NOT NULL COLLATE NOCASE, state TEXT NOT NULL, created_at REAL NOT NULL, PRIMARY KEY (task, tag)"
        ") STRICT, WITHOUT ROWID"
    )
    connection.execute(
        "INSERT INTO listed (task, tag, provider, model, state, created_at)"
        " SELECT id, '', provider, model, state, created_at FROM tasks UNION ALL"
        " SELECT id, tag, provider, model, state, tasks.created_at FROM task_tags JOIN tasks ON id = task ORDER BY 1, 2"
    )
    connection.execute("CREATE INDEX listed_by_provider ON listed (tag, provider, state, created_at, task)")
    connection.execute("CREATE INDEX listed_by_model ON listed (tag, model, provider, state, created_at, task)")
    connection.execute(
        "CREATE TRIGGER listed_state AFTER UPDATE OF state ON tasks WHEN new.state <> old.state BEGIN"
        "  UPDATE listed SET state = new.state WHERE task = new.id; END"
    )
    connection.execute("CREATE INDEX words_by_name ON words (name, word)")
    connection.execute("DROP TABLE task_tags")


def _add_copies(connection: sqlite3.Connection) -> None:
    connection.execute(
        "CREATE TABLE copies ("
        "  task TEXT NOT NULL, part TEXT NOT NULL, provider TEXT NOT NULL, url TEXT NOT NULL, name TEXT,"
        "  content_type TEXT NOT NULL, size_bytes INTEGER, sha256 TEXT, state TEXT NOT NULL, reason TEXT,"
        "  attempts INTEGER NOT NULL, next_at REAL NOT NULL, kept_at REAL, owner TEXT, PRIMARY KEY (task, part)"
        ") STRICT, WITHOUT ROWID"
    )
    connection.execute(
        "CREATE INDEX copies_to_do ON copies (next_at) WHERE state IN ('waiting', 'expiring', 'orphaned')"
    )
    connection.execute("CREATE INDEX copies_kept ON copies (kept_at, size_bytes) WHERE state = 'kept'")


def _add_webhooks(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE tasks ADD COLUMN webhook BLOB")
    connection.execute(
        "CREATE TABLE webhooks ("
        "  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, task TEXT NOT NULL REFERENCES tasks (id),"
        "  url TEXT NOT NULL, type TEXT NOT NULL, created_at REAL NOT NULL, status TEXT NOT NULL,"
        "  attempts INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0, since REAL NOT NULL,"
        "  tried_at REAL, answer TEXT, due REAL, body BLOB NOT NULL"
        ") STRICT"
    )
    for name, columns in {
        "by_task": "(task, number)",
        "by_status": "(status, number)",
        "pending": "(url, due) WHERE status = 'pending'",
        "due": "(due) WHERE status = 'pending'",
        "sending": "(url) WHERE status = 'sending'",
        "active": "(task, url, number) WHERE status IN ('queued', 'pending', 'sending')",
    }.items():
        connection.execute(f"CREATE INDEX webhooks_{name} ON webhooks {columns}")


def _add_tombstones(connection: sqlite3.Connection) -> None:
    connection.execute(
        "CREATE TABLE tombstones (task TEXT PRIMARY KEY, at REAL NOT NULL, upstream INTEGER NOT NULL)"
        " STRICT, WITHOUT ROWID"
    )
    connection.execute("CREATE INDEX tombstones_by_age ON tombstones (at, task)")
    connection.execute(
        "CREATE TABLE kept_claims (key TEXT PRIMARY KEY, digest TEXT NOT NULL, task TEXT NOT NULL, at REAL NOT NULL)"
        " STRICT, WITHOUT ROWID"
    )
    connection.execute("CREATE INDEX kept_claims_by_task ON kept_claims (task)")


def _add_titles_and_prompts(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE tasks ADD COLUMN title TEXT")
    connection.execute("ALTER TABLE tasks ADD COLUMN prompt TEXT")
    connection.execute(
        "CREATE TABLE title_words (task TEXT NOT NULL REFERENCES tasks (id), word TEXT NOT NULL,"
        " PRIMARY KEY (task, word)) STRICT, WITHOUT ROWID"
    )
    connection.execute("CREATE INDEX title_words_by_word ON title_words (word, task)")


def _add_audit(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE tasks ADD COLUMN started_by TEXT")
    connection.execute(
        "CREATE TABLE audit ("
        "  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at REAL NOT NULL, action TEXT NOT NULL,"
        "  key TEXT, subject TEXT, address TEXT, request_id TEXT, task TEXT, tag TEXT, jti TEXT,"
        "  status INTEGER NOT NULL, count INTEGER NOT NULL"
        ") STRICT"
    )
    for name, columns in {
        "by_age": "(at)",
        "by_action": "(action, number)",
        "by_key": "(key, number)",
        "by_task": "(task, number) WHERE task IS NOT NULL",
        "by_tag": "(tag, number) WHERE tag IS NOT NULL",
    }.items():
        connection.execute(f"CREATE INDEX audit_{name} ON audit {columns}")
    connection.execute(
        "CREATE TABLE revocations ("
        "  number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name TEXT NOT NULL, at REAL NOT NULL,"
        "  expires_at REAL NOT NULL, UNIQUE (kind, name)"
        ") STRICT"
    )


def _add_tallies(connection: sqlite3.Connection) -> None:
    connection.execute(
        "CREATE TABLE tallies ("
        "  provider TEXT NOT NULL, model TEXT NOT NULL, inputs TEXT NOT NULL, day INTEGER NOT NULL,"
        "  counts BLOB NOT NULL, slowest BLOB NOT NULL, failed BLOB NOT NULL,"
        "  PRIMARY KEY (provider, model, inputs, day)"
        ") STRICT, WITHOUT ROWID"
    )


def _add_stalled(connection: sqlite3.Connection) -> None:
    """Add the table of stalled tasks: those whose last event about a stall, or whose stored state, says so."""
    connection.execute(
        "CREATE TABLE stalled (task TEXT PRIMARY KEY REFERENCES tasks (id)) STRICT, WITHOUT ROWID",
    )
    unfinished = orjson.dumps(UNFINISHED).decode()
    connection.execute(
        "WITH unfinished AS (SELECT id, CAST(snapshot AS TEXT) AS snapshot, snapshot_seq FROM tasks"
        "   WHERE state IN (SELECT value FROM json_each(?))),"
        " said AS (SELECT id, coalesce((SELECT json_extract(CAST(body AS TEXT), '$.type') FROM events"
        "   WHERE task = id AND seq > coalesce(snapshot_seq, 0) AND json_valid(CAST(body AS TEXT))"
        "   AND json_extract(CAST(body AS TEXT), '$.type') IN ('stall', 'stall_end') ORDER BY seq DESC LIMIT 1),"
        "   CASE WHEN json_valid(snapshot) AND json_type(snapshot, '$.stall') = 'object' THEN 'stall' END) AS type"
        "   FROM unfinished)"
        " INSERT INTO stalled (task) SELECT id FROM said WHERE type = 'stall'",
        (unfinished,),
    )


def _add_traces(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE tasks ADD COLUMN traceparent TEXT")


def _add_accounts(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE tasks ADD COLUMN estimate REAL")
    connection.execute("ALTER TABLE tasks ADD COLUMN estimate_unit TEXT")
    connection.execute(
        "CREATE INDEX listed_unfinished ON listed (tag, task)"
        " WHERE state NOT IN ('succeeded', 'failed', 'canceled', 'lost')"
    )
    connection.execute(
        "CREATE TABLE starts (tag TEXT NOT NULL, at REAL NOT NULL, task TEXT NOT NULL, PRIMARY KEY (tag, at, task))"
        " STRICT, WITHOUT ROWID"
    )
    connection.execute("CREATE INDEX starts_by_task ON starts (task)")
    connection.execute("CREATE INDEX starts_by_age ON starts (at)")
    connection.execute(
        "CREATE TABLE spent (account TEXT NOT NULL, day INTEGER NOT NULL, unit TEXT NOT NULL, amount REAL NOT NULL,"
        " PRIMARY KEY (account, day, unit)) STRICT, WITHOUT ROWID"
    )
    connection.execute(
        "CREATE TABLE usage ("
        "  day INTEGER NOT NULL, tag TEXT NOT NULL, key TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,"
        "  counts BLOB NOT NULL, PRIMARY KEY (day, tag, key, provider, model)"
        ") STRICT, WITHOUT ROWID"
    )


_STEPS = {
    1: _add_files,
    2: _index_rows_by_task,
    3: _index_by_age_and_words,
    4: _add_checked_input,
    5: _list_by_state,
    6: _add_copies,
    7: _add_webhooks,
    8: _add_tombstones,
    9: _add_titles_and_prompts,
    10: _add_audit,
    11: _add_tallies,
    12: _add_stalled,
    13: _add_traces,
    14: _add_accounts,
}
"""By the version that each one upgrades."""

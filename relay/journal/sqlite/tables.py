"""
What is written to and read from the tables of schema.sql: plain functions on a connection, in the caller's thread.

No transaction begins or ends here.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import orjson
from pydantic import TypeAdapter

from relay.core.codec import decode_event, decode_snapshot
from relay.core.events import Event, State
from relay.core.snapshot import Snapshot, begin, fold
from relay.core.upstream import CheckedInput, File, UpstreamTask
from relay.errors import StoreDamaged
from relay.journal.base import UNFINISHED, Claim, StoredTask
from relay.journal.batch import Batch
from relay.journal.entries import Entry, History
from relay.journal.search_words import word_suffixes

_ENDED = tuple(state for state in State if state.ended)

_FILES = TypeAdapter(tuple[File, ...])

_ROWS = 1000
"""Rows in one INSERT: SQLite takes 32766 values."""


def add_task(connection: sqlite3.Connection, record: StoredTask, batch: Batch, claim: Claim | None) -> None:
    """
    Add a task with its first event, and the key that it was made under.

    Raises:
        ValueError: there is a task of that id.
    """
    if connection.execute("SELECT 1 FROM tasks WHERE id = ?", (record.id,)).fetchone():
        raise ValueError(f"there is a task {record.id} already")
    connection.execute(
        "INSERT INTO tasks (id, provider, model, created_at, state, upstream_id, socket_token, hook, tags, metadata,"
        " input, files, checked) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            record.id,
            record.provider,
            record.model,
            record.created_at,
            batch.state,
            None if record.upstream is None else record.upstream.upstream_id,
            None if record.upstream is None else record.upstream.socket_token,
            record.hook,
            orjson.dumps(record.tags),
            orjson.dumps(dict(record.metadata)),
            orjson.dumps(dict(record.input)),
            _FILES.dump_json(record.files) if record.files else None,
            None if record.checked is None else _dump_checked(record.checked),
        ),
    )
    tags = [(tag, record.created_at, record.id) for tag in set(record.tags)]
    connection.executemany("INSERT INTO task_tags (tag, created_at, task) VALUES (?, ?, ?)", tags)
    add_words(connection, [record.model, *record.tags])
    _add_entries(connection, batch.entries)
    if claim is not None:
        row = (claim.key, claim.digest, claim.task, claim.at)
        connection.execute("INSERT OR REPLACE INTO claims (key, digest, task, at) VALUES (?, ?, ?, ?)", row)


def add_events(
    connection: sqlite3.Connection, batches: Sequence[Batch], *, history_events: int, history_bytes: int
) -> list[ValueError | None]:
    """
    Continue many logs at once, and trim those to `history_events` and `history_bytes` whose batch brings a snapshot.

    Returns, for each batch, why it was refused (it is not what comes next), or null.

    A commit of many appends takes hardly more statements than one of one: the thread lets go of the interpreter's
    lock at every statement, and beside a busy event loop it waits up to 5 ms to have it back.
    """
    ends = _load_ends(connection, {batch.task for batch in batches})
    states = {task: end.state for task, end in ends.items()}
    refusals: list[ValueError | None] = []
    taken: list[Batch] = []
    for batch in batches:
        try:
            batch.check_next(ends[batch.task].seq if batch.task in ends else None)
        except ValueError as error:
            refusals.append(error)
        else:
            ends[batch.task] = _End(state=batch.state, seq=batch.last_seq)
            refusals.append(None)
            taken.append(batch)
    _add_entries(connection, [entry for batch in taken for entry in batch.entries])
    changed = [(end.state, task) for task, end in ends.items() if end.state != states[task]]
    connection.executemany("UPDATE tasks SET state = ? WHERE id = ?", changed)
    for batch in taken:
        if batch.upstream is not None:
            known = (batch.upstream.upstream_id, batch.upstream.socket_token, batch.task)
            connection.execute("UPDATE tasks SET upstream_id = ?, socket_token = ? WHERE id = ?", known)
        if batch.snapshot is not None:
            stored = (batch.snapshot, batch.last_seq, batch.task)
            connection.execute("UPDATE tasks SET snapshot = ?, snapshot_seq = ? WHERE id = ?", stored)
            trimmed = (batch.task, batch.last_seq - history_events)
            connection.execute("DELETE FROM events WHERE task = ? AND seq <= ?", trimmed)
            _trim_bytes(connection, batch.task, history_bytes)
    return refusals


def _trim_bytes(connection: sqlite3.Connection, task: str, history_bytes: int) -> None:
    """Keep of a log no more than the last so many bytes. Most logs are short: to see that takes one cheap question."""
    (size,) = connection.execute("SELECT sum(length(body)) FROM events WHERE task = ?", (task,)).fetchone()
    if (size or 0) <= history_bytes:
        return
    connection.execute(
        "DELETE FROM events WHERE task = :task AND seq <= ("
        "  SELECT max(seq) FROM"
        "    (SELECT seq, sum(length(body)) OVER (ORDER BY seq DESC) AS size FROM events WHERE task = :task)"
        "  WHERE size > :bytes"
        ")",
        {"task": task, "bytes": history_bytes},
    )


def prune(connection: sqlite3.Connection, ended_before: float, limit: int) -> tuple[str, ...]:
    """Remove the oldest tasks that ended before then, and return their ids."""
    rows = connection.execute(
        "SELECT id FROM tasks WHERE created_at < ?"  # noqa: S608 - a task ends after it began: so far the index leads
        f" AND +state IN ({', '.join('?' * len(_ENDED))})"
        # A damaged snapshot must not keep all others from being removed.
        " AND coalesce(CASE WHEN json_valid(CAST(snapshot AS TEXT))"
        "   THEN json_extract(CAST(snapshot AS TEXT), '$.ended_at') END, created_at) < ?"
        " ORDER BY created_at, id LIMIT ?",
        (ended_before, *_ENDED, ended_before, limit),
    )
    gone = [(task,) for (task,) in rows]
    names = _names_of(connection, gone)
    for rest_of in ("events", "task_tags", "claims"):
        connection.executemany(f"DELETE FROM {rest_of} WHERE task = ?", gone)  # noqa: S608 - one of three names
    connection.executemany("DELETE FROM tasks WHERE id = ?", gone)
    _drop_words(connection, names)
    return tuple(task for (task,) in gone)


def add_words(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    """Have models and tags found by their words. Those that are known cost a lookup."""
    rows = [(word, name) for name in names for word in word_suffixes(name)]
    connection.executemany("INSERT OR IGNORE INTO words (word, name) VALUES (?, ?)", rows)


def _names_of(connection: sqlite3.Connection, tasks: Iterable[tuple[str]]) -> set[str]:
    """Return the models and tags of tasks."""
    both = "SELECT model FROM tasks WHERE id = :task UNION SELECT tag FROM task_tags WHERE task = :task"
    return {name for (task,) in tasks for (name,) in connection.execute(both, {"task": task})}


def _drop_words(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    """Forget the words of those names that no task has any longer."""
    for name in names:
        (used,) = connection.execute(
            "SELECT EXISTS (SELECT 1 FROM task_tags WHERE tag = :name)"
            " OR EXISTS (SELECT 1 FROM tasks WHERE model = :name COLLATE NOCASE AND model = :name)",
            {"name": name},
        ).fetchone()
        if not used:
            rows = [(word, name) for word in word_suffixes(name)]
            connection.executemany("DELETE FROM words WHERE word = ? AND name = ?", rows)


def load_size_bytes(connection: sqlite3.Connection) -> int:
    """Return the bytes of all pages that hold something; free ones are filled before the file grows."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * page_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """Where a log stands."""

    state: str
    seq: int


def _load_ends(connection: sqlite3.Connection, tasks: Collection[str]) -> dict[str, _End]:
    """Return the ends of those logs that there are: in one row, for each row of an answer is a statement's step."""
    (ends,) = connection.execute(
        "SELECT json_group_array(json_array("
        "  id, state, coalesce((SELECT max(seq) FROM events WHERE task = id), snapshot_seq)"
        ")) FROM tasks WHERE id IN (SELECT value FROM json_each(?))",
        (orjson.dumps(list(tasks)).decode(),),
    ).fetchone()
    return {task: _End(state=state, seq=seq) for task, state, seq in orjson.loads(ends)}


def _add_entries(connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    for start in range(0, len(entries), _ROWS):
        rows = entries[start : start + _ROWS]
        values = ", ".join(["(?, ?, ?)"] * len(rows))
        connection.execute(
            f"INSERT INTO events (task, seq, body) VALUES {values}",  # noqa: S608 - placeholders only
            [value for entry in rows for value in (entry.task, entry.seq, entry.body)],
        )


def keep_secret(connection: sqlite3.Connection, name: str, value: str) -> str:
    """Keep a secret if there is none of that name; return the one that is kept."""
    connection.execute("INSERT OR IGNORE INTO secrets (name, value) VALUES (?, ?)", (name, value))
    (kept,) = connection.execute("SELECT value FROM secrets WHERE name = ?", (name,)).fetchone()
    return str(kept)


def note(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Write down what the file is to know of itself, in the place of what it knew."""
    connection.execute("REPLACE INTO meta (name, value) VALUES (?, ?)", (name, value))


def load_saved_time(connection: sqlite3.Connection) -> float | None:
    """Return how late it was for certain, as noted last. In a file of an earlier version its newest task knows."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'witnessed'").fetchone()
    if row is None:
        row = connection.execute("SELECT max(created_at) FROM tasks").fetchone()
    return None if row[0] is None else float(row[0])


@contextmanager
def _decoding(task: str, part: str) -> Iterator[None]:
    """
    Read what is stored of a task.

    Raises:
        StoreDamaged: it makes no sense. The error quotes nothing: what is stored is nobody's but the task's.
    """
    try:
        yield
    except (sqlite3.Error, StoreDamaged):
        raise
    except Exception:  # noqa: BLE001 - the edge: damage can break any rule of what is read
        raise StoreDamaged(task, part) from None


def _events(task: str, bodies: Iterable[tuple[int, bytes]], after: int) -> Iterator[Event]:
    """Decode a log from `after` on, one event after the other."""
    for seq, body in bodies:
        with _decoding(task, "log"):
            event = decode_event(body)
            if (event.task, event.seq, seq) != (task, seq, after + 1):
                raise ValueError(seq)
        after = seq
        yield event


def load_task(connection: sqlite3.Connection, task: str) -> StoredTask | None:
    """Return what is kept of a task besides its log."""
    row = connection.execute(
        "SELECT provider, model, created_at, tags, input, metadata, upstream_id, socket_token, hook, files, checked"
        " FROM tasks WHERE id = ?",
        (task,),
    ).fetchone()
    if row is None:
        return None
    provider, model, created_at, tags, input_, metadata, upstream_id, socket_token, hook, files, checked = row
    known = upstream_id is not None or socket_token is not None
    with _decoding(task, "record"):
        return StoredTask(
            id=task,
            provider=provider,
            model=model,
            created_at=created_at,
            tags=tuple(orjson.loads(tags)),
            input=dict(orjson.loads(input_)),
            metadata=dict(orjson.loads(metadata)),
            upstream=UpstreamTask(upstream_id=upstream_id, socket_token=socket_token) if known else None,
            hook=hook,
            files=_FILES.validate_json(files) if files else (),
            checked=_load_checked(checked) if checked else None,
        )


def _dump_checked(checked: CheckedInput) -> bytes:
    # orjson writes no integer of more than 64 bits, and a string such as "1" * 30 is checked to be one.
    return json.dumps({"model": checked.model, "input": dict(checked.input)}, ensure_ascii=False).encode()


def _load_checked(stored: bytes) -> CheckedInput:
    checked = json.loads(stored)
    return CheckedInput(model=checked["model"], input=dict(checked["input"]))


def find_hook(connection: sqlite3.Connection, provider: str, hook: str) -> str | None:
    """Return the task whose callbacks come with this word."""
    row = connection.execute("SELECT id FROM tasks WHERE hook = ? AND provider = ?", (hook, provider)).fetchone()
    return row[0] if row else None


def find_upstream(connection: sqlite3.Connection, provider: str, upstream: UpstreamTask) -> str | None:
    """Return the task that is the upstream's task of this id or this token; NULL equals nothing."""
    row = connection.execute(
        "SELECT id FROM tasks WHERE (upstream_id = ? OR socket_token = ?) AND provider = ? ORDER BY created_at LIMIT 1",
        (upstream.upstream_id, upstream.socket_token, provider),
    ).fetchone()
    return row[0] if row else None


def load_claim(connection: sqlite3.Connection, key: str) -> Claim | None:
    """Return the claim of an idempotency key."""
    row = connection.execute("SELECT digest, task, at FROM claims WHERE key = ?", (key,)).fetchone()
    return Claim(key=key, digest=row[0], task=row[1], at=row[2]) if row else None


def drop_claim(connection: sqlite3.Connection, key: str) -> None:
    """Free an idempotency key."""
    connection.execute("DELETE FROM claims WHERE key = ?", (key,))


def load_snapshot(connection: sqlite3.Connection, task: str, epoch: str) -> Snapshot | None:
    """Return the stored snapshot with all later events folded in."""
    row = connection.execute("SELECT snapshot, snapshot_seq FROM tasks WHERE id = ?", (task,)).fetchone()
    if row is None:
        return None
    stored, seq = row
    rows = connection.execute("SELECT seq, body FROM events WHERE task = ? AND seq > ? ORDER BY seq", (task, seq or 0))
    events = _events(task, rows, after=seq or 0)
    with _decoding(task, "state"):
        if stored is None:
            start = begin(next(events), epoch)
        else:
            start = replace(decode_snapshot(stored), epoch=epoch)  # stored with the epoch of its day
            if (start.id, start.seq) != (task, seq):
                raise ValueError(seq)
        return fold(start, events)


def load_history(connection: sqlite3.Connection, task: str, after: int, limit: int) -> History:
    """Return the entries behind `after`, oldest first."""
    first = connection.execute(
        "SELECT coalesce((SELECT min(seq) FROM events WHERE task = id), snapshot_seq + 1) FROM tasks WHERE id = ?",
        (task,),
    ).fetchone()
    rows = connection.execute(
        "SELECT seq, body FROM events WHERE task = ? AND seq > ? ORDER BY seq LIMIT ?", (task, after, limit)
    )
    first_seq = first[0] if first else 0
    entries = []
    with _decoding(task, "log"):
        for expected, (seq, body) in enumerate(rows, max(after + 1, first_seq or 0)):
            entry = Entry.parse(body)
            if (entry.task, entry.seq, seq) != (task, expected, expected):
                raise ValueError(expected)
            entries.append(entry)
    return History(entries=tuple(entries), first_seq=first_seq or 0)


def load_unfinished(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Return the ids of the tasks that have not ended, oldest first."""
    rows = connection.execute(
        f"SELECT id FROM tasks WHERE state IN ({', '.join('?' * len(UNFINISHED))})"  # noqa: S608 - placeholders only
        " ORDER BY created_at, id",
        UNFINISHED,
    )
    return tuple(id_ for (id_,) in rows)

"""
The table of events: appending to logs, and reading logs and states back.

Plain functions on a connection, called in the thread that owns it. None begins or ends a transaction.
"""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from relay.core.snapshot import Snapshot
from relay.core.upstream import UpstreamTask
from relay.errors import StoreDamaged, Taken
from relay.journal.batch import Batch
from relay.journal.entries import Entry, History
from relay.journal.sqlite.accounts import add_charge, refuse
from relay.journal.sqlite.copies import add_copies
from relay.journal.sqlite.tallies import add_tally
from relay.journal.sqlite.webhooks import add_webhooks
from relay.journal.stored_log import fold_log, make_history

_ROWS: Final = 1000
"""Rows per INSERT. SQLite accepts 32766 values in one statement."""

_END: Final = "id, state, coalesce((SELECT max(seq) FROM events WHERE task = id), snapshot_seq)"
"""The columns of an `_End`, after its task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """The end of a log."""

    state: str
    seq: int


def add_events(
    connection: sqlite3.Connection, batches: Sequence[Batch], *, history_events: int, history_bytes: int
) -> list[ValueError | Taken | None]:
    """
    Continue many logs at once.

    A commit of many appends executes hardly more statements than one of a single append. Each statement releases the
    interpreter's lock, and beside a busy event loop it can take 5 ms to get it back.

    Args:
        connection: in a transaction.
        batches: what to append. A log whose batch has a snapshot is trimmed.
        history_events: how many events before the stored snapshot to keep of each log.
        history_bytes: how many bytes of events to keep of each log.

    Returns:
        For each batch, why it was refused (it does not continue its log, or its upstream task is another's), or null.
    """
    ends = _load_ends(connection, {batch.task for batch in batches})
    states = {task: end.state for task, end in ends.items()}
    refusals: list[ValueError | Taken | None] = []
    accepted: list[Batch] = []
    for batch in batches:
        try:
            batch.check_next(ends[batch.task].seq if batch.task in ends else None)
            if batch.upstream is not None:
                _set_upstream(connection, batch.task, batch.upstream)
        except (ValueError, Taken) as error:
            refusals.append(error)
        else:
            ends[batch.task] = _End(state=batch.state, seq=batch.last_seq)
            refusals.append(None)
            accepted.append(batch)
    add_entries(connection, [entry for batch in accepted for entry in batch.entries])
    changed = [(end.state, task) for task, end in ends.items() if end.state != states[task]]
    if changed:
        connection.executemany("UPDATE tasks SET state = ? WHERE id = ?", changed)
    for batch in accepted:
        if batch.stalled is not None:
            set_stalled(connection, batch.task, stalled=batch.stalled)
    add_webhooks(connection, [webhook for batch in accepted for webhook in batch.webhooks])
    for batch in accepted:
        if batch.tally is not None:
            add_tally(connection, batch.tally)
        if batch.charge is not None:
            add_charge(connection, batch.charge)
        if batch.copies:
            add_copies(connection, batch.copies)
        if batch.frees_key:
            connection.execute("DELETE FROM claims WHERE task = ?", (batch.task,))
            refuse(connection, batch.task)
        if batch.snapshot is not None:
            stored = (batch.snapshot, batch.last_seq, batch.task)
            connection.execute("UPDATE tasks SET snapshot = ?, snapshot_seq = ? WHERE id = ?", stored)
            trimmed = (batch.task, batch.last_seq - history_events)
            connection.execute("DELETE FROM events WHERE task = ? AND seq <= ?", trimmed)
            _trim_bytes(connection, batch.task, history_bytes)
    return refusals


def set_stalled(connection: sqlite3.Connection, task: str, *, stalled: bool) -> None:
    """Note whether a task is stalled."""
    change = "INSERT OR IGNORE INTO stalled (task) VALUES (?)" if stalled else "DELETE FROM stalled WHERE task = ?"
    connection.execute(change, (task,))


def _set_upstream(connection: sqlite3.Connection, task: str, upstream: UpstreamTask) -> None:
    """
    Store how the platform identifies a task.

    Raises:
        Taken: another task of the provider is this upstream task.
    """
    known = {"id": upstream.upstream_id, "token": upstream.socket_token, "task": task}
    other = connection.execute(
        "SELECT id FROM tasks WHERE (upstream_id = :id OR socket_token = :token) AND id <> :task"
        " AND provider = (SELECT provider FROM tasks WHERE id = :task) LIMIT 1",
        known,
    ).fetchone()
    if other:
        raise Taken(f"task {other[0]} is this upstream task already")
    connection.execute("UPDATE tasks SET upstream_id = :id, socket_token = :token WHERE id = :task", known)


def add_entries(connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    """Insert entries without any check."""
    for start in range(0, len(entries), _ROWS):
        rows = entries[start : start + _ROWS]
        values = ", ".join(["(?, ?, ?)"] * len(rows))
        connection.execute(
            f"INSERT INTO events (task, seq, body) VALUES {values}",  # noqa: S608 - placeholders only
            [value for entry in rows for value in (entry.task, entry.seq, entry.body)],
        )


def load_snapshot(connection: sqlite3.Connection, task: str, epoch: str) -> Snapshot | None:
    """Return the state of a task: its stored snapshot with all later events applied."""
    row = connection.execute("SELECT snapshot, snapshot_seq FROM tasks WHERE id = ?", (task,)).fetchone()
    if row is None:
        return None
    stored, seq = row
    rows = connection.execute("SELECT seq, body FROM events WHERE task = ? AND seq > ? ORDER BY seq", (task, seq or 0))
    return fold_log(task, epoch, stored, seq, rows)


def load_snapshots(
    connection: sqlite3.Connection, tasks: Iterable[str], epoch: str
) -> tuple[list[Snapshot], list[StoreDamaged]]:
    """Return the states of the tasks that exist, and of those that cannot be read the reasons."""
    snapshots: list[Snapshot] = []
    damages: list[StoreDamaged] = []
    for task in tasks:
        try:
            snapshot = load_snapshot(connection, task, epoch)
        except StoreDamaged as damage:
            damages.append(damage)
        else:
            snapshots += [] if snapshot is None else [snapshot]
    return snapshots, damages


def load_history(connection: sqlite3.Connection, task: str, after: int, limit: int) -> History:
    """Return entries with a seq above `after`, oldest first."""
    first = connection.execute(
        "SELECT coalesce((SELECT min(seq) FROM events WHERE task = id), snapshot_seq + 1) FROM tasks WHERE id = ?",
        (task,),
    ).fetchone()
    rows = connection.execute(
        "SELECT seq, body FROM events WHERE task = ? AND seq > ? ORDER BY seq LIMIT ?", (task, after, limit)
    )
    return make_history(task, rows, after=after, first_seq=(first[0] if first else 0) or 0)


def _load_ends(connection: sqlite3.Connection, tasks: Collection[str]) -> dict[str, _End]:
    """
    Return the ends of existing logs.

    Those of many logs come in one row, because each row of a result takes a separate step. For a single log, making
    and reading that row would take longer than the query.
    """
    if len(tasks) == 1:
        rows = connection.execute(f"SELECT {_END} FROM tasks WHERE id = ?", (*tasks,)).fetchall()  # noqa: S608
    else:
        (ends,) = connection.execute(
            f"SELECT json_group_array(json_array({_END})) FROM tasks"  # noqa: S608 - a constant
            " WHERE id IN (SELECT value FROM json_each(?))",
            (orjson.dumps(list(tasks)).decode(),),
        ).fetchone()
        rows = orjson.loads(ends)
    return {task: _End(state=state, seq=seq) for task, state, seq in rows}


def _trim_bytes(connection: sqlite3.Connection, task: str, history_bytes: int) -> None:
    """Keep the last `history_bytes` of a log. Most logs are shorter, which one cheap query shows."""
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

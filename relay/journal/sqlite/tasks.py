"""
The table of tasks and what belongs to it: tags, idempotency keys and the index of words.

Plain functions on a connection, called in the thread that owns it. None begins or ends a transaction.
"""

import sqlite3
from collections.abc import Mapping, Sequence

import orjson

from relay.core.events import State
from relay.core.spending import Limit
from relay.core.upstream import UpstreamTask
from relay.errors import Taken
from relay.journal.base import UNFINISHED, Claim, StoredTask
from relay.journal.batch import Batch
from relay.journal.prompts import MAX_INPUT_BYTES, beginning, stored_beginning
from relay.journal.record import Record, restore
from relay.journal.sqlite.accounts import add_start, check_limits
from relay.journal.sqlite.events import add_entries
from relay.journal.sqlite.ranges import ALL_TASKS, load_providers
from relay.journal.sqlite.words import add_title, add_words


class KeyHeld(Exception):
    """Another task holds the idempotency key; `claim` is its claim."""

    def __init__(self, claim: Claim) -> None:
        super().__init__("the idempotency key is in use")
        self.claim = claim


def create_task(
    connection: sqlite3.Connection,
    task: StoredTask,
    batch: Batch,
    claim: Claim | None,
    expired_before: float,
    limits: Sequence[Limit],
) -> None:
    """
    Add a task as `add_task` does, if the limits allow it, and count its start.

    Raises:
        LimitExceeded: a limit does not allow it.
    """
    add_task(connection, task, batch, claim, expired_before, limits)
    add_start(connection, task)


def add_task(
    connection: sqlite3.Connection,
    task: StoredTask,
    batch: Batch,
    claim: Claim | None,
    expired_before: float,
    limits: Sequence[Limit] = (),
) -> None:
    """
    Add a task with its first event and the idempotency key of its request.

    Raises:
        ValueError: there is a task with this id.
        KeyHeld: another task holds the key since `expired_before` (unix seconds) or later.
        LimitExceeded: a limit does not allow it.
        Taken: another task is this upstream task.
    """
    if connection.execute("SELECT 1 FROM tasks WHERE id = ?", (task.id,)).fetchone():
        raise ValueError(f"there is already a task {task.id}")
    winner = None if claim is None else load_claim(connection, claim.key)
    if winner is not None and winner.at >= expired_before:
        raise KeyHeld(winner)
    check_limits(connection, limits, task)
    if task.upstream is not None and (other := find_upstream(connection, task.provider, task.upstream)) is not None:
        raise Taken(f"task {other} is this upstream task already")
    record = Record.of(task)
    connection.execute(
        "INSERT INTO tasks (id, provider, model, created_at, state, upstream_id, socket_token, hook, tags, metadata,"
        " input, files, checked, webhook, started_by, title, prompt, traceparent, estimate, estimate_unit)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            task.id,
            task.provider,
            task.model,
            task.created_at,
            batch.state,
            None if task.upstream is None else task.upstream.upstream_id,
            None if task.upstream is None else task.upstream.socket_token,
            task.hook,
            record.tags,
            record.metadata,
            record.input,
            record.files,
            record.checked,
            record.webhook,
            task.started_by or None,
            task.title,
            beginning(task.input),
            task.traceparent,
            None if task.estimate is None else task.estimate.amount,
            None if task.estimate is None else task.estimate.unit,
        ),
    )
    listed = [
        (task.id, tag, task.provider, task.model, batch.state, task.created_at) for tag in {ALL_TASKS, *task.tags}
    ]
    connection.executemany(
        "INSERT INTO listed (task, tag, provider, model, state, created_at) VALUES (?, ?, ?, ?, ?, ?)", listed
    )
    add_words(connection, [task.model, *task.tags])
    add_title(connection, task.id, task.title)
    add_entries(connection, batch.entries)
    if claim is not None:
        row = (claim.key, claim.digest, claim.task, claim.at)
        connection.execute("INSERT OR REPLACE INTO claims (key, digest, task, at) VALUES (?, ?, ?, ?)", row)
        connection.execute("DELETE FROM kept_claims WHERE key = ?", (claim.key,))


def load_task(connection: sqlite3.Connection, task: str) -> StoredTask | None:
    """Return what is stored for a task in addition to its log."""
    row = connection.execute(
        "SELECT provider, model, created_at, tags, input, metadata, upstream_id, socket_token, hook, files, checked,"
        " webhook, started_by, title, traceparent, estimate, estimate_unit FROM tasks WHERE id = ?",
        (task,),
    ).fetchone()
    if row is None:
        return None
    provider, model, created_at, tags, input_, metadata, upstream_id, socket_token, hook, *more = row
    files, checked, webhook, started_by, title, traceparent, estimate, estimate_unit = more
    return restore(
        task,
        provider=provider,
        model=model,
        created_at=created_at,
        title=title,
        tags=tags,
        input=input_,
        metadata=metadata,
        upstream_id=upstream_id,
        socket_token=socket_token,
        hook=hook,
        files=files,
        checked=checked,
        webhook=webhook,
        started_by=started_by,
        traceparent=traceparent,
        estimate=estimate,
        estimate_unit=estimate_unit,
    )


def load_prompts(connection: sqlite3.Connection, tasks: Sequence[str]) -> Mapping[str, str]:
    """Return the beginnings of the prompts of tasks, of those that have one."""
    rows = connection.execute(
        "SELECT id, prompt, CASE WHEN prompt IS NULL AND length(input) <= ? THEN input END FROM tasks"
        " WHERE id IN (SELECT value FROM json_each(?))",
        (MAX_INPUT_BYTES, orjson.dumps(list(tasks)).decode()),
    )
    found = {task: stored_beginning(prompt, given) for task, prompt, given in rows}
    return {task: prompt for task, prompt in found.items() if prompt}


def find_hook(connection: sqlite3.Connection, provider: str, hook: str) -> str | None:
    """Return the id of the task with this callback secret."""
    row = connection.execute("SELECT id FROM tasks WHERE hook = ? AND provider = ?", (hook, provider)).fetchone()
    return row[0] if row else None


def find_upstream(connection: sqlite3.Connection, provider: str, upstream: UpstreamTask) -> str | None:
    """Return the id of the task with this id or this socket token on the platform. NULL equals nothing."""
    row = connection.execute(
        "SELECT id FROM tasks WHERE (upstream_id = ? OR socket_token = ?) AND provider = ? ORDER BY created_at LIMIT 1",
        (upstream.upstream_id, upstream.socket_token, provider),
    ).fetchone()
    return row[0] if row else None


def load_claim(connection: sqlite3.Connection, key: str) -> Claim | None:
    """Return the claim of an idempotency key, also if its task was deleted."""
    row = connection.execute(
        "SELECT digest, task, at FROM claims WHERE key = :key"
        " UNION ALL SELECT digest, task, at FROM kept_claims WHERE key = :key",
        {"key": key},
    ).fetchone()
    return Claim(key=key, digest=row[0], task=row[1], at=row[2]) if row else None


def load_unfinished(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Return the ids of the tasks that have not ended, oldest first."""
    rows = connection.execute(
        "SELECT task FROM listed WHERE tag = ? AND provider IN (SELECT value FROM json_each(?))"
        " AND state IN (SELECT value FROM json_each(?)) ORDER BY created_at, task",
        (ALL_TASKS, orjson.dumps(load_providers(connection)).decode(), orjson.dumps(UNFINISHED).decode()),
    )
    return tuple(task for (task,) in rows)


def load_queued(connection: sqlite3.Connection, provider: str) -> tuple[str, ...]:
    """Return the ids of the tasks that wait for the provider's capacity, first in, first out."""
    rows = connection.execute(
        "SELECT task FROM listed WHERE tag = ? AND provider = ? AND state = ? ORDER BY created_at, task",
        (ALL_TASKS, provider, State.HELD),
    )
    return tuple(task for (task,) in rows)

"""
The table of webhooks.

Plain functions on a connection, called in the thread that owns it. None begins or ends a transaction. Times in the
column `due` are those of `relay.clock.uptime_s`, so they mean nothing to the next process: `resume` replaces them.
"""

import sqlite3
from collections.abc import Collection, Iterable
from typing import Any, Final

import orjson

from relay.clock import uptime_s
from relay.journal.outbox import Claimed, Delivery, DeliveryFilter, Outcome, Status, Webhook

_COLUMNS: Final = (
    "number, id, task, url, type, body, created_at, status, attempts, failures, since, tried_at, answer, due"
)

_ACTIVE: Final = "status IN ('queued', 'pending', 'sending')"

# The URLs of pending webhooks, one lookup each, however many webhooks there are.
_URLS: Final = """
WITH RECURSIVE pending (url) AS (
  SELECT min(url) FROM webhooks WHERE status = 'pending'
  UNION ALL
  SELECT (SELECT min(url) FROM webhooks WHERE status = 'pending' AND url > pending.url) FROM pending
  WHERE pending.url IS NOT NULL
)
SELECT url, (SELECT count(*) FROM webhooks AS w WHERE w.url = pending.url AND w.status = 'sending') AS sending,
  (SELECT min(due) FROM webhooks AS w WHERE w.url = pending.url AND w.status = 'pending') AS first
FROM pending WHERE url IS NOT NULL ORDER BY sending, first
"""

_INSERT: Final = f"""
INSERT OR IGNORE INTO webhooks (id, task, url, type, body, created_at, since, status, due)
SELECT :id, :task, :url, :type, :body, :at, :at, CASE WHEN active THEN 'queued' ELSE 'pending' END,
  CASE WHEN active THEN NULL ELSE :now END
FROM (SELECT EXISTS (SELECT 1 FROM webhooks WHERE task = :task AND url = :url AND {_ACTIVE}) AS active)
WHERE EXISTS (SELECT 1 FROM tasks WHERE id = :task)
"""  # noqa: S608 - constants only

_NEXT: Final = "SELECT number FROM webhooks WHERE task = ? AND url = ? AND status = 'queued' ORDER BY number LIMIT 1"


def add_webhooks(connection: sqlite3.Connection, webhooks: Iterable[Webhook]) -> None:
    """Store webhooks, except those that are stored already and those of tasks that do not exist."""
    now_s = uptime_s()
    for each in webhooks:
        row = {"id": each.id, "task": each.task, "url": each.url, "type": each.type, "body": each.body}
        connection.execute(_INSERT, row | {"at": each.created_at, "now": now_s})


def resume(connection: sqlite3.Connection) -> None:
    """Have everything that an earlier process has not delivered sent now."""
    connection.execute(
        "UPDATE webhooks SET status = 'pending', due = ? WHERE status IN ('pending', 'sending')", (uptime_s(),)
    )


def claim(connection: sqlite3.Connection, held: Collection[str], per_url: int, limit: int) -> Claimed:
    """Take webhooks that are due (see `Outbox.claim`)."""
    now_s = uptime_s()
    connection.execute(
        "UPDATE webhooks SET status = 'pending', due = ?"
        " WHERE status = 'sending' AND id NOT IN (SELECT value FROM json_each(?))",
        (now_s, orjson.dumps(list(held)).decode()),
    )
    taken: list[Delivery] = []
    for url, sending, _ in connection.execute(_URLS).fetchall():
        room = min(per_url - sending, limit - len(taken))
        if room <= 0:
            continue
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM webhooks WHERE url = ? AND status = 'pending' AND due <= ?"  # noqa: S608
            " ORDER BY due, number LIMIT ?",
            (url, now_s, room),
        ).fetchall()
        connection.executemany(
            "UPDATE webhooks SET status = 'sending', due = NULL WHERE number = ?", [(row[0],) for row in rows]
        )
        taken += [_delivery((*row[:7], Status.SENDING, *row[8:-1], None)) for row in rows]
    later = "SELECT min(due) FROM webhooks WHERE status = 'pending' AND due > ?"
    (next_s,) = connection.execute(later, (now_s,)).fetchone()
    return Claimed(deliveries=tuple(taken), next_in_s=None if next_s is None else next_s - now_s)


def settle(connection: sqlite3.Connection, webhook: str, outcome: Outcome) -> None:
    """Note what came of sending a webhook (see `Outbox.settle`)."""
    due_s = uptime_s() + outcome.again_in_s if outcome.status is Status.PENDING else None
    failed = 0 if outcome.status is Status.DELIVERED else 1
    changed = connection.execute(
        "UPDATE webhooks SET status = ?, attempts = attempts + 1, failures = (failures + 1) * ?, tried_at = ?,"
        " answer = ?, due = ? WHERE id = ? AND status = 'sending' RETURNING task, url",
        (outcome.status, failed, outcome.tried_at, outcome.answer, due_s, webhook),
    ).fetchone()
    if changed is None:
        return
    if outcome.status is Status.STOPPED:
        connection.execute(
            "UPDATE webhooks SET status = 'stopped', answer = ? WHERE task = ? AND url = ? AND status = 'queued'",
            (outcome.answer, *changed),
        )
    elif outcome.status is not Status.PENDING:
        connection.execute(
            f"UPDATE webhooks SET status = 'pending', due = ? WHERE number = ({_NEXT})",  # noqa: S608 - a constant
            (uptime_s(), *changed),
        )


def again(connection: sqlite3.Connection, webhook: str, at: float) -> Delivery | None:
    """Have a webhook sent now (see `Outbox.again`)."""
    row = connection.execute("SELECT status, task, url FROM webhooks WHERE id = ?", (webhook,)).fetchone()
    if row is None:
        return None
    status, queue = Status(row[0]), row[1:]
    if status is Status.PENDING:
        connection.execute("UPDATE webhooks SET due = ? WHERE id = ?", (uptime_s(), webhook))
    elif status.ended:
        waits = f"SELECT EXISTS (SELECT 1 FROM webhooks WHERE task = ? AND url = ? AND {_ACTIVE})"  # noqa: S608
        (active,) = connection.execute(waits, queue).fetchone()
        status, due_s = (Status.QUEUED, None) if active else (Status.PENDING, uptime_s())
        changes = (status, at, due_s, webhook)
        connection.execute("UPDATE webhooks SET status = ?, failures = 0, since = ?, due = ? WHERE id = ?", changes)
    found = connection.execute(f"SELECT {_COLUMNS} FROM webhooks WHERE id = ?", (webhook,))  # noqa: S608
    return _delivery(found.fetchone())


def load_deliveries(connection: sqlite3.Connection, task: str) -> tuple[Delivery, ...]:
    """Return all deliveries of a task, oldest first."""
    query = f"SELECT {_COLUMNS} FROM webhooks WHERE task = ? ORDER BY number"  # noqa: S608 - a constant
    return tuple(map(_delivery, connection.execute(query, (task,))))


def insert(connection: sqlite3.Connection, deliveries: Iterable[Delivery]) -> None:
    """Add deliveries of another store as they are. What is pending is due at once."""
    places = ", ".join("?" * len(_COLUMNS.split(", ")))
    now_s = uptime_s()
    rows = [
        (
            *(each.number, each.webhook.id, each.webhook.task, each.webhook.url, each.webhook.type, each.webhook.body),
            *(each.webhook.created_at, each.status, each.attempts, each.failures, each.since, each.tried_at),
            *(each.answer, now_s if each.status is Status.PENDING else None),
        )
        for each in deliveries
    ]
    connection.executemany(f"INSERT INTO webhooks ({_COLUMNS}) VALUES ({places})", rows)  # noqa: S608 - constants


def load_backlog(connection: sqlite3.Connection) -> int:
    """Return how many webhooks are not settled."""
    (count,) = connection.execute(f"SELECT count(*) FROM webhooks WHERE {_ACTIVE}").fetchone()  # noqa: S608 - a constant
    return int(count)


def load_page(
    connection: sqlite3.Connection, where: DeliveryFilter, before: int | None, limit: int
) -> tuple[Delivery, ...]:
    """Return deliveries, newest first."""
    conditions = {"number < ?": before, "task = ?": where.task, "status = ?": where.status}
    given = {condition: value for condition, value in conditions.items() if value is not None}
    clause = f"WHERE {' AND '.join(given)}" if given else ""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM webhooks {clause} ORDER BY number DESC LIMIT ?",  # noqa: S608 - constants only
        (*given.values(), limit),
    )
    return tuple(map(_delivery, rows))


def _delivery(row: tuple[Any, ...]) -> Delivery:
    number, key, task, url, kind, body, created_at, status, attempts, failures, since, tried_at, answer, due_s = row
    return Delivery(
        number=number,
        webhook=Webhook(id=key, task=task, url=url, type=kind, body=body, created_at=created_at),
        status=Status(status),
        attempts=attempts,
        failures=failures,
        since=since,
        tried_at=tried_at,
        answer=answer,
        next_in_s=None if due_s is None else max(0.0, due_s - uptime_s()),
    )

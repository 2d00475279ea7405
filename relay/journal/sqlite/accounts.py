"""
The tables of starts, of what was spent, and of the usage. See `relay.journal.accounts.Accounts`.

The functions work on a connection and are called in the thread that owns it. None begins or ends a transaction.
"""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import orjson

from relay.core.history.tally import DAY_S, total
from relay.core.spending import (
    ALL,
    EVER,
    HOUR_S,
    KEY,
    TAG,
    Charge,
    Exceeded,
    Limit,
    Unit,
    Use,
    spending_exceeds,
    starts_exceed,
    tasks_exceed,
)
from relay.journal.accounts import KEPT_DAYS, SPENT_DAYS, AccountFacts, decode
from relay.journal.base import StoredTask
from relay.journal.sqlite.reader import Reader
from relay.journal.sqlite.writer import Writer

_UNFINISHED: Final = "state NOT IN ('succeeded', 'failed', 'canceled', 'lost')"
"""As in the definition of the index `listed_unfinished`."""

_LISTED: Final = "listed INDEXED BY listed_unfinished"
"""A tag may have any number of tasks that have ended, and without statistics SQLite would read all of them."""

_USAGE: Final = "SELECT day, tag, key, provider, model, counts FROM usage"


class LimitExceeded(Exception):
    """A limit does not allow a task."""

    def __init__(self, exceeded: Exceeded) -> None:
        super().__init__("a limit does not allow the task")
        self.exceeded = exceeded


class SQLiteAccounts:
    """The accounts in the file that a journal has open."""

    def __init__(self, reader: Callable[[], Reader], writer: Callable[[], Writer]) -> None:
        """
        Args:
            reader: returns what reads the file, or raises RuntimeError if it is not open.
            writer: the same for what writes it.
        """
        self._reader = reader
        self._writer = writer

    async def usage(self, *, since: int, until: int, tagged: bool) -> Sequence[Use]:
        return await self._reader().run(partial(_load_usage, since=since, until=until, tagged=tagged))

    async def spent(self, account: str, day: int, unit: Unit) -> float:
        return await self._reader().run(partial(_load_spent, account=account, day=day, unit=unit))

    async def forget(self, *, now: float) -> None:
        await self._writer().do(partial(_forget, now=now), synced=False)


def check_limits(connection: sqlite3.Connection, limits: Sequence[Limit], task: StoredTask) -> None:
    """
    Compare the accounts with limits.

    Raises:
        LimitExceeded: one does not allow the task.
    """
    for limit in limits:
        if (exceeded := _exceeded(connection, limit, task)) is not None:
            raise LimitExceeded(exceeded)


def add_start(connection: sqlite3.Connection, task: StoredTask) -> None:
    """Add the start of a task."""
    rows = [(tag, task.created_at, task.id) for tag in task.tags]
    connection.executemany("INSERT OR IGNORE INTO starts (tag, at, task) VALUES (?, ?, ?)", rows)


def refuse(connection: sqlite3.Connection, task: str) -> None:
    """Remove the start of a task that the platform has refused."""
    connection.execute("DELETE FROM starts WHERE task = ?", (task,))


def add_charge(connection: sqlite3.Connection, charge: Charge) -> None:
    """Add the charge of a task that has ended."""
    connection.executemany(
        "INSERT INTO spent (account, day, unit, amount) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (account, day, unit) DO UPDATE SET amount = amount + excluded.amount",
        list(charge.spent()),
    )
    for use in charge.rows():
        row = connection.execute(
            "SELECT counts FROM usage WHERE (day, tag, key, provider, model) = (?, ?, ?, ?, ?)", use.place
        ).fetchone()
        counts = use.counts if row is None else total([orjson.loads(row[0]), use.counts])
        connection.execute(
            "REPLACE INTO usage (day, tag, key, provider, model, counts) VALUES (?, ?, ?, ?, ?, ?)",
            (*use.place, orjson.dumps(counts)),
        )


def load_facts(connection: sqlite3.Connection) -> AccountFacts:
    """Return all rows."""
    starts = connection.execute("SELECT tag, at, task FROM starts").fetchall()
    spent = connection.execute("SELECT account, day, unit, amount FROM spent").fetchall()
    usage = tuple(decode(*row) for row in connection.execute(_USAGE))
    return AccountFacts(starts=tuple(starts), spent=tuple(spent), usage=usage)


def replace_facts(connection: sqlite3.Connection, facts: AccountFacts) -> None:
    """Store rows in place of those with the same keys."""
    connection.executemany("REPLACE INTO starts (tag, at, task) VALUES (?, ?, ?)", facts.starts)
    connection.executemany("REPLACE INTO spent (account, day, unit, amount) VALUES (?, ?, ?, ?)", facts.spent)
    connection.executemany(
        "REPLACE INTO usage (day, tag, key, provider, model, counts) VALUES (?, ?, ?, ?, ?, ?)",
        [(*use.place, orjson.dumps(use.counts)) for use in facts.usage],
    )


def _exceeded(connection: sqlite3.Connection, limit: Limit, task: StoredTask) -> Exceeded | None:
    match limit.counted:
        case "running":
            (running,) = connection.execute(
                f"SELECT count(*) FROM {_LISTED} WHERE tag = ? AND {_UNFINISHED}",  # noqa: S608 - a constant
                (limit.account.removeprefix(TAG),),
            ).fetchone()
            return tasks_exceed(limit, running)
        case "starts":
            rows = connection.execute(
                "SELECT at FROM starts WHERE tag = ? AND at > ? ORDER BY at DESC",
                (limit.account.removeprefix(TAG), task.created_at - HOUR_S),
            )
            return starts_exceed(limit, [at for (at,) in rows], task.created_at)
        case unit:
            spent = _load_spent(connection, limit.account, EVER if limit.day is None else limit.day, unit)
            return spending_exceeds(limit, spent, _load_reserved(connection, limit.account, unit), task.estimate)


def _load_reserved(connection: sqlite3.Connection, account: str, unit: Unit) -> float:
    """Return what the tasks of an account that have not ended will probably cost."""
    tag = account.removeprefix(TAG) if account.startswith(TAG) else ALL
    key = account.removeprefix(KEY) if account.startswith(KEY) else None
    (reserved,) = connection.execute(
        f"SELECT coalesce(sum(estimate), 0.0) FROM {_LISTED} JOIN tasks ON id = task"  # noqa: S608 - constants only
        f" WHERE tag = ? AND listed.{_UNFINISHED} AND estimate_unit = ? AND (? IS NULL OR started_by = ?)",
        (tag, unit, key, key),
    ).fetchone()
    return float(reserved)


def _load_spent(connection: sqlite3.Connection, account: str, day: int, unit: Unit) -> float:
    row = connection.execute(
        "SELECT amount FROM spent WHERE account = ? AND day = ? AND unit = ?", (account, day, unit)
    ).fetchone()
    return 0.0 if row is None else float(row[0])


def _load_usage(connection: sqlite3.Connection, since: int, until: int, *, tagged: bool) -> Sequence[Use]:
    rows = connection.execute(
        f"{_USAGE} WHERE day BETWEEN ? AND ? AND (tag <> '') = ? ORDER BY day, tag, key, provider, model",
        (since, until, tagged),
    )
    return [decode(*row) for row in rows]


def _forget(connection: sqlite3.Connection, now: float) -> None:
    today = int(now // DAY_S)
    connection.execute("DELETE FROM starts WHERE at <= ?", (now - HOUR_S,))
    connection.execute("DELETE FROM spent WHERE day <> ? AND day <= ?", (EVER, today - SPENT_DAYS))
    connection.execute("DELETE FROM usage WHERE day <= ?", (today - KEPT_DAYS,))

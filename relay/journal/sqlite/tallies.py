"""
The table of tallies. See `relay.journal.tallies.Tallies`.

The functions work on a connection and are called in the thread that owns it. None begins or ends a transaction.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from relay.core.history.tally import Tally, merged
from relay.journal import tallies
from relay.journal.sqlite.reader import Reader
from relay.journal.sqlite.writer import Writer


class SQLiteTallies:
    """The tallies in the file that a journal has open."""

    def __init__(self, reader: Callable[[], Reader], writer: Callable[[], Writer]) -> None:
        """
        Args:
            reader: returns what reads the file, or raises RuntimeError if it is not open.
            writer: the same for what writes it.
        """
        self._reader = reader
        self._writer = writer

    async def load(self, *, provider: str | None = None, model: str | None = None, since: int = 0) -> Sequence[Tally]:
        return await self._reader().run(partial(load_tallies, provider=provider, model=model, since=since))

    async def forget(self, *, before: int) -> None:
        await self._writer().do(partial(_forget, before=before))


def load_tallies(
    connection: sqlite3.Connection, provider: str | None = None, model: str | None = None, since: int = 0
) -> Sequence[Tally]:
    """Return tallies in the order of their keys."""
    tests = ["day >= ?"]
    values: list[object] = [since]
    for column, value in (("provider", provider), ("model", model if model is None else model.lower())):
        if value is not None:
            tests.append(f"{column} = ?")
            values.append(value)
    rows = connection.execute(
        "SELECT provider, model, inputs, day, counts, slowest, failed FROM tallies"  # noqa: S608 - constants only
        f" WHERE {' AND '.join(tests)} ORDER BY provider, model, inputs, day",
        values,
    )
    return [tallies.decode(*row) for row in rows]


def add_tally(connection: sqlite3.Connection, tally: Tally) -> None:
    """Add the tally of a task."""
    row = connection.execute(
        "SELECT counts, slowest, failed FROM tallies WHERE provider = ? AND model = ? AND inputs = ? AND day = ?",
        tally.key,
    ).fetchone()
    replace_tallies(connection, [tally if row is None else merged(tallies.decode(*tally.key, *row), tally)])


def replace_tallies(connection: sqlite3.Connection, found: Iterable[Tally]) -> None:
    """Store tallies in place of those with the same keys."""
    connection.executemany(
        "REPLACE INTO tallies (provider, model, inputs, day, counts, slowest, failed) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(*tally.key, *tallies.encode(tally)) for tally in found],
    )


def _forget(connection: sqlite3.Connection, before: int) -> None:
    connection.execute("DELETE FROM tallies WHERE day < ?", (before,))

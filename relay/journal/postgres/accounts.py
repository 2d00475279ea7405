"""The tables of starts, of what was spent, and of the usage. See `relay.journal.accounts.Accounts`."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import orjson

from relay.core.history.tally import DAY_S
from relay.core.spending import HOUR_S, Unit, Use
from relay.journal.accounts import KEPT_DAYS, SPENT_DAYS, AccountFacts, decode
from relay.journal.postgres.errands import Errands
from relay.journal.postgres.reader import Reader

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

_USAGE: Final = "SELECT day, tag, key, provider, model, counts::text FROM usage"

_BETWEEN: Final = f"{_USAGE} WHERE day BETWEEN $1 AND $2 AND (tag <> '') = $3 ORDER BY day, tag, key, provider, model"

_SPENT: Final = "SELECT amount FROM spent WHERE account = $1 AND day = $2 AND unit = $3"

_FORGET: Final = (
    "WITH old AS (DELETE FROM starts WHERE at <= $1), sums AS (DELETE FROM spent WHERE day <> -1 AND day <= $2)"
    " DELETE FROM usage WHERE day <= $3"
)


class PostgresAccounts:
    """The accounts of all nodes."""

    def __init__(self, reader: Callable[[], Reader], errands: Callable[[], Errands]) -> None:
        """
        Args:
            reader: returns what reads the database, or raises RuntimeError if the journal is not open.
            errands: the same for what writes it.
        """
        self._reader = reader
        self._errands = errands

    async def usage(self, *, since: int, until: int, tagged: bool) -> Sequence[Use]:
        return [decode(*row) for row in await self._reader().fetch(_BETWEEN, since, until, tagged)]

    async def spent(self, account: str, day: int, unit: Unit) -> float:
        rows = await self._reader().fetch(_SPENT, account, day, unit)
        return float(rows[0]["amount"]) if rows else 0.0

    async def forget(self, *, now: float) -> None:
        today = int(now // DAY_S)
        await self._errands().run(_FORGET, now - HOUR_S, today - SPENT_DAYS, today - KEPT_DAYS)


async def load_facts(connection: "Connection") -> AccountFacts:
    """Return all rows."""
    starts = await connection.fetch("SELECT tag, at, task FROM starts")
    spent = await connection.fetch("SELECT account, day, unit, amount FROM spent")
    usage = await connection.fetch(_USAGE)
    return AccountFacts(
        starts=tuple((row["tag"], row["at"], row["task"]) for row in starts),
        spent=tuple((row["account"], row["day"], row["unit"], row["amount"]) for row in spent),
        usage=tuple(decode(*row) for row in usage),
    )


async def replace_facts(connection: "Connection", facts: AccountFacts) -> None:
    """Store rows in place of those with the same keys."""
    await connection.executemany(
        "INSERT INTO starts (tag, at, task) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", facts.starts
    )
    await connection.executemany(
        "INSERT INTO spent (account, day, unit, amount) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (account, day, unit) DO UPDATE SET amount = excluded.amount",
        facts.spent,
    )
    await connection.executemany(
        "INSERT INTO usage (day, tag, key, provider, model, counts) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (day, tag, key, provider, model) DO UPDATE SET counts = excluded.counts",
        [(*use.place, orjson.dumps(use.counts).decode()) for use in facts.usage],
    )

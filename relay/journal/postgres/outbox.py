"""The outbox of the journal in a PostgreSQL database: the nodes share its deliveries."""

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import orjson

from relay.journal.outbox import Claimed, Delivery, DeliveryFilter, Outcome, Status, Webhook
from relay.journal.postgres.errands import Errands
from relay.journal.postgres.reader import Reader
from relay.journal.postgres.rows import webhook_row

if TYPE_CHECKING:
    import asyncpg

PATIENCE: Final = timedelta(seconds=30)
"""How long after a dead node took a webhook it may still send it. An attempt takes less (relay/webhooks/sender.py)."""

COLUMNS: Final = (
    "number, id, task, url, type, created_at, status, attempts, failures, since, tried_at, answer, body,"
    " extract(epoch FROM due - clock_timestamp())::float8 AS next_in_s"
)

_RETURN: Final = "SELECT relay_return_webhooks($1, $2, $3)"

_CLAIM: Final = f"SELECT {COLUMNS} FROM relay_claim_webhooks($1, $2, $3)"  # noqa: S608 - a constant

_NEXT: Final = (
    "SELECT extract(epoch FROM min(due) - clock_timestamp())::float8 AS next_in_s FROM webhooks"
    " WHERE status = 'pending' AND due > clock_timestamp()"
)

_SETTLE: Final = "SELECT relay_settle($1, $2, $3, $4, $5, $6)"

_AGAIN: Final = f"SELECT {COLUMNS} FROM relay_send_again($1, $2)"  # noqa: S608 - a constant

_PUT: Final = "SELECT relay_put_webhooks($1, $2)"

_BACKLOG: Final = "SELECT count(*) AS backlog FROM webhooks WHERE status IN ('queued', 'pending', 'sending')"


class PostgresOutbox:
    """The webhooks in the database of a journal."""

    def __init__(self, node: Callable[[], int], errands: Callable[[], Errands], reader: Callable[[], Reader]) -> None:
        """
        Args:
            node: returns the id of this process among the nodes; raises RuntimeError while the journal is not open.
            errands: returns what runs its writes.
            reader: returns what runs its reads.
        """
        self._node = node
        self._errands = errands
        self._reader = reader

    async def add(self, webhooks: Sequence[Webhook]) -> None:
        rows = [orjson.dumps(webhook_row(each)).decode() for each in sorted(webhooks, key=lambda each: each.task)]
        await self._errands().run(_PUT, self._node(), rows)

    async def claim(self, held: Collection[str], *, per_url: int, limit: int) -> Claimed:
        errands, node = self._errands(), self._node()
        await errands.run(_RETURN, node, list(held), PATIENCE)
        rows = await errands.run(_CLAIM, node, per_url, limit)
        ((next_in_s,),) = await errands.run(_NEXT)
        return Claimed(
            deliveries=tuple(map(delivery_of, rows)), next_in_s=None if next_in_s is None else max(0.0, next_in_s)
        )

    async def settle(self, webhook: str, outcome: Outcome) -> None:
        again_in = timedelta(seconds=outcome.again_in_s)
        arguments = webhook, outcome.status, outcome.answer, outcome.tried_at, again_in
        await self._errands().run(_SETTLE, self._node(), *arguments)

    async def again(self, webhook: str, at: float) -> Delivery | None:
        rows = await self._errands().run(_AGAIN, webhook, at)
        return delivery_of(rows[0]) if rows else None

    async def backlog(self) -> int:
        (row,) = await self._reader().fetch(_BACKLOG)
        return int(row["backlog"])

    async def page(self, where: DeliveryFilter, *, before: int | None, limit: int) -> tuple[Delivery, ...]:
        conditions = {"number < $": before, "task = $": where.task, "status = $": where.status}
        given = {condition: value for condition, value in conditions.items() if value is not None}
        clause = " AND ".join(f"{condition}{place}" for place, condition in enumerate(given, 2))
        query = f"SELECT {COLUMNS} FROM webhooks {clause and f'WHERE {clause}'} ORDER BY number DESC LIMIT $1"  # noqa: S608
        return tuple(map(delivery_of, await self._reader().fetch(query, limit, *given.values())))


def delivery_of(row: "asyncpg.Record") -> Delivery:
    """Decode a row with COLUMNS."""
    return Delivery(
        number=row["number"],
        webhook=Webhook(
            id=row["id"],
            task=row["task"],
            url=row["url"],
            type=row["type"],
            body=row["body"].encode(),
            created_at=row["created_at"],
        ),
        status=Status(row["status"]),
        attempts=row["attempts"],
        failures=row["failures"],
        since=row["since"],
        tried_at=row["tried_at"],
        answer=row["answer"],
        next_in_s=None if row["next_in_s"] is None else max(0.0, row["next_in_s"]),
    )

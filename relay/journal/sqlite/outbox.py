"""The outbox of the journal in an SQLite file. Its writes are not synced, except `add`: what is lost is sent again."""

from collections.abc import Callable, Collection, Sequence
from functools import partial

from relay.journal.outbox import Claimed, Delivery, DeliveryFilter, Outcome, Webhook
from relay.journal.sqlite import webhooks as table
from relay.journal.sqlite.reader import Reader
from relay.journal.sqlite.writer import Writer


class SQLiteOutbox:
    """The webhooks in the file that a journal has open."""

    def __init__(self, writer: Callable[[], Writer], reader: Callable[[], Reader]) -> None:
        """
        Args:
            writer: returns the writer of the journal; raises RuntimeError while it is not open.
            reader: the same for reads of lists.
        """
        self._writer = writer
        self._reader = reader

    async def add(self, webhooks: Sequence[Webhook]) -> None:
        await self._writer().do(partial(table.add_webhooks, webhooks=webhooks))

    async def claim(self, held: Collection[str], *, per_url: int, limit: int) -> Claimed:
        work = partial(table.claim, held=held, per_url=per_url, limit=limit)
        return await self._writer().do(work, synced=False)

    async def settle(self, webhook: str, outcome: Outcome) -> None:
        await self._writer().do(partial(table.settle, webhook=webhook, outcome=outcome), synced=False)

    async def again(self, webhook: str, at: float) -> Delivery | None:
        return await self._writer().do(partial(table.again, webhook=webhook, at=at))

    async def backlog(self) -> int:
        return await self._reader().run(table.load_backlog)

    async def page(self, where: DeliveryFilter, *, before: int | None, limit: int) -> tuple[Delivery, ...]:
        return await self._reader().run(partial(table.load_page, where=where, before=before, limit=limit))

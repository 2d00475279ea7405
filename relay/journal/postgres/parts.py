"""The parts of an open PostgreSQL journal, and their connections."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from relay.core.snapshot import Snapshot
from relay.journal.availability import Availability, failing
from relay.journal.load import Load
from relay.journal.postgres import connection, lookups
from relay.journal.postgres.errands import Errands
from relay.journal.postgres.membership import Membership
from relay.journal.postgres.reader import LIMIT_S, PLANS, Reader
from relay.journal.postgres.session import Session
from relay.journal.postgres.writer import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The parts of a journal that owns tasks."""

    membership: Membership
    writer: Writer

    def load(self, reads: Availability) -> Load:
        """Return how busy the journal is; `reads` is the availability of its readers."""
        return Load(
            queued=self.writer.queued,
            lag_s=self.membership.lag_s,
            failing=failing(reads, self.writer.availability),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of an open journal."""

    owner: Owner | None
    """Null if it was opened without the lock."""
    errands: Errands
    reads: Availability
    """Of all readers."""
    reader: Reader
    lister: Reader
    searcher: Reader
    """For searches by words: one can take seconds, and no other read waits for it."""

    async def states(self, tasks: Sequence[str], *, strict: bool) -> list[Snapshot]:
        """
        Read the states of tasks, in any order.

        Raises:
            StoreDamaged: one cannot be decoded, with `strict`. Otherwise, it is left out.
        """
        epoch = "" if self.owner is None else self.owner.membership.epoch
        decode = partial(lookups.snapshot, epoch=epoch)
        return await self.reader.run_each(decode, lookups.SNAPSHOTS, tasks, strict=strict)

    def reconnect(self) -> None:
        """Leave the server that has been read, after a failover."""
        for each in (self.errands, self.reader, self.lister, self.searcher):
            each.reconnect()

    async def close(self) -> None:
        """Finish what has begun, stop being a node, and end all connections."""
        if self.owner is not None:
            await self.owner.writer.close()
            await self.owner.membership.stop()
        for each in (self.errands, self.searcher, self.lister, self.reader):
            await each.close()


def open_parts(dsn: str, owner: Owner | None) -> Parts:
    """Return the parts for a database. Their connections are made when they are needed."""
    reads = Availability("read")
    return Parts(
        owner=owner,
        errands=Errands(Session(partial(connection.connect, dsn, "errands"))),
        reads=reads,
        reader=_reader(dsn, "reader", reads),
        lister=_reader(dsn, "lister", reads),
        searcher=_reader(dsn, "searcher", reads),
    )


def _reader(dsn: str, name: str, reads: Availability) -> Reader:
    connect = partial(connection.connect, dsn, name, limit_s=LIMIT_S, settings=PLANS)
    return Reader([Session(connect) for _ in range(2)], reads)

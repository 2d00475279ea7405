"""A membership for tests: a node with a lease, which hears nothing of others."""

import asyncio
import secrets
from collections.abc import Callable, Sequence

from relay.clock import uptime_s
from relay.journal.deletions import DeletedListener
from relay.journal.entries import Appended
from relay.journal.postgres.connection import close, connect
from relay.journal.postgres.epoch import read_epoch
from relay.journal.postgres.lease import LEASE, LEASE_S, MARGIN_S
from relay.journal.postgres.membership import Membership


class LoneNode:
    """Registers, and registers again when it is fenced."""

    def __init__(self, dsn: str, name: str | None, reset: Callable[[], None]) -> None:
        self._dsn = dsn
        self._name = name
        self._reset = reset
        self.id = ""
        self.epoch = ""
        self.epoch_began_at = 0.0
        self.send_until_s = 0.0
        self.lag_s = 0.0
        self.committed: list[int] = []
        self.registered = asyncio.Event()
        self._registering: asyncio.Task[None] | None = None

    async def start(self) -> None:
        number = secrets.randbits(62)
        since_s = uptime_s()
        connection = await connect(self._dsn, "node")
        self.epoch = await read_epoch(connection)
        await connection.execute("SELECT relay_register($1, $2, $3, $4)", number, self._name or "test", LEASE, False)
        await close(connection)
        self.send_until_s = since_s + LEASE_S - MARGIN_S
        self.id = str(number)
        self.registered.set()

    async def stop(self) -> None:
        if self._registering is not None:
            await self._registering

    def batch_committed(self, number: int) -> None:
        self.committed.append(number)

    def fenced(self) -> None:
        self.registered.clear()
        self._registering = asyncio.create_task(self._register())

    async def caught_up(self) -> None:
        pass

    async def work(self) -> None:
        await self.registered.wait()

    async def _register(self) -> None:
        await self.start()
        self._reset()


def join(
    dsn: str,
    name: str | None,
    *,
    publish: Callable[[Sequence[Appended]], None],
    reset: Callable[[], None],
    deleted: DeletedListener,
    last_seq: Callable[[str], int | None],
    viewers: Callable[[], int],
) -> Membership:
    """Make this process a node."""
    return LoneNode(dsn, name, reset)

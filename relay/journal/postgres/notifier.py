"""
Tells other nodes what this one has committed, by NOTIFY.

Every NOTIFY takes a lock of the whole server during its commit. So it is no part of the commits that it is about, it is
not sent for each of them, and it does not wait for the disk. A lost one costs time only: with each beat, every node
reads what others have committed.
"""

import asyncio
from typing import TYPE_CHECKING, Final

import asyncpg

from relay.backoff import full_jitter
from relay.errors import StoreError
from relay.journal.postgres.connection import connect
from relay.journal.postgres.session import Session

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

CHANNEL: Final = "relay"

PAUSE_S: Final = 0.010
"""The time between two NOTIFYs. The first one after a pause is sent at once."""


class Notifier:
    """Sends the number of the last batch, at most once per PAUSE_S."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._session = Session(self._connect)
        self._payload: str | None = None
        """What has not been sent yet."""
        self._wake = asyncio.Event()

    def committed(self, node: str, batch: int) -> None:
        """Tell the other nodes soon that `node` has committed a batch."""
        self._payload = f"{node}:{batch}"
        self._wake.set()

    def reconnect(self) -> None:
        """Use another connection from now on: the server may have been replaced."""
        self._session.drop()

    async def run(self) -> None:
        """Send until cancelled."""
        failures = 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            payload, self._payload = self._payload, None
            try:
                await self._session.run("SELECT pg_notify($1, $2)", CHANNEL, payload)
            except (StoreError, asyncpg.PostgresError):  # the beat logs an outage
                if not self._wake.is_set():
                    self._payload = payload
                    self._wake.set()
                await asyncio.sleep(full_jitter(min(failures, 2)))
                failures += 1
            else:
                failures = 0
                await asyncio.sleep(PAUSE_S)

    async def close(self) -> None:
        """Close the connection."""
        await self._session.close()

    async def _connect(self) -> "Connection":
        return await connect(self._dsn, "notifier", settings={"synchronous_commit": "off"})

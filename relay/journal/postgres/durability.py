"""Whether the server keeps what it has committed."""

from typing import TYPE_CHECKING

from relay import log

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

_log = log.get("journal")


async def warn_without_fsync(connection: "Connection") -> None:
    """Log that the server does not wait for the disk, if so. Only its operator can change that."""
    if await connection.fetchval("SHOW fsync") == "off":
        _log.warning("store.fsync_disabled", effect="a crash of its machine can lose tasks, and repeat a run")

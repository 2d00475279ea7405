"""The epoch of a database: another one as soon as commits may have been lost. It is stored when it begins."""

import math
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

_NAME = """
SELECT 'epoch:' || system_identifier || ':' || left(pg_walfile_name(pg_current_wal_lsn()), 8) FROM pg_control_system()
"""

_BEGIN = """
INSERT INTO meta (name, value)
VALUES ($1, $2), ($1 || ':began', extract(epoch FROM clock_timestamp())::float8::text) ON CONFLICT (name) DO NOTHING
"""


async def read_epoch(connection: "Connection") -> str:
    """
    Return the epoch of the server's history.

    A standby that is promoted begins a new timeline, and it may lack commits. The number of a timeline is not enough:
    two standbys of one primary begin the same one. So the first connection to a timeline stores a random epoch for it,
    which only the standbys that follow this server receive.
    """
    name = await connection.fetchval(_NAME)
    find = "SELECT value FROM meta WHERE name = $1"
    epoch = await connection.fetchval(find, name)
    if epoch is None:
        await connection.execute(_BEGIN, name, secrets.token_hex(8))
        epoch = await connection.fetchval(find, name)
    return str(epoch)


async def read_beginning(connection: "Connection") -> float:
    """Return when the epoch began, in unix seconds. It has been read on this connection."""
    name = await connection.fetchval(_NAME)
    began = await connection.fetchval("SELECT value FROM meta WHERE name = $1", f"{name}:began")
    return -math.inf if began is None else float(began)  # an earlier version did not store it

"""The epoch of a database: another one as soon as commits may have been lost."""

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

_NAME = """
SELECT 'epoch:' || system_identifier || ':' || left(pg_walfile_name(pg_current_wal_lsn()), 8) FROM pg_control_system()
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
        insert = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING"
        await connection.execute(insert, name, secrets.token_hex(8))
        epoch = await connection.fetchval(find, name)
    return str(epoch)

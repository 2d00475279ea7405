"""When the epoch of a database changes."""

import math

import pytest

from relay.journal.postgres.epoch import read_beginning, read_epoch
from tests.journal.postgres.cluster import Connection, connected
from tests.postgres.server import postgres_server

pytestmark = pytest.mark.cluster


async def test_all_connections_read_the_same_epoch(database: str, connection: Connection) -> None:
    """The first one has stored it."""
    epoch = await read_epoch(connection)
    async with connected(database) as other:
        assert await read_epoch(other) == epoch
    assert epoch.isalnum()


async def test_two_standbys_of_one_primary_have_different_epochs() -> None:
    """Both begin timeline 2 of the same system, with other histories."""
    async with postgres_server() as primary:
        dsn = await primary.create_database()
        async with connected(dsn) as connection:
            epochs = [await read_epoch(connection)]
            began = [await read_beginning(connection)]
        first, second = await primary.standby(synchronous=False), await primary.standby(synchronous=False)
        await primary.kill()
        for standby in (first, second):
            await standby.promote()
            async with connected(standby.dsn_of(dsn.rpartition("/")[2])) as connection:
                epochs += [await read_epoch(connection), await read_epoch(connection)]
                began += [await read_beginning(connection), await read_beginning(connection)]

    assert epochs[1] == epochs[2]
    assert epochs[3] == epochs[4]
    assert len(set(epochs)) == 3
    assert began[0] < began[1] == began[2] < began[3] == began[4]


async def test_when_the_epoch_of_an_earlier_version_began_is_unknown(connection: Connection) -> None:
    """It has not stored that."""
    await read_epoch(connection)
    await connection.execute("DELETE FROM meta WHERE name LIKE 'epoch:%:began'")

    assert await read_beginning(connection) == -math.inf

"""What the journal in PostgreSQL says about its server when it is opened."""

from structlog.testing import capture_logs

from relay.journal.postgres.journal import PostgresJournal
from tests.journal.postgres.membership import join
from tests.postgres.server import PostgresServer


async def test_a_server_that_does_not_wait_for_the_disk_is_logged(postgres: PostgresServer, database: str) -> None:
    """A process that only looks does not say so."""

    async def logged(*, lock: bool) -> list[str]:
        journal = PostgresJournal(database, join=join)
        with capture_logs() as logs:
            await journal.open(lock=lock)
        await journal.close()
        return [entry["event"] for entry in logs if entry["log_level"] == "warning"]

    assert await logged(lock=True) == ["store.fsync_disabled"]
    assert await logged(lock=False) == []
    await postgres.configure(fsync="on")
    try:
        async with postgres.connection() as superuser:
            while await superuser.fetchval("SHOW fsync") == "off":
                pass  # the server reads its parameters again soon
        assert await logged(lock=True) == []
    finally:
        await postgres.configure(fsync="off")

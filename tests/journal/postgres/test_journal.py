"""What the journal in PostgreSQL says about its driver and its server when it is opened."""

import importlib
import sys

import pytest
from structlog.testing import capture_logs

from relay.errors import ConfigError
from relay.journal import postgres as package
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


@pytest.mark.parametrize("lock", [True, False])
async def test_a_server_that_cannot_be_reached_is_an_error_of_the_setting(unused_tcp_port: int, lock: bool) -> None:
    """The relay exits with the code for its configuration."""
    journal = PostgresJournal(f"postgresql://me@127.0.0.1:{unused_tcp_port}/db", join=join)
    with pytest.raises(ConfigError, match="RELAY_STORE: cannot connect to PostgreSQL"):
        await journal.open(lock=lock)


def test_the_package_says_how_to_install_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(ConfigError, match=r"pip install 'generation-relay\[postgres\]'"):
        importlib.reload(package)

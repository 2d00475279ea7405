"""Connections to PostgreSQL: which server, which settings, and messages without passwords."""

import asyncio
from functools import partial

import asyncpg
import pytest

from relay.errors import StoreError
from relay.journal.postgres import connection as connection_module
from relay.journal.postgres.connection import close, connect, host_of
from relay.journal.postgres.session import Session, Unanswered
from tests.postgres.server import PostgresServer, postgres_server


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://me:hunter2@127.0.0.1:1/db",
        "postgresql://me:hunter2@127.0.0.1:hunter2/db",
        "postgresql://me:hunter2@[hunter2/db",
        "postgresql://me:p/hunter2@127.0.0.1/db",
        "postgresql://me:hunter2@127.0.0.1:1/db?sslmode=hunter2",
        "postgresql://me:hunter2@127.0.0.1:1/db?=hunter2",
        "postgresql://127.0.0.1:1/db?user=me&password=hunter2",
    ],
)
async def test_no_message_has_the_password(dsn: str) -> None:
    """Even if the address cannot be parsed: the password may be anywhere then."""
    with pytest.raises(StoreError) as caught:
        await connect(dsn, "test")
    error: BaseException | None = caught.value
    assert "cannot connect to PostgreSQL" in str(error)
    assert "hunter2" not in str(error)


async def test_a_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something listens on the port, and is silent."""
    monkeypatch.setattr(connection_module, "CONNECT_S", 0.1)
    over = asyncio.Event()

    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}/db"
        with pytest.raises(StoreError, match=rf"cannot connect to PostgreSQL at {address}: no answer in 0\.1 s"):
            await connect(f"postgresql://me@{address}", "test")
        over.set()


async def test_a_connection_to_a_server_that_hangs_is_closed(database: str, postgres: PostgresServer) -> None:
    """Without its consent, after a second."""
    connection = await connect(database, "test")
    postgres.pause()
    await close(connection)
    postgres.resume()

    assert connection.is_closed()


def test_an_address_is_shown_without_user_password_and_parameters() -> None:
    """Several hosts are shown as they are."""
    assert host_of("postgresql://me:secret@one:1,two/db?sslmode=require&password=secret") == "one:1,two/db"
    assert host_of("postgresql:///db") == "localhost/db"


async def test_a_wrong_database_is_named(postgres: PostgresServer) -> None:
    """By the server's own message."""
    with pytest.raises(StoreError, match='database "nowhere" does not exist'):
        await connect(postgres.dsn_of("nowhere"), "test")


async def test_the_settings_of_a_connection(database: str) -> None:
    """Commits are durable, and no timeout of the server's configuration ends a statement or an idle connection."""
    connection = await connect(database, "test")
    limited = await connect(database, "test", limit_s=2.5)
    for name, value in (
        ("synchronous_commit", "on"),
        ("statement_timeout", "0"),
        ("idle_session_timeout", "0"),
        ("application_name", "relay test"),
        ("client_connection_check_interval", "2s"),
    ):
        assert await connection.fetchval(f"SHOW {name}") == value
    assert await limited.fetchval("SHOW statement_timeout") == "2500ms"
    jit = "SELECT setting || ' by the ' || source FROM pg_settings WHERE name = 'jit'"
    assert await connection.fetchval(jit) == "off by the client"  # the server of the tests does not use it either
    await close(connection)
    await close(limited)


async def test_commits_are_durable_even_if_the_database_has_another_default(database: str) -> None:
    """A session of the relay waits for the disk, and for a synchronous standby."""
    name = database.rpartition("/")[2]
    first = await connect(database, "test")
    await first.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    second = await connect(database, "test")
    assert await second.fetchval("SHOW synchronous_commit") == "on"
    await first.execute(f"ALTER DATABASE {name} RESET ALL")  # other tests use the database
    await close(first)
    await close(second)


@pytest.mark.cluster
async def test_of_several_hosts_the_one_that_accepts_writes_is_used() -> None:
    """It is the primary, and after a promotion the former standby."""
    async with postgres_server() as primary:
        dsn = await primary.create_database()
        standby = await primary.standby()
        name = dsn.rpartition("/")[2]
        both = f"postgresql://relay@127.0.0.1:{standby.port},127.0.0.1:{primary.port}/{name}"
        with pytest.raises(StoreError, match="no server accepts writes"):
            await connect(standby.dsn_of(name), "test")
        for server in (primary, standby):
            connection = await connect(both, "test")
            assert await connection.fetchval("SELECT inet_server_port()") == server.port
            await close(connection)
            if server is primary:
                await primary.stop()
                await standby.promote()


async def test_a_statement_whose_connection_is_dropped_meanwhile_is_in_doubt(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """asyncpg raises an AttributeError then, if it was about to send the next message of the statement."""
    session = Session(partial(connect, database, "test"))
    await session.connect()

    async def fetch(*_: object) -> None:
        session.drop()
        raise AttributeError("'NoneType' object has no attribute 'bind_execute'")

    with monkeypatch.context() as dropped:
        dropped.setattr(asyncpg.Connection, "fetch", fetch)
        with pytest.raises(Unanswered, match="was dropped"):
            await session.run("SELECT 1")
    assert [row[0] for row in await session.run("SELECT 1")] == [1]
    await session.close()

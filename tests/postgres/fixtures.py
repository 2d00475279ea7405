"""
The fixtures `postgres` and `database`: one server per worker, started by the first test that needs it.

Tests with a server are left to `make test-cluster`.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.postgres.server import PostgresServer, postgres_server

ON_POSTGRES = pytest.param("postgres", marks=pytest.mark.cluster)
"""The kind of store of a test that all kinds share."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests with a server."""
    for item in items:
        if isinstance(item, pytest.Function) and "shared_postgres" in item.fixturenames:
            item.add_marker(pytest.mark.cluster)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_postgres() -> AsyncIterator[PostgresServer]:
    """Run a server for all tests of this worker."""
    async with postgres_server() as server:
        yield server


@pytest.fixture
async def postgres(shared_postgres: PostgresServer) -> AsyncIterator[PostgresServer]:
    """
    Return the worker's server, which a test may stop, kill or pause.

    A test that adds a standby or changes parameters runs a server of its own with `postgres_server`.
    """
    yield shared_postgres
    await shared_postgres.start()


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[str]:
    """Return the address of an empty database for its owner, an ordinary role."""
    async with postgres.database() as dsn:
        yield dsn

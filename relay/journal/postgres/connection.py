"""
Connections to PostgreSQL.

A password in the address never reaches a message: asyncpg quotes parts of an address that it cannot parse, so such an
error is reported without its text.
"""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from relay.errors import StoreError
from relay.journal.postgres.deadline import deadline

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

CONNECT_S: Final = 5.0
"""How long to wait for a new connection."""

BROKEN: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # asyncpg raises it when the server has ended an idle connection ("cannot switch to state 12").
    asyncpg.InternalClientError,
    # The server shuts down, or an operator ended the connection.
    asyncpg.exceptions.OperatorInterventionError,
)
"""The errors after which a connection cannot be used, and the outcome of its statement is unknown."""

_HOST: Final = r"(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d+)?"

_SHOWN: Final = re.compile(rf"{_HOST}(?:,{_HOST})*(?:/[\w.-]*)?")

_SETTINGS: Final = {
    "synchronous_commit": "on",  # an event that a viewer has seen must survive the end of the server
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "jit": "off",  # to compile a statement takes longer than any of these
}


def host_of(dsn: str) -> str:
    """Return the hosts and the database of an address, for messages: without user, password and parameters."""
    try:
        parts = urlsplit(dsn)
    except ValueError:
        return "an invalid address"
    shown = f"{parts.netloc.rpartition('@')[2] or 'localhost'}{parts.path}"
    # A password with a slash that is not escaped would end up in the path.
    return shown if _SHOWN.fullmatch(shown) else "an invalid address"


async def connect(
    dsn: str, name: str, *, limit_s: float = 0.0, settings: Mapping[str, str] | None = None
) -> "Connection":
    """
    Open a connection to the server that accepts writes.

    Args:
        dsn: the address, possibly with several hosts.
        name: what the connection is for, as pg_stat_activity shows it.
        limit_s: how long a statement may take; 0 for no limit. The server ends a longer one.
        settings: parameters of the session in addition to the usual ones.

    Raises:
        StoreError: the server was not reached within CONNECT_S, or refused.
    """
    all_settings = {
        **_SETTINGS,
        **(settings or {}),
        "application_name": f"relay {name}",
        "statement_timeout": str(round(limit_s * 1000)),
    }
    try:
        writable = None if "target_session_attrs" in parse_qs(urlsplit(dsn).query) else SessionAttribute.read_write
        connection = await asyncpg.connect(
            dsn, timeout=CONNECT_S, target_session_attrs=writable, server_settings=all_settings
        )
        # A backend whose client has gone ends while it waits for a lock: another one repeats its statement. Servers on
        # some systems cannot notice.
        with deadline(connection, CONNECT_S), suppress(asyncpg.DataError, asyncpg.SyntaxOrAccessError):
            await connection.execute("SET client_connection_check_interval = '2s'")
    except asyncpg.TargetServerAttributeNotMatched:
        raise StoreError(f"cannot connect to PostgreSQL at {host_of(dsn)}: no server accepts writes") from None
    except TimeoutError:
        raise StoreError(f"cannot connect to PostgreSQL at {host_of(dsn)}: no answer in {CONNECT_S:g} s") from None
    except (asyncpg.InterfaceError, ValueError) as error:
        reason = f"the address or one of its parameters is invalid ({type(error).__name__})"
        raise StoreError(f"cannot connect to PostgreSQL at {host_of(dsn)}: {reason}") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InternalClientError) as error:
        raise StoreError(f"cannot connect to PostgreSQL at {host_of(dsn)}: {error}") from error
    return connection


async def close(connection: "Connection") -> None:
    """Close a connection; after a second, without the server's consent."""
    try:
        async with asyncio.timeout(1.0):
            await connection.close()
    except (TimeoutError, *BROKEN, asyncpg.PostgresError):
        connection.terminate()

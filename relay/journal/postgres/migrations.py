"""
Creates the tables and upgrades them, one version after the other, while one process at a time does so.

During a rolling deploy, processes of two versions share a database. So an upgrade only adds: tables, columns with
defaults, indexes, functions. `schema` in meta is the version of the tables, and `schema_oldest` the version of the
oldest relay that can use them.
"""

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import asyncpg

from relay import log
from relay.errors import ConfigError
from relay.journal.transfer import COPY_AGAIN, COPYING

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

SCHEMA_VERSION: Final = 5

_OLDEST: Final = 1
"""The oldest version that can use tables of this version."""

LOCK: Final = 0x72656C79
"""The advisory lock: "rely" in ASCII. A copy holds it to the end, so no relay starts meanwhile."""

_COPIES: Final = """
CREATE TABLE copies (
  task text COLLATE "C",
  part text COLLATE "C",
  provider text COLLATE "C" NOT NULL,
  url text NOT NULL,
  name text,
  content_type text NOT NULL,
  size_bytes bigint,
  sha256 text,
  state text COLLATE "C" NOT NULL,
  reason text,
  attempts integer NOT NULL,
  next_at double precision NOT NULL,
  kept_at double precision,
  owner bigint,
  PRIMARY KEY (task, part)
);
CREATE INDEX copies_to_do ON copies (next_at) WHERE state IN ('waiting', 'expiring', 'orphaned');
CREATE INDEX copies_kept ON copies (kept_at, size_bytes) WHERE state = 'kept';
"""

_WEBHOOKS: Final = """
ALTER TABLE tasks ADD COLUMN webhook text;
CREATE TABLE webhooks (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text COLLATE "C" NOT NULL UNIQUE,
  task text COLLATE "C" NOT NULL,
  url text COLLATE "C" NOT NULL,
  type text NOT NULL,
  created_at double precision NOT NULL,
  status text COLLATE "C" NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  failures integer NOT NULL DEFAULT 0,
  since double precision NOT NULL,
  tried_at double precision,
  answer text,
  due timestamptz,
  node bigint,
  claimed timestamptz,
  body text NOT NULL
);
CREATE INDEX webhooks_by_task ON webhooks (task, number);
CREATE INDEX webhooks_by_status ON webhooks (status, number);
CREATE INDEX webhooks_pending ON webhooks (url, due) WHERE status = 'pending';
CREATE INDEX webhooks_due ON webhooks (due) WHERE status = 'pending';
CREATE INDEX webhooks_sending ON webhooks (url) WHERE status = 'sending';
CREATE INDEX webhooks_active ON webhooks (task, url, number) WHERE status IN ('queued', 'pending', 'sending');
"""

_TOMBSTONES: Final = """
CREATE TABLE tombstones (
  task text COLLATE "C" PRIMARY KEY,
  at double precision NOT NULL,
  upstream boolean NOT NULL,
  xact bigint NOT NULL DEFAULT txid_current()
);
CREATE INDEX tombstones_by_age ON tombstones (at, task);
CREATE INDEX tombstones_by_xact ON tombstones (xact);
"""

_TITLES_AND_PROMPTS: Final = """
ALTER TABLE tasks ADD COLUMN title text, ADD COLUMN prompt text;
CREATE TABLE title_words (
  task text COLLATE "C",
  word text COLLATE "C",
  PRIMARY KEY (task, word)
);
CREATE INDEX title_words_by_word ON title_words (word, task);
"""

_UPGRADES: Final[dict[int, str]] = {1: _COPIES, 2: _WEBHOOKS, 3: _TOMBSTONES, 4: _TITLES_AND_PROMPTS}
"""By the version that each one upgrades: statements that add something."""

_FUNCTIONS: Final = "SELECT value FROM meta WHERE name = 'functions'"
"""Finds the digest of the functions."""

_log = log.get("journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The tables and functions that a database has."""

    version: int | None
    """Null if it has none."""
    functions_differ: bool
    """Whether the functions are not those of this version of the relay."""

    @property
    def outdated(self) -> bool:
        """Whether `migrate` would create or upgrade something."""
        if self.version is None or self.version < SCHEMA_VERSION:
            return True
        return self.version == SCHEMA_VERSION and self.functions_differ


async def migrate(connection: "Connection", *, copying: bool = False) -> None:
    """
    Create or upgrade the tables and functions.

    Args:
        connection: a connection without a transaction.
        copying: whether to do so even if a copy to the database is not finished.

    Raises:
        ConfigError: the tables are those of another program or of a later version, a copy to them is not finished, or
            the role may not create any.
    """
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            await _migrate(connection, copying=copying)
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigError(f"RELAY_STORE: the role may not create tables in this database: {error}") from error


async def check_schema(connection: "Connection") -> None:
    """
    Check that the tables exist and can be used.

    Raises:
        ConfigError: they do not, or cannot.
    """
    if await _load_version(connection) is None:
        raise ConfigError("RELAY_STORE: the database has no tables yet; `relay serve` creates them")
    await _check_finished(connection)


async def load_schema(connection: "Connection") -> Schema:
    """
    Return what `migrate` would find, without a change.

    Raises:
        ConfigError: the tables are those of another program or of a later version.
    """
    version = await _load_version(connection)
    stored = None if version is None else await connection.fetchval(_FUNCTIONS)
    return Schema(version=version, functions_differ=stored != _digest(_read("functions.sql")))


async def _migrate(connection: "Connection", *, copying: bool) -> None:
    version = await _load_version(connection)
    if version is not None and not copying:
        await _check_finished(connection)
    functions = _read("functions.sql")
    digest = _digest(functions)
    if version is None:
        await connection.execute(_read("schema.sql"))
    elif version > SCHEMA_VERSION:
        return
    elif version == SCHEMA_VERSION:
        if await connection.fetchval(_FUNCTIONS) == digest:
            return
    else:
        _log.info("journal.upgrade_started", from_schema=version, to_schema=SCHEMA_VERSION)
        for older in range(version, SCHEMA_VERSION):
            await connection.execute(_UPGRADES[older])
    await connection.execute(functions)
    facts = {"schema": SCHEMA_VERSION, "schema_oldest": _OLDEST, "functions": digest}
    await connection.executemany(
        "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [(name, str(value)) for name, value in facts.items()],
    )


async def _check_finished(connection: "Connection") -> None:
    """
    Check that no copy to the database is unfinished.

    Raises:
        ConfigError: one is.
    """
    if await connection.fetchval("SELECT EXISTS (SELECT FROM meta WHERE name = $1)", COPYING):
        raise ConfigError(f"RELAY_STORE: a copy to this database is not finished: {COPY_AGAIN}")


async def _load_version(connection: "Connection") -> int | None:
    """
    Return the version of the tables; null if there are none.

    Raises:
        ConfigError: they are those of another program or of a later version.
    """
    found = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND pg_table_is_visible(oid)"
        " AND relname IN ('meta', 'nodes', 'heads', 'tasks', 'events')"
    )
    if not found:
        return None
    if len(found) != 5:
        raise ConfigError(
            f"RELAY_STORE: the database belongs to another program: it has a table `{found[0]['relname']}`. "
            "Give the relay a database to itself"
        )
    facts = {
        row["name"]: int(row["value"])
        for row in await connection.fetch("SELECT name, value FROM meta WHERE name IN ('schema', 'schema_oldest')")
    }
    if "schema" not in facts:
        raise ConfigError("RELAY_STORE: the database belongs to another program. Give the relay a database to itself")
    if facts["schema_oldest"] > SCHEMA_VERSION:
        raise ConfigError(
            f"RELAY_STORE: the database was upgraded by a later version (schema {facts['schema']}, which this version "
            f"cannot use; supported: {SCHEMA_VERSION})"
        )
    return facts["schema"]


def _digest(functions: str) -> str:
    return sha256(functions.encode()).hexdigest()


def _read(name: str) -> str:
    return files("relay.journal.postgres").joinpath(name).read_text(encoding="utf-8")

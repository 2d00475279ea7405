"""Settings of the store: where it is, and how much of a task's history it keeps."""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, ByteSize, Field, field_validator

from relay.config.base import Group, none_if_empty
from relay.config.units import Seconds

_SQLITE = "sqlite:///"

_POSTGRES = ("postgresql://", "postgres://")

_HOST = r"(?:[\w.%-]+|\[[\da-fA-F:.]+\])(?::\d+)?"

_SHOWN = re.compile(rf"\w+://(?:{_HOST}(?:,{_HOST})*)?(?:/[\w.%-]*)?")
"""What may be shown of the URL of a database."""


def _without_user(dsn: str) -> str:
    """Return the URL of a database without user, password and parameters; an empty text if it is none."""
    try:
        parts = urlsplit(dsn)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class Storage(Group):
    """Storage."""

    store: str = Field(
        "sqlite:///relay.db",
        alias="RELAY_STORE",
        description="`sqlite:///PATH`, `postgresql://USER@HOST/DATABASE` or `memory:`. Keep the "
        "password out of the URL: set `PGPASSWORD` in the environment, or use `~/.pgpass`.",
        repr=False,
    )
    spool: Annotated[Path | None, BeforeValidator(none_if_empty)] = Field(
        None,
        alias="RELAY_SPOOL",
        description="Directory for uploads until the platform has them. Several nodes should share it: a queued task "
        "whose files are on a lost node fails. Unset: next to the SQLite store, with PostgreSQL `relay.spool` in the "
        "working directory.",
    )
    history_events: int = Field(
        10_000,
        alias="RELAY_HISTORY_EVENTS",
        ge=500,
        description="Maximum number of events kept per task, in addition to its state.",
    )
    history_bytes: ByteSize = Field(
        ByteSize(16 * 2**20),
        alias="RELAY_HISTORY_BYTES",
        ge=2**20,
        description="Maximum size of the events kept per task, in addition to its state.",
    )
    history_age_s: Seconds = Field(
        30 * 86_400.0,
        alias="RELAY_HISTORY_AGE",
        ge=0,
        description="Time that a task is kept after its end. `0` keeps tasks forever.",
    )
    store_limit_bytes: ByteSize = Field(
        ByteSize(10 * 2**30),
        alias="RELAY_STORE_LIMIT",
        ge=2**20,
        description="Maximum size of the store. Beyond it, the oldest ended tasks are removed.",
    )
    audit_age_s: Seconds = Field(
        90 * 86_400.0,
        alias="RELAY_AUDIT_AGE",
        ge=0,
        description="How long entries of the audit are kept. The store keeps at most 100 000 entries, and as many "
        "failed authentications. `0` removes each entry within a minute.",
    )

    @field_validator("store")
    @classmethod
    def _supported(cls, value: str) -> str:
        if value == "memory:" or (value.startswith(_SQLITE) and len(value) > len(_SQLITE)):
            return value
        if value.startswith(_POSTGRES):
            if not _SHOWN.fullmatch(_without_user(value)):  # a `/` in a password would move it into the path
                raise ValueError(
                    "not a valid URL of a PostgreSQL database; write special characters of user and password as %2F "
                    "and so on"
                )
            return value
        raise ValueError("use sqlite:///PATH, postgresql://USER@HOST/DATABASE or memory:")

    @property
    def store_name(self) -> str:
        """Return the store without user, password and parameters."""
        return self.store if self.postgres_dsn is None else _without_user(self.postgres_dsn)

    @property
    def postgres_dsn(self) -> str | None:
        """Return the URL of the PostgreSQL database, or None for another store."""
        return self.store if self.store.startswith(_POSTGRES) else None

    @property
    def sqlite_path(self) -> Path | None:
        """Return the path of the SQLite store, or None for another store."""
        return Path(self.store.removeprefix(_SQLITE)) if self.store.startswith(_SQLITE) else None

    @property
    def spool_path(self) -> Path | None:
        """Return the directory of uploads, or None for a temporary directory."""
        if self.spool is not None:
            return self.spool
        if self.postgres_dsn is not None:
            return Path("relay.spool")
        return None if self.sqlite_path is None else Path(f"{self.sqlite_path}.spool")

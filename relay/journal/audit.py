"""
The contract of the audit: who did what, and how often a client failed to authenticate.

It is a part of the journal, but an entry is not a part of a task: it outlives it. The relay adds entries in batches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Action(StrEnum):
    """What was done."""

    START = "start"
    AGAIN = "again"
    ATTACH = "attach"
    CANCEL = "cancel"
    DELETE = "delete"
    MINT = "mint"
    REVOKE = "revoke"
    AUTH_FAILED = "auth_failed"
    """A credential was not valid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One action of one client."""

    id: str
    """An entry with an id that is stored already is not stored again."""
    at: float
    """In unix seconds."""
    action: Action
    key: str | None = None
    """The name of the API key, empty for a key without one; null if the client used none."""
    subject: str | None = None
    """What the client's token opens, as `task:ID` or `tag:TAG`; null if the client used none."""
    address: str | None = None
    """The address of the client. Null for failed authentications from many addresses."""
    request_id: str | None = None
    task: str | None = None
    tag: str | None = None
    jti: str | None = None
    """The id of the token that was minted or revoked."""
    status: int
    """The HTTP status of the response."""
    count: int = 1
    """How many tasks were deleted, or how many authentications failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """An entry and its place in the order in which entries were stored."""

    number: int
    entry: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries to list: those that meet every condition. Null means no condition."""

    action: Action | None = None
    key: str | None = None
    task: str | None = None
    tag: str | None = None
    since: float | None = None
    """In unix seconds: at this time or later."""
    until: float | None = None
    """In unix seconds: before this time."""


class AuditLog(Protocol):
    """The stored entries. Every method raises StoreError if the store fails."""

    async def add(self, entries: Sequence[AuditEntry]) -> None:
        """Store entries. Those that are stored already are left out, so the call may be repeated."""

    async def page(self, where: AuditFilter, *, before: int | None, limit: int) -> tuple[StoredEntry, ...]:
        """Return entries that match, newest first, with a number below `before`, at most `limit`."""

    async def forget(self, *, before: float, keep: int) -> None:
        """
        Delete entries from before a time in unix seconds, and the oldest ones beyond `keep`.

        Failed authentications are counted apart, so that a client that causes many of them displaces no other entry.
        """

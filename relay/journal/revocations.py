"""The contract of revocations: which tokens and sign-in links are not valid any more. A part of the journal."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """What is revoked."""

    JTI = "jti"
    """One token, by its id."""
    TASK = "task"
    """The tokens of a task."""
    TAG = "tag"
    """The tokens of a tag."""
    LOGIN = "login"
    """Sign-in links."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """The tokens of one kind and one name that were issued at or before a time."""

    kind: Kind
    name: str
    """The id, the task or the tag; empty for sign-in links."""
    at: float
    """In unix seconds."""
    expires_at: float
    """When all tokens that it concerns have expired, in unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """Revocations, and where to read on."""

    revocations: tuple[Revocation, ...]
    last: int
    """The number of the newest revocation that has been read."""


class Revocations(Protocol):
    """The stored revocations. Every method raises StoreError if the store fails."""

    async def add(self, revocation: Revocation) -> None:
        """Store a revocation, durably. Of two with the same kind and name, the later times apply."""

    async def since(self, last: int) -> Revoked:
        """Return what was added or replaced after number `last`, in that order. The first number is above 0."""

    async def forget(self, *, expired_before: float) -> None:
        """Delete the revocations that expired before a time in unix seconds."""

"""
Tokens and sign-in links that are not valid any more, although they have not expired.

A token is revoked by its id, or with all others of its task or tag that were issued until then. The store has the
revocations, and each node reads new ones from it every few seconds.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from relay.errors import StoreError
from relay.journal.revocations import Kind, Revocation, Revocations

POLL_S = 2.0
"""How often new revocations are read. Other nodes, and `relay token --revoke`, take effect after this time at most."""


@dataclass(frozen=True, slots=True)
class TokenId:
    """What identifies a valid token, for its revocation."""

    subject: Kind
    """TASK or TAG."""
    name: str
    """The task or the tag."""
    jti: str | None
    issued_at: float
    """In unix seconds; 0 if the token does not say."""


class Revoked:
    """The revocations that are known to this process."""

    def __init__(self) -> None:
        self._known: dict[tuple[Kind, str], Revocation] = {}

    def add(self, revocation: Revocation) -> None:
        """Add a revocation; it replaces an earlier one of the same kind and name."""
        self._known[revocation.kind, revocation.name] = revocation

    def forget(self, expired_before: float) -> None:
        """Remove revocations that expired before a time in unix seconds: their tokens have expired, too."""
        self._known = {place: each for place, each in self._known.items() if each.expires_at >= expired_before}

    def covers(self, token: TokenId) -> bool:
        """Return whether a token is revoked."""
        if token.jti is not None and (Kind.JTI, token.jti) in self._known:
            return True
        return self._is_since(token.subject, token.name, token.issued_at)

    def covers_login(self, issued_at: float) -> bool:
        """Return whether a sign-in link that was issued at a time is revoked."""
        return self._is_since(Kind.LOGIN, "", issued_at)

    def _is_since(self, kind: Kind, name: str, issued_at: float) -> bool:
        found = self._known.get((kind, name))
        return found is not None and issued_at <= found.at


class RevocationWatch:
    """Keeps `Revoked` up to date. Use it as an async context manager, in which the revocations are known."""

    def __init__(
        self, stored: Revocations, revoked: Revoked, clock: Callable[[], float], changed: Callable[[], None]
    ) -> None:
        """
        Args:
            stored: the revocations in the store, open until this has been left.
            revoked: what to keep up to date.
            clock: returns unix seconds.
            changed: called when there are new revocations.
        """
        self._stored = stored
        self._revoked = revoked
        self._clock = clock
        self._listeners = [changed]
        self._last = 0
        self._reading = asyncio.Lock()
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.read()
        self._running = asyncio.create_task(self._run(), name="revocations")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Have `changed` called as well when there are new revocations. Return a function that ends this."""
        self._listeners.append(changed)
        return lambda: self._listeners.remove(changed)

    async def add(self, revocation: Revocation) -> None:
        """
        Store a revocation, and apply it on this node.

        Raises:
            StoreError: the store failed.
        """
        await self._stored.add(revocation)
        self._revoked.add(revocation)  # even if it cannot be read back now
        self._changed()
        with suppress(StoreError):
            await self.read()

    async def read(self) -> None:
        """
        Read and apply new revocations.

        Raises:
            StoreError: the store failed.
        """
        async with self._reading:
            new = await self._stored.since(self._last)
            self._last = new.last
            for revocation in new.revocations:
                self._revoked.add(revocation)
            self._revoked.forget(self._clock())
        if new.revocations:
            self._changed()

    def _changed(self) -> None:
        for changed in tuple(self._listeners):
            changed()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            with suppress(StoreError):  # logged by the journal
                await self.read()

"""
Codes for the sign-in links that are printed in a terminal. Each is valid once, for ten minutes.

An API key in the link would stay in the browser's history, restored sessions and synced data. A code is signed, so that
every node which shares the store accepts it, whichever a load balancer picks.
"""

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from hashlib import sha256

LIFETIME_S = 600.0


class LoginCodes:
    """Issues and redeems sign-in codes, each `EXPIRES.NONCE.SIGNATURE` with the expiry in unix seconds."""

    def __init__(
        self,
        secret: str,
        use: Callable[[str], Awaitable[bool]],
        clock: Callable[[], float],
        is_revoked: Callable[[float], bool] = lambda _issued_at: False,
    ) -> None:
        """
        Args:
            secret: signs the codes; the same on every node.
            use: notes durably that a code is used, given its digest; returns whether it was used for the first time.
            clock: returns unix seconds.
            is_revoked: returns whether codes that were issued at a time, in unix seconds, are revoked.
        """
        self._is_revoked = is_revoked
        self._key = sha256(f"login codes {secret}".encode()).digest()
        self._use = use
        self._clock = clock

    def make(self) -> str:
        """Return a new code."""
        # Rounded down, so that a revocation never takes it for a later one.
        content = f"{int(self._clock() + LIFETIME_S)}.{secrets.token_urlsafe(12)}"
        return f"{content}.{self._signature(content)}"

    async def redeem(self, code: str) -> bool:
        """
        Return whether a code is valid, and invalidate it.

        Raises:
            StoreError: the store failed.
        """
        content, _, signature = code.rpartition(".")
        if not hmac.compare_digest(signature.encode(errors="replace"), self._signature(content).encode()):
            return False
        expires_at = float(content.partition(".")[0])
        if self._clock() >= expires_at or self._is_revoked(expires_at - LIFETIME_S):
            return False
        return await self._use(sha256(content.encode()).hexdigest())

    def _signature(self, content: str) -> str:
        digest = hmac.digest(self._key, content.encode(errors="replace"), "sha256")
        return urlsafe_b64encode(digest[:18]).decode()

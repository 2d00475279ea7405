"""
Codes for the sign-in links that are printed in a terminal. Each is valid once, for ten minutes.

An API key in the link would stay in the browser's history, restored sessions and synced data.
"""

import secrets
from collections.abc import Callable
from hashlib import sha256

LIFETIME_S = 600.0


class LoginCodes:
    """Issues and redeems sign-in codes. Only their digests are kept."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """
        Args:
            clock: returns monotonic seconds.
        """
        self._clock = clock
        self._valid_until: dict[bytes, float] = {}

    def make(self) -> str:
        """Return a new code and drop expired ones."""
        code = secrets.token_urlsafe(24)
        now = self._clock()
        self._valid_until = {digest: until for digest, until in self._valid_until.items() if until > now}
        self._valid_until[_digest(code)] = now + LIFETIME_S
        return code

    def redeem(self, code: str) -> bool:
        """Return whether a code is valid, and invalidate it."""
        return self._valid_until.pop(_digest(code), 0.0) > self._clock()


def _digest(code: str) -> bytes:
    return sha256(code.encode(errors="replace")).digest()

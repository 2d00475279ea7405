"""
Codes for signing in by a link that is printed in a terminal. Each is valid once and for a short time.

The key itself in a link would stay in the history, the sessions and the sync of the browser that opens it.
"""

import secrets
from collections.abc import Callable
from hashlib import sha256

LIFETIME_S = 600.0


class LoginCodes:
    """The codes that are valid. Only their digests are kept."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """
        Args:
            clock: gives monotonic seconds.
        """
        self._clock = clock
        self._valid_until: dict[bytes, float] = {}

    def make(self) -> str:
        """Return a new code."""
        code = secrets.token_urlsafe(24)
        now = self._clock()
        self._valid_until = {digest: until for digest, until in self._valid_until.items() if until > now}
        self._valid_until[_digest(code)] = now + LIFETIME_S
        return code

    def redeem(self, code: str) -> bool:
        """Say whether a code is valid; from now on it is not."""
        return self._valid_until.pop(_digest(code), 0.0) > self._clock()


def _digest(code: str) -> bytes:
    return sha256(code.encode(errors="replace")).digest()

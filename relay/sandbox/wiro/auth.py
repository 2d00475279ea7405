"""
Authorize calls by API key and, for projects with a secret, by signature.

The signature is the lowercase hex HMAC-SHA256 of the secret followed by the nonce, with the API key as the HMAC key. It
does not cover the body.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

API_KEY = "sandbox-key-of-no-worth"
API_SECRET = "sandbox-secret-of-no-worth"  # noqa: S105  made up, and recognizable as such
PLAIN_KEY = "sandbox-plain-key-of-no-worth"
"""The key of a project without a secret. The key alone authorizes its calls."""


class NotAuthorized(Exception):
    """The call is not authorized. The text is Wiro's error message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """
    API keys with their secrets. A key without a secret authorizes calls on its own.

    Any whole number is a valid nonce, because clients use both seconds and milliseconds. `nonce_once` refuses a nonce
    that was used before.
    """

    secrets: Mapping[str, str | None] = field(repr=False)
    nonce_once: bool = False
    _nonces: set[str] = field(default_factory=set, repr=False)

    def authorize(self, headers: Mapping[str, str]) -> str:
        """
        Return the API key of the account that makes a call.

        Raises:
            NotAuthorized: the key is unknown, or the signature is missing or wrong.
        """
        key = headers.get("x-api-key", "")
        if key not in self.secrets:
            raise NotAuthorized("Project authorization is not founded.")
        secret = self.secrets[key]
        if secret is None:
            return key
        nonce, signature = headers.get("x-nonce", ""), headers.get("x-signature", "")
        if not nonce or not signature:
            raise NotAuthorized(
                "Project requires signature authentication. x-signature and x-nonce headers are required."
            )
        expected = sign(key, secret, nonce)
        matches = hmac.compare_digest(expected.encode(errors="replace"), signature.encode(errors="replace"))
        if not matches or not nonce.isdecimal() or nonce in self._nonces:
            raise NotAuthorized("Project authorization is not valid.")
        if self.nonce_once:
            self._nonces.add(nonce)
        return key


def sign(key: str, secret: str, nonce: str) -> str:
    """Return the signature of a nonce."""
    return hmac.new(key.encode(), f"{secret}{nonce}".encode(errors="replace"), hashlib.sha256).hexdigest()

"""
Who calls: keys, and for signed projects the signature, verified for real.

The signature is the lowercase hex HMAC-SHA256 with the API *key* as its key and the secret followed by the nonce as its
message. The body is not part of it.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

API_KEY = "sandbox-key-of-no-worth"
API_SECRET = "sandbox-secret-of-no-worth"  # noqa: S105  made up, and meant to look it
PLAIN_KEY = "sandbox-plain-key-of-no-worth"
"""The key of a project without a secret: it is authorized by the key alone."""


class NotAuthorized(Exception):
    """The call is refused; the text is the upstream's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """
    Key to secret; a null secret is a project that is authorised by its key alone.

    Any whole number will do for a nonce, as seconds and milliseconds are both in use. With `nonce_once` each is good
    for one call.
    """

    secrets: Mapping[str, str | None] = field(repr=False)
    nonce_once: bool = False
    _nonces: set[str] = field(default_factory=set, repr=False)

    def authorize(self, headers: Mapping[str, str]) -> str:
        """
        Return the key of the account that calls.

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
        right = hmac.compare_digest(
            sign(key, secret, nonce).encode(errors="replace"), signature.encode(errors="replace")
        )
        if not right or not nonce.isdecimal() or nonce in self._nonces:
            raise NotAuthorized("Project authorization is not valid.")
        if self.nonce_once:
            self._nonces.add(nonce)
        return key


def sign(key: str, secret: str, nonce: str) -> str:
    """Return the signature of a nonce."""
    return hmac.new(key.encode(), f"{secret}{nonce}".encode(errors="replace"), hashlib.sha256).hexdigest()

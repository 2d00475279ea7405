"""
Authenticate calls to Wiro.

A Wiro project uses either its API key alone or signed calls; the signature does not cover the body.
Source: https://wiro.ai/docs/markdown/full-documentation.md (Authentication). None of these values is ever logged.
"""

import hashlib
import hmac
import time


def sign(api_key: str, api_secret: str, nonce: str) -> str:
    """Return the signature: lowercase hex of the HMAC-SHA256 of secret and nonce, keyed with the API key."""
    return hmac.new(api_key.encode(), (api_secret + nonce).encode(), hashlib.sha256).hexdigest()


class Signer:
    """Creates the headers of each call. No two calls share a nonce, because a server may reject its reuse."""

    def __init__(self, api_key: str, api_secret: str | None) -> None:
        self._api_key = api_key
        self._api_secret = api_secret
        self._last_nonce = 0

    def headers(self) -> dict[str, str]:
        """Return the headers for one call; a repeated call needs new ones."""
        headers = {"x-api-key": self._api_key}
        if self._api_secret:
            self._last_nonce = max(int(time.time() * 1000), self._last_nonce + 1)
            nonce = str(self._last_nonce)
            headers |= {"x-nonce": nonce, "x-signature": sign(self._api_key, self._api_secret, nonce)}
        return headers

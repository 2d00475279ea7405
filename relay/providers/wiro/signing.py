"""
The headers that prove who calls.

A Wiro project takes either its key alone or signed calls; the body is not signed. Nothing here is ever logged.
"""

import hashlib
import hmac
import time


def sign(api_key: str, api_secret: str, nonce: str) -> str:
    """Return the signature: lowercase hex of HMAC-SHA256 with the API key as key over secret and nonce."""
    return hmac.new(api_key.encode(), (api_secret + nonce).encode(), hashlib.sha256).hexdigest()


class Signer:
    """Makes the headers of each call; with a secret no two calls share a nonce, for a server may refuse its reuse."""

    def __init__(self, api_key: str, api_secret: str | None) -> None:
        self._api_key = api_key
        self._api_secret = api_secret
        self._last_nonce = 0

    def headers(self) -> dict[str, str]:
        """Return the headers of one call; a call that is sent again is signed again."""
        headers = {"x-api-key": self._api_key}
        if self._api_secret:
            self._last_nonce = max(int(time.time() * 1000), self._last_nonce + 1)
            nonce = str(self._last_nonce)
            headers |= {"x-nonce": nonce, "x-signature": sign(self._api_key, self._api_secret, nonce)}
        return headers

"""
The signature of webhooks, by the Standard Webhooks specification.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Final

_PREFIX: Final = "whsec_"
_MIN_BYTES, _MAX_BYTES = 24, 64

TOLERANCE_S = 300.0
"""How far the time of an attempt may differ from the receiver's. A recorded request is useless after that."""


def read_secret(text: str) -> bytes:
    """
    Return the key that a secret such as `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw` stands for.

    Raises:
        ValueError: it is not such a secret. The message does not quote it.
    """
    expected = f"use {_PREFIX} and {_MIN_BYTES} to {_MAX_BYTES} random bytes in Base64"
    if not text.startswith(_PREFIX):
        raise ValueError(f"does not begin with {_PREFIX}; {expected}")
    encoded = text.removeprefix(_PREFIX)
    try:
        key = b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"is not valid Base64; {expected}") from None
    if not _MIN_BYTES <= len(key) <= _MAX_BYTES:
        raise ValueError(f"has {len(key)} bytes; {expected}")
    return key


def signed_headers(keys: Sequence[bytes], webhook: str, body: bytes, now: float) -> Mapping[str, str]:
    """
    Return the headers of a webhook.

    Args:
        keys: every one of them signs.
        webhook: the id, which must not contain a full stop.
        body: what is sent.
        now: the time of this attempt in unix seconds.
    """
    content = b"%b.%d.%b" % (webhook.encode(), int(now), body)
    signatures = (f"v1,{b64encode(hmac.digest(key, content, 'sha256')).decode()}" for key in keys)
    return {
        "webhook-id": webhook,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": " ".join(signatures),
    }


def find_problem(keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: float) -> str | None:
    """
    Return what is wrong with the signature of a received webhook, or None.

    Args:
        keys: one of them must have signed it.
        headers: with names in lower case.
        body: as it was received.
        now: unix seconds.
    """
    given = [headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")]
    webhook, timestamp, signatures = given
    if not all(given):
        return "the headers webhook-id, webhook-timestamp and webhook-signature are required"
    if not (timestamp.isascii() and timestamp.isdigit()) or abs(int(timestamp) - now) > TOLERANCE_S:
        return f"webhook-timestamp differs from this machine's time by more than {TOLERANCE_S:.0f} s"
    expected = signed_headers(keys, webhook, body, float(timestamp))["webhook-signature"].encode().split()
    # All are compared, each in constant time.
    matches = [hmac.compare_digest(one, other) for one in expected for other in signatures.encode().split()]
    return None if any(matches) else "the signature does not match"

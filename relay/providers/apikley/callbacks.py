"""
Verify the signature of Apikley's callbacks.

The signature covers the ID of the job and a timestamp, not the body. A valid one therefore proves which job the
callback is about, and nothing else in it. Source: https://docs.kie.ai/common-api/webhook-verification.
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from typing import Final

from relay.errors import Code, RequestError
from relay.providers.lenient_json import load, mapping, text

WINDOW_S: Final = 300.0
"""The maximum difference between the timestamp and the local clock. It limits replays of a recorded callback."""


def sign(job: str, timestamp: str, secret: str) -> str:
    """Return the signature: base64 of the HMAC-SHA256 of `job.timestamp`, keyed with the account's webhook secret."""
    return b64encode(hmac.digest(secret.encode(), f"{job}.{timestamp}".encode(), "sha256")).decode()


def verified_job(headers: Mapping[str, str], body: bytes, *, secret: str, now: float) -> str:
    """
    Return the ID of the job that a callback is about.

    Args:
        headers: the headers of the request; their names are case-insensitive.
        body: the raw body.
        secret: the account's webhook secret.
        now: the current time in unix seconds.

    Raises:
        RequestError: the signature is missing or invalid, or its timestamp is outside the window.
    """
    given = {name.lower(): value for name, value in headers.items()}
    timestamp, signature = given.get("x-webhook-timestamp", ""), given.get("x-webhook-signature", "")
    if not timestamp or not signature:
        raise RequestError(Code.FORBIDDEN, "The callback is not signed.")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        raise RequestError(Code.FORBIDDEN, "The timestamp of the callback is malformed.")
    if abs(now - int(timestamp)) > WINDOW_S:
        raise RequestError(
            Code.FORBIDDEN,
            f"The timestamp of the callback is more than {WINDOW_S:g} s off from the server's clock.",
        )
    for job in _jobs(body):
        expected = sign(job, timestamp, secret)
        if hmac.compare_digest(expected.encode(), signature.strip().encode(errors="replace")):
            return job
    raise RequestError(Code.FORBIDDEN, "The signature of the callback is invalid: check APIKLEY_WEBHOOK_SECRET.")


def _jobs(body: bytes) -> list[str]:
    """Return the possible IDs in a body: callbacks have `taskId`, but the documented sample signs `task_id`."""
    try:
        data = mapping(mapping(load(body)).get("data"))
    except ValueError:
        return []
    return [job for name in ("taskId", "task_id") if (job := text(data.get(name)))]

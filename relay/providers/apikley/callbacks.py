"""
Apikley's callback: who sent it, and which job it is about.

The signature covers the job's id and a time, not the body, so a callback with a good one proves which job it is about
and nothing else of what it says.
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from typing import Final

from relay.errors import Code, RequestError
from relay.providers.lenient_json import load, mapping, text

WINDOW_S: Final = 300.0
"""How far the time of a callback may be off from ours: what is older may have been recorded and sent again."""


def sign(job: str, timestamp: str, secret: str) -> str:
    """Return the signature: base64 of HMAC-SHA256 over job and time, with the account's webhook secret as key."""
    return b64encode(hmac.digest(secret.encode(), f"{job}.{timestamp}".encode(), "sha256")).decode()


def proven_job(headers: Mapping[str, str], body: bytes, *, secret: str, now: float) -> str:
    """
    Return the job that a callback is about.

    Args:
        headers: looked into without regard to case.
        body: as it came.
        secret: the account's webhook secret.
        now: unix seconds.

    Raises:
        RequestError: it is not signed, not with this secret, or not now.
    """
    given = {name.lower(): value for name, value in headers.items()}
    timestamp, signature = given.get("x-webhook-timestamp", ""), given.get("x-webhook-signature", "")
    if not timestamp or not signature:
        raise RequestError(Code.FORBIDDEN, "The callback is not signed.")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        raise RequestError(Code.FORBIDDEN, "The callback's time makes no sense.")
    if abs(now - int(timestamp)) > WINDOW_S:
        raise RequestError(Code.FORBIDDEN, "The callback is too old, or one of the two clocks is wrong.")
    for job in _jobs(body):
        right = sign(job, timestamp, secret)
        if hmac.compare_digest(right.encode(), signature.strip().encode(errors="replace")):
            return job
    raise RequestError(Code.FORBIDDEN, "The callback's signature is wrong: check APIKLEY_WEBHOOK_SECRET.")


def _jobs(body: bytes) -> list[str]:
    """Return the ids that the body names: callbacks carry `taskId`, the documents' sample signs `task_id`."""
    try:
        data = mapping(mapping(load(body)).get("data"))
    except ValueError:
        return []
    return [job for name in ("taskId", "task_id") if (job := text(data.get(name)))]

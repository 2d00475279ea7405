"""The key of the simulated Apikley's only account, and the secret that signs its callbacks."""

import base64
import hashlib
import hmac
from typing import Final

from aiohttp import web

API_KEY: Final = "sandbox-apikley-key-of-no-worth"
WEBHOOK_SECRET: Final = "sandbox-apikley-webhook-secret-of-no-worth"  # noqa: S105  made up, and recognizable as such


def authorized(request: web.Request) -> bool:
    """Return whether a call has the account's key."""
    given = request.headers.get("Authorization", "")
    return hmac.compare_digest(given.encode(errors="replace"), f"Bearer {API_KEY}".encode())


def signature_headers(secret: str, job_id: str, at: int) -> dict[str, str]:
    """
    Return the headers that sign the callback of a job at a Unix time.

    The signature is the base64 HMAC-SHA256 of the job's id, a dot and the time. It does not cover the body.
    """
    digest = hmac.new(secret.encode(), f"{job_id}.{at}".encode(), hashlib.sha256).digest()
    return {"X-Webhook-Timestamp": str(at), "X-Webhook-Signature": base64.b64encode(digest).decode()}

"""Webhooks at their receiver: what the relay's own signature and the official library's make, and what is refused."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from standardwebhooks import Webhook

from relay.client import InvalidSignature, verify_webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDb2xkLW5ldy1rZXk"
SNAPSHOT = orjson.loads((Path(__file__).parents[1] / "vectors" / "canceled.json").read_bytes())["snapshot"]
BODY = orjson.dumps({"type": "task.done", "timestamp": "2026-11-21T20:29:56.278000Z", "data": SNAPSHOT})


def headers(body: bytes = BODY, *, ago_s: float = 0.0, secret: str = SECRET) -> dict[str, str]:
    at = time.time() - ago_s
    signature = Webhook(secret).sign("msg_1", datetime.fromtimestamp(at, UTC), body.decode())
    return {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(int(at)), "Webhook-Signature": signature}


def test_a_webhook_says_what_happened() -> None:
    """The secret that is being replaced counts too."""
    webhook = verify_webhook([OTHER, SECRET], headers(), BODY)
    assert (webhook.id, webhook.type, webhook.data.state) == ("msg_1", "task.done", "canceled")
    assert verify_webhook(SECRET, {name.lower(): value for name, value in headers().items()}, BODY) == webhook


@pytest.mark.parametrize(
    ("given", "body", "problem"),
    [
        (lambda: headers(secret=OTHER), BODY, "does not match"),
        (headers, BODY + b" ", "does not match"),
        (lambda: headers() | {"Webhook-Id": "msg_2"}, BODY, "does not match"),
        (lambda: headers(ago_s=600), BODY, "more than 300 s"),
        (lambda: headers(ago_s=-600), BODY, "more than 300 s"),
        (lambda: headers() | {"Webhook-Timestamp": "now"}, BODY, "more than 300 s"),
        (dict, BODY, "are required"),
    ],
)
def test_everything_else_is_refused(given: Callable[[], dict[str, str]], body: bytes, problem: str) -> None:
    """With what is wrong."""
    with pytest.raises(InvalidSignature, match=problem):
        verify_webhook(SECRET, given(), body)

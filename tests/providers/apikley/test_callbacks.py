"""Tests for callbacks: which of them prove that Apikley sent them."""

import orjson
import pytest

from relay.core.upstream import UpstreamTask
from relay.errors import Code, RequestError
from relay.providers.apikley.callbacks import WINDOW_S, sign, verified_job
from relay.providers.apikley.provider import ApikleyProvider

SECRET, JOB, NOW = "webhook-secret", "task_bytedance_1", 1_765_176_560.0
STAMP = str(int(NOW))
BODY = orjson.dumps({"code": 200, "data": {"taskId": JOB, "state": "success"}})


def headers(job: str = JOB, stamp: str = STAMP, secret: str = SECRET) -> dict[str, str]:
    return {"X-Webhook-Timestamp": stamp, "X-Webhook-Signature": sign(job, stamp, secret)}


def test_the_signature_matches_the_documentation() -> None:
    """Base64 of the HMAC-SHA256 of ID, dot and time, computed with openssl."""
    assert sign("task_1", "1700000000", "secret") == "ZldUdpiTNjv8C3iG+Nsqf+/7MoUG8WN6i3/xqFapcCM="


@pytest.mark.parametrize("name", ["taskId", "task_id"])
def test_a_valid_signature_proves_the_job(name: str) -> None:
    """With either name of the ID, and headers in any case."""
    body = orjson.dumps({"data": {name: JOB}})
    assert verified_job(headers(), body, secret=SECRET, now=NOW) == JOB
    lower = {key.lower(): value for key, value in headers().items()}
    assert verified_job(lower, body, secret=SECRET, now=NOW + WINDOW_S) == JOB


@pytest.mark.parametrize(
    ("given", "body", "now"),
    [
        ({}, BODY, NOW),
        (headers(secret="other"), BODY, NOW),
        (headers(job="other"), BODY, NOW),
        (headers(), BODY, NOW + WINDOW_S + 1),
        (headers(), BODY, NOW - WINDOW_S - 1),
        (headers(stamp="soon"), BODY, NOW),
        (headers(stamp="9" * 400), BODY, NOW),
        (headers(stamp="١٢٣"), BODY, NOW),
        (headers() | {"X-Webhook-Signature": "\udcff"}, BODY, NOW),
        (headers(job=""), b'{"data":{"taskId":""}}', NOW),
        (headers(), b"{broken", NOW),
        (headers(), b"[]", NOW),
        (headers(), b"", NOW),
    ],
)
def test_anything_else_is_forbidden(given: dict[str, str], body: bytes, now: float) -> None:
    """Unsigned, with another key, about another job, too old, too early, or malformed."""
    with pytest.raises(RequestError) as caught:
        verified_job(given, body, secret=SECRET, now=now)

    assert caught.value.code is Code.FORBIDDEN
    assert SECRET not in caught.value.detail


async def test_without_a_secret_a_callback_is_accepted_as_a_hint() -> None:
    """With a secret, it identifies the job."""
    provider = ApikleyProvider(api_key="k", api_url="http://127.0.0.1:1")
    signed = ApikleyProvider(api_key="k", api_url="http://127.0.0.1:1", webhook_secret=SECRET, clock=lambda: NOW)

    assert provider.verify_callback({}, b"whatever") is None
    assert signed.verify_callback(headers(), BODY) == UpstreamTask(upstream_id=JOB, socket_token=None)

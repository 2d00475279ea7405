"""The signature of webhooks, verified by the official library."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from relay.net.webhook_signature import read_secret, signed_headers

SECRETS = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDb2xkLW5ldy1rZXk")


def verify(secret: str, body: bytes, headers: dict[str, str]) -> None:
    Webhook(secret).verify(body, headers, json_parse=False)


@given(st.text().map(str.encode), st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True))
def test_every_receiver_that_knows_one_of_the_secrets_can_verify(body: bytes, webhook: str) -> None:
    """And none that knows another one, or received something else."""
    headers = dict(signed_headers([read_secret(secret) for secret in SECRETS], webhook, body, time.time()))
    for secret in SECRETS:
        verify(secret, body, headers)
    with pytest.raises(WebhookVerificationError):
        verify("whsec_" + "A" * 32, body, headers)
    with pytest.raises(WebhookVerificationError):
        verify(SECRETS[0], body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        verify(SECRETS[0], body, headers | {"webhook-id": "other"})


def test_an_old_webhook_is_refused() -> None:
    """The time of the attempt is signed, too."""
    headers = dict(signed_headers([read_secret(SECRETS[0])], "msg_1", b"{}", time.time() - 600))
    with pytest.raises(WebhookVerificationError, match="too old"):
        verify(SECRETS[0], b"{}", headers)
    headers["webhook-timestamp"] = str(int(time.time()))
    with pytest.raises(WebhookVerificationError, match="No matching"):
        verify(SECRETS[0], b"{}", headers)


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "does not begin with whsec_"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!w", "is not valid Base64"),
        ("whsec_c2hvcnQ=", "has 5 bytes; use whsec_"),
        ("whsec_" + "A" * 100, "has 75 bytes"),
    ],
)
def test_a_secret_that_no_receiver_accepts_is_refused(secret: str, reason: str) -> None:
    """The message does not quote it."""
    with pytest.raises(ValueError, match=reason) as caught:
        read_secret(secret)
    assert secret[6:] not in str(caught.value)

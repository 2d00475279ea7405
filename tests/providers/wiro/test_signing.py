"""Tests for signing: a fixed vector, and nonces that are never reused."""

from relay.providers.wiro.signing import Signer, sign


def test_a_signature_is_what_openssl_computes() -> None:
    """SECRET=s3cr3t NONCE=1734513807 KEY=k3y; `echo -n "$SECRET$NONCE" | openssl dgst -sha256 -hmac "$KEY"`."""
    signature = sign("k3y", "s3cr3t", "1734513807")

    assert signature == "6ead19a5455d0d5c955b7a7155398e388d9431f3933271d434f724fbd8bbf8e3"


def test_a_project_without_a_secret_sends_its_key_alone() -> None:
    """A null or empty secret means that there is none."""
    assert Signer("k3y", None).headers() == {"x-api-key": "k3y"}
    assert Signer("k3y", "").headers() == {"x-api-key": "k3y"}


def test_every_call_is_signed_with_a_nonce_of_its_own() -> None:
    """Calls within one millisecond get increasing nonces, each with a matching signature."""
    signer = Signer("k3y", "s3cr3t")

    calls = [signer.headers() for _ in range(50)]

    nonces = [int(call["x-nonce"]) for call in calls]
    assert nonces == sorted(set(nonces))
    assert all(call["x-signature"] == sign("k3y", "s3cr3t", call["x-nonce"]) for call in calls)

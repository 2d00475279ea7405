"""Authorization by key and by signature."""

import aiohttp
import pytest

from relay.sandbox import API_KEY, API_SECRET, Sandbox
from relay.sandbox.wiro.auth import sign
from tests.sandbox.calls import post, refusal


def test_the_signature_matches_openssl() -> None:
    """printf '%s' "${SECRET}${NONCE}" | openssl dgst -sha256 -hmac "${KEY}" printed this value."""
    expected = "ace59a547fca7df5259ca242fc7d9ebaa400f3562aad6528c29500f199480d45"

    assert sign("sandbox-key-of-no-worth", "sandbox-secret-of-no-worth", "1734513807") == expected


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"x-api-key": "nobody"}, "Project authorization is not founded."),
        (
            {"x-api-key": API_KEY},
            "Project requires signature authentication. x-signature and x-nonce headers are required.",
        ),
        (
            {"x-api-key": API_KEY, "x-nonce": "1", "x-signature": sign(API_KEY, API_SECRET, "2")},
            "Project authorization is not valid.",
        ),
        (
            {"x-api-key": API_KEY, "x-nonce": "1", "x-signature": sign(API_SECRET, API_KEY, "1")},
            "Project authorization is not valid.",
        ),
    ],
)
async def test_an_unauthorized_call_is_refused_with_401(
    sandbox: Sandbox, http: aiohttp.ClientSession, headers: dict[str, str], message: str
) -> None:
    """Each failure has its documented message."""
    async with http.post(f"{sandbox.api_url}/Tool/List", json={}, headers=headers) as response:
        assert response.status == 401
        assert refusal(await response.json()) == (0, message)


async def test_a_signed_call_is_accepted(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The key is the HMAC key, and the secret is part of the message."""
    response = await post(
        http,
        f"{sandbox.api_url}/Tool/List",
        {},
        **{"x-api-key": API_KEY, "x-nonce": "17", "x-signature": sign(API_KEY, API_SECRET, "17")},
    )

    assert response["result"] is True
    assert response["total"] == "6"


async def test_a_nonce_can_be_valid_for_one_call_only() -> None:
    """With `nonce_once` a second call with the same nonce is refused."""
    headers = {"x-api-key": API_KEY, "x-nonce": "17", "x-signature": sign(API_KEY, API_SECRET, "17")}
    async with Sandbox(nonce_once=True) as sandbox, aiohttp.ClientSession(headers=headers) as http:
        assert (await post(http, f"{sandbox.api_url}/Tool/List", {}))["result"] is True
        assert refusal(await post(http, f"{sandbox.api_url}/Tool/List", {}))[0] == 0


async def test_a_project_without_a_secret_needs_only_its_key(http: aiohttp.ClientSession) -> None:
    """By default there is one project of each kind."""
    async with Sandbox() as sandbox:
        assert (await post(http, f"{sandbox.api_url}/Tool/List", {}))["result"] is True
        assert sandbox.api_key != http.headers["x-api-key"]

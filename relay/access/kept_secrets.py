"""Secrets that the settings need not have: the store keeps those that were generated, for all relays that share it."""

import secrets

from relay.config import Config
from relay.config.api_keys import ApiKey
from relay.journal.base import Journal


async def token_secret(config: Config, journal: Journal) -> str:
    """Return the secret that signs tokens: the configured one, else one that is generated once and stored."""
    if config.token_secret is not None:
        return config.token_secret.get_secret_value()
    return await journal.keep_secret("token_secret", secrets.token_urlsafe(32))


async def api_keys(config: Config, journal: Journal) -> tuple[ApiKey, ...]:
    """Return the API keys: the configured ones, else one that is generated once and stored."""
    return config.keys or (ApiKey(key=await journal.keep_secret("api_key", f"rk_{secrets.token_urlsafe(24)}")),)


async def use_code(journal: Journal, digest: str) -> bool:
    """Note that a sign-in code is used; return whether it was used for the first time, on any node."""
    use = secrets.token_urlsafe(8)
    return await journal.keep_secret(f"login_code:{digest}", use) == use

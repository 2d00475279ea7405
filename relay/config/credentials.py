"""Settings that control access to the relay: API keys and viewer tokens."""

from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from relay.config.api_keys import ApiKey, parse_api_key
from relay.config.base import Group, comma_separated, none_if_empty
from relay.config.units import WholeSeconds

_MIN_SECRET_BYTES = 32
"""Minimum length of the key of HS256: https://datatracker.ietf.org/doc/html/rfc7518#section-3.2."""


def fits_a_header(key: SecretStr | None) -> SecretStr | None:
    """
    Return a key that can be sent in an HTTP header.

    Raises:
        ValueError: the key contains characters other than visible ASCII.
    """
    if key is not None and not (key.get_secret_value().isascii() and key.get_secret_value().isprintable()):
        raise ValueError("contains characters that no HTTP header can carry; use visible ASCII characters")
    return key


class Credentials(Group):
    """Keys and tokens."""

    api_keys: tuple[SecretStr, ...] = Field(
        (),
        alias="RELAY_API_KEYS",
        description="Comma-separated API keys of at least 24 characters each, as `KEY`, `NAME=KEY`, `NAME=KEY:ROLE` or "
        "`NAME=KEY:ROLE:TAG`. A name is 1 to 32 of `a-z`, `0-9`, `_` and `-`; a role is `admin` (the default), `start` "
        "or `read`; a key with a tag starts and sees tasks of this tag only. Unset: on a loopback address the relay "
        "generates a key, keeps it in the store and prints it; on any other address `relay serve` refuses to start.",
    )
    token_secret: Annotated[SecretStr | None, BeforeValidator(none_if_empty)] = Field(
        None,
        alias="RELAY_TOKEN_SECRET",
        description="Secret of at least 32 characters that signs viewer tokens (HS256). Set it if other backends mint "
        "tokens. Unset: the relay generates a secret and keeps it in the store.",
    )
    token_ttl_s: WholeSeconds = Field(
        86_400,
        alias="RELAY_TOKEN_TTL",
        ge=1,
        le=365 * 86_400,
        description="Lifetime of a viewer token that the relay mints; at most `365d`.",
    )

    _split_keys = field_validator("api_keys", mode="before")(comma_separated)

    @field_validator("api_keys")
    @classmethod
    def _check_keys(cls, entries: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        seen: dict[str, ApiKey] = {}
        for entry in entries:
            fits_a_header(entry)
            parsed = parse_api_key(entry.get_secret_value())
            if seen.setdefault(parsed.key, parsed) != parsed:
                raise ValueError(f"one key is listed as {seen[parsed.key]} and as {parsed}; list it once")
        return entries

    @property
    def keys(self) -> tuple[ApiKey, ...]:
        """The API keys with their names and roles."""
        return tuple(parse_api_key(entry.get_secret_value()) for entry in self.api_keys)

    @field_validator("token_secret")
    @classmethod
    def _strong_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value().encode()) < _MIN_SECRET_BYTES:
            raise ValueError(f"HS256 needs at least {_MIN_SECRET_BYTES} characters")
        return secret

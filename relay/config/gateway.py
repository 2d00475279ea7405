"""Settings of the gateway for existing Wiro clients."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from relay.config.base import Group, comma_separated, none_if_empty

_NAMED_SECRET = re.compile(r"[a-z0-9_-]{1,32}=.{16,}", re.DOTALL)


class Gateway(Group):
    """Gateway."""

    gateway: Annotated[Literal["wiro"] | None, BeforeValidator(none_if_empty)] = Field(
        None,
        alias="RELAY_GATEWAY",
        description="`wiro`: serve Wiro's own REST calls and task socket under `/wiro/v1`, for existing Wiro clients. "
        "Requires `WIRO_API_KEY`. Unset: off.",
    )
    gateway_secrets: tuple[SecretStr, ...] = Field(
        (),
        alias="RELAY_GATEWAY_SECRETS",
        description="Comma-separated `NAME=SECRET`, where `NAME` is the name of an API key in `RELAY_API_KEYS` and "
        "`SECRET` has at least 16 characters. Gateway clients with this key must sign their calls with the secret, as "
        "for Wiro.",
    )

    _split = field_validator("gateway_secrets", mode="before")(comma_separated)

    @field_validator("gateway_secrets")
    @classmethod
    def _named(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(_NAMED_SECRET.fullmatch(secret.get_secret_value()) for secret in secrets):
            raise ValueError(
                "each entry must be NAME=SECRET: the name of an API key, and a secret of at least 16 characters"
            )
        return secrets

    @property
    def gateway_keys(self) -> Mapping[str, str]:
        """Return the secrets by the names of their API keys."""
        named = (secret.get_secret_value().partition("=") for secret in self.gateway_secrets)
        return {name: secret for name, _, secret in named}

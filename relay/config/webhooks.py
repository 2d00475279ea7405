"""Settings of webhooks: who receives them, and the secrets that sign them."""

from pydantic import Field, SecretStr, field_validator

from relay.config.base import Group, comma_separated
from relay.net.receiver_url import checked_receiver, normalized_host
from relay.net.webhook_signature import read_secret


class Webhooks(Group):
    """Webhooks."""

    webhook_urls: tuple[str, ...] = Field(
        (),
        alias="RELAY_WEBHOOK_URL",
        repr=False,
        description="Comma-separated URLs that receive webhooks about all tasks. They may be in a private network.",
    )
    webhook_hosts: tuple[str, ...] = Field(
        (),
        alias="RELAY_WEBHOOK_HOSTS",
        description="Comma-separated hosts of your own that a start request may name to receive webhooks about its "
        "task, such as `hooks.example.com`, `*.example.com` or `hooks.example.com:8443`. Over HTTPS only, and never in "
        "a private network. Unset: start requests cannot name any.",
    )
    webhook_secrets: tuple[SecretStr, ...] = Field(
        (),
        alias="RELAY_WEBHOOK_SECRET",
        description="Comma-separated secrets that sign webhooks, each `whsec_` and 24 to 64 bytes in Base64. Every "
        "webhook is signed with all of them, so that receivers can change from one to the next.",
    )

    _split = field_validator("webhook_urls", "webhook_hosts", "webhook_secrets", mode="before")(comma_separated)

    @field_validator("webhook_urls")
    @classmethod
    def _receivers(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(checked_receiver(url) for url in urls))

    @field_validator("webhook_hosts")
    @classmethod
    def _hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(normalized_host(host) for host in hosts))

    @field_validator("webhook_secrets")
    @classmethod
    def _usable(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in secrets:
            read_secret(secret.get_secret_value())
        return secrets

    @property
    def webhook_keys(self) -> tuple[bytes, ...]:
        """Return the keys that sign webhooks."""
        return tuple(read_secret(secret.get_secret_value()) for secret in self.webhook_secrets)

"""All settings in one value, and the rules that concern more than one of them."""

from typing import Self

from pydantic import model_validator

from relay.config.api_keys import MIN_KEY_CHARS
from relay.config.archive import Archive
from relay.config.credentials import Credentials
from relay.config.gateway import Gateway
from relay.config.limits import Limits
from relay.config.pages import Pages
from relay.config.platforms import Platforms
from relay.config.server import Server
from relay.config.spending import Spending
from relay.config.storage import Storage
from relay.config.tasks import Tasks
from relay.config.webhooks import Webhooks


class Config(Limits, Spending, Archive, Storage, Webhooks, Gateway, Tasks, Platforms, Pages, Credentials, Server):
    """
    The settings of a relay, frozen. Durations are in seconds, sizes in bytes.

    Fields are in the order of the groups from last to first: pydantic collects the fields of the last base first.
    """

    @model_validator(mode="after")
    def _keys_on_open_addresses(self) -> Self:
        if not self.api_keys and not self.loopback:
            raise ValueError(
                f"RELAY_HOST={self.host} is reachable from other machines, so RELAY_API_KEYS must be set "
                f"({MIN_KEY_CHARS} characters or more each)"
            )
        return self

    @model_validator(mode="after")
    def _bucket_behind_cdn(self) -> Self:
        if self.archive_url is not None and (self.archive is None or self.archive.startswith("file:")):
            raise ValueError(
                "RELAY_ARCHIVE_URL is the URL of a CDN in front of a bucket: set RELAY_ARCHIVE to a bucket"
            )
        return self

    @model_validator(mode="after")
    def _budgets_have_keys(self) -> Self:
        if unknown := sorted(self.budgets.by_key.keys() - {key.name for key in self.keys}):
            raise ValueError(
                f"RELAY_SPEND_LIMIT_KEYS names {', '.join(unknown)}, but RELAY_API_KEYS has no key with this name"
            )
        return self

    @model_validator(mode="after")
    def _webhooks_are_signed(self) -> Self:
        if (self.webhook_urls or self.webhook_hosts) and not self.webhook_secrets:
            raise ValueError("RELAY_WEBHOOK_SECRET must be set, because RELAY_WEBHOOK_URL or RELAY_WEBHOOK_HOSTS is")
        return self

    @model_validator(mode="after")
    def _gateway_has_wiro(self) -> Self:
        if self.gateway == "wiro" and self.wiro_api_key is None:
            raise ValueError("RELAY_GATEWAY=wiro passes calls on to Wiro, so WIRO_API_KEY must be set")
        return self


GROUPS = (Server, Credentials, Pages, Platforms, Tasks, Gateway, Webhooks, Storage, Archive, Spending, Limits)
"""The groups in the order of docs/configuration.md."""

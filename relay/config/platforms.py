"""Settings of the platforms: credentials, URLs, the egress proxy."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator

from relay.config.base import Group, comma_separated, none_if_empty
from relay.config.credentials import fits_a_header
from relay.config.units import Seconds
from relay.net.address import checked_rest, checked_socket
from relay.net.proxy import Proxies, Proxy, read_proxy

ApiKey = Annotated[SecretStr | None, BeforeValidator(none_if_empty), AfterValidator(fits_a_header)]
Secret = Annotated[SecretStr | None, BeforeValidator(none_if_empty)]
ProxyUrl = Annotated[Proxy | None, BeforeValidator(read_proxy)]


class Platforms(Group):
    """Platforms."""

    wiro_api_key: ApiKey = Field(None, alias="WIRO_API_KEY", description="API key of your Wiro project.")
    wiro_api_secret: Secret = Field(
        None,
        alias="WIRO_API_SECRET",
        description="API secret of your Wiro project. With it, every call is signed; without it, calls carry only the "
        "key.",
    )
    wiro_api_url: Annotated[str, AfterValidator(checked_rest)] = Field(
        "https://api.wiro.ai/v1", alias="WIRO_API_URL", description="Base URL of Wiro's REST API."
    )
    wiro_socket_url: Annotated[str, AfterValidator(checked_socket)] = Field(
        "wss://socket.wiro.ai/v1", alias="WIRO_SOCKET_URL", description="Base URL of Wiro's WebSocket."
    )
    apikley_api_key: ApiKey = Field(None, alias="APIKLEY_API_KEY", description="API key of your Apikley account.")
    apikley_api_url: Annotated[str, AfterValidator(checked_rest)] = Field(
        "https://api.apikley.ru", alias="APIKLEY_API_URL", description="Base URL of Apikley's API."
    )
    apikley_webhook_secret: Secret = Field(
        None,
        alias="APIKLEY_WEBHOOK_SECRET",
        description="Secret that Apikley signs callbacks with. If set, callbacks without a valid signature are "
        "rejected.",
    )
    request_timeout_s: Seconds = Field(
        30.0, alias="RELAY_REQUEST_TIMEOUT", gt=0, description="Timeout of one call to a platform."
    )
    http_proxy: ProxyUrl = Field(
        None, alias="HTTP_PROXY", description="Egress proxy for platforms with an `http:` or `ws:` URL."
    )
    https_proxy: ProxyUrl = Field(
        None, alias="HTTPS_PROXY", description="Egress proxy for platforms with an `https:` or `wss:` URL."
    )
    no_proxy: tuple[str, ...] = Field(
        (),
        alias="NO_PROXY",
        description="Comma-separated hosts, domains, addresses or networks to reach without the egress proxy; `*` for "
        "all.",
    )

    _split_hosts = field_validator("no_proxy", mode="before")(comma_separated)

    @property
    def proxies(self) -> Proxies:
        """Return the egress proxies."""
        return Proxies(http=self.http_proxy, https=self.https_proxy, direct=self.no_proxy)

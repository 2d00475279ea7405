"""Settings of the server: where it listens, how clients reach it, what it logs, how it shuts down."""

import socket
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, AnyHttpUrl, BeforeValidator, Field, field_validator

from relay.config.base import Group, comma_separated, none_if_empty
from relay.config.units import Seconds
from relay.net.address import checked_host, checked_public


def _network(value: object) -> object:
    """Parse an address or a network. Bits beyond the prefix, as in `10.0.0.7/8`, are ignored."""
    return ip_network(value, strict=False) if isinstance(value, str) else value


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]


class Server(Group):
    """Server."""

    host: Annotated[str, AfterValidator(checked_host)] = Field(
        "127.0.0.1", alias="RELAY_HOST", description="Address to listen on."
    )
    port: int = Field(8080, alias="RELAY_PORT", ge=0, le=65535, description="Port to listen on. `0` picks a free port.")
    metrics_port: int | None = Field(
        None,
        alias="RELAY_METRICS_PORT",
        ge=1,
        le=65535,
        description="Port on which `GET /metrics` needs no API key, at the address `RELAY_HOST`. Do not publish it.",
    )
    public_url: Annotated[AnyHttpUrl | None, BeforeValidator(none_if_empty), AfterValidator(checked_public)] = Field(
        None,
        alias="RELAY_PUBLIC_URL",
        description="URL under which clients reach the relay, optionally with a path. With it, links are absolute and "
        "platforms send callbacks.",
    )
    trusted_proxies: tuple[Network, ...] = Field(
        (),
        alias="RELAY_TRUSTED_PROXIES",
        description="Comma-separated addresses or networks of reverse proxies whose `X-Forwarded-For` is trusted. "
        "The log and `RELAY_ADDRESS_LIMIT` then use the client address instead of the address of the proxy.",
    )
    log_format: Literal["console", "json"] | None = Field(
        None,
        alias="RELAY_LOG_FORMAT",
        description="`console` or `json`. Unset: `console` on a terminal, otherwise `json`.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", alias="RELAY_LOG_LEVEL", description="`debug`, `info`, `warning` or `error`."
    )
    traces_url: Annotated[AnyHttpUrl | None, BeforeValidator(none_if_empty)] = Field(
        None,
        alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="URL of an OpenTelemetry collector, such as `http://127.0.0.1:4318`. The relay sends it a trace of "
        "each task over HTTP. Requires the extra `otel`. Unset: no traces.",
    )
    node: str | None = Field(
        None,
        alias="RELAY_NODE",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="Name of this process among those that share a store: letters, digits, `.`, `_` and `-`. It must "
        "be unique. Unset: the host name.",
    )
    shutdown_delay_s: Seconds = Field(
        0.0,
        alias="RELAY_SHUTDOWN_DELAY",
        ge=0,
        description="How long the relay continues to serve all requests after SIGTERM while `/readyz` returns 503. Set "
        "it to the time that your load balancer needs to notice that, such as `5s` in Kubernetes.",
    )
    drain_s: Seconds = Field(
        20.0, alias="RELAY_DRAIN", ge=0, description="Maximum duration of a graceful shutdown, after the delay."
    )

    @property
    def node_name(self) -> str:
        """Return the name of this process among those that share the store."""
        return self.node or socket.gethostname()

    _split_proxies = field_validator("trusted_proxies", mode="before")(comma_separated)

    @property
    def loopback(self) -> bool:
        """Return whether only this machine can reach the relay."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

"""
The settings: the only reader of the environment. Everything else is handed what it needs.

Names and meanings are api.md section 2 for operators: the README has them in one table, and a test holds the two
together. Secrets are in no repr.
"""

import os
import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from relay.environment import variables
from relay.errors import ConfigError
from relay.net.address import checked_host, checked_public, checked_rest, checked_socket
from relay.net.origin import normalized_origin, normalized_sources
from relay.net.proxy import Proxies, Proxy, read_proxy

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""What a byte of the environment that is no UTF-8 is read as."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
"""A line end or another control character: no value has one, and in a header it would end the line."""

MIN_KEY_CHARS = 24
"""A management key or token secret shorter than this can be guessed."""


class Config(BaseModel):
    """What the operator decided. Durations are seconds, sizes bytes."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, hide_input_in_errors=True, allow_inf_nan=False)

    host: Annotated[str, AfterValidator(checked_host)] = Field(
        "127.0.0.1", alias="RELAY_HOST", description="the address it listens on"
    )
    port: int = Field(8080, alias="RELAY_PORT", ge=0, le=65535, description="the port it listens on; 0: a free one")
    api_keys: tuple[SecretStr, ...] = Field(
        (),
        alias="RELAY_API_KEYS",
        description="comma-separated keys for the management API, 24 characters or more each. With none, one is made "
        "once on a loopback address, kept in the store and printed; on any other address `serve` refuses to start",
    )
    token_secret: SecretStr | None = Field(
        None,
        alias="RELAY_TOKEN_SECRET",
        description="signs viewer tokens (HS256), 32 characters or more; set it so that other backends can mint them. "
        "Without it one is made once and kept in the store",
    )
    token_ttl_s: int = Field(
        86_400,
        alias="RELAY_TOKEN_TTL",
        ge=1,
        le=365 * 86_400,
        description="seconds that a minted token lives; a year at most",
    )
    store: str = Field("sqlite:///relay.db", alias="RELAY_STORE", description="`sqlite:///PATH`, or `memory:`")
    public_url: Annotated[AnyHttpUrl | None, AfterValidator(checked_public)] = Field(
        None,
        alias="RELAY_PUBLIC_URL",
        description="the address that the outside sees, perhaps with a path; makes links absolute",
    )
    allowed_origins: tuple[str, ...] = Field(
        (),
        alias="RELAY_ALLOWED_ORIGINS",
        description="comma-separated origins whose pages may use the API, such as `https://shop.example.com`, or "
        "`https://*.example.com` for all subdomains; with none, only pages of the same origin",
    )
    frame_ancestors: str = Field("'self'", alias="RELAY_FRAME_ANCESTORS", description="who may embed `/embed/…`")
    media_sources: str = Field(
        "https:", alias="RELAY_MEDIA_SOURCES", description="CSP sources of pictures and videos, besides our own"
    )
    trusted_proxies: tuple[str, ...] = Field(
        (),
        alias="RELAY_TRUSTED_PROXIES",
        description="comma-separated addresses or networks of proxies whose `X-Forwarded-For` counts: the log and "
        "`RELAY_ADDRESS_LIMIT` then mean who asked, not the proxy",
    )
    log_format: Literal["console", "json"] | None = Field(
        None, alias="RELAY_LOG_FORMAT", description="`console` or `json`; by default console on a terminal"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", alias="RELAY_LOG_LEVEL", description="`debug`, `info`, `warning` or `error`"
    )
    body_limit_bytes: int = Field(
        2 * 1024 * 1024, alias="RELAY_BODY_LIMIT", ge=1024, description="the largest JSON body, in bytes"
    )
    file_limit_bytes: int = Field(
        100 * 2**20, alias="RELAY_FILE_LIMIT", ge=1, description="the largest file of an upload, in bytes"
    )
    spool_limit_bytes: int = Field(
        2 * 2**30,
        alias="RELAY_SPOOL_LIMIT",
        ge=1,
        description="bytes of uploaded files that may lie on the disk, until the upstream has taken them",
    )
    connection_limit: int = Field(
        10_000,
        alias="RELAY_CONNECTION_LIMIT",
        ge=1,
        description="viewers that may be connected at once; besides, there may be 1000 connections for calls",
    )
    address_limit: int = Field(
        1000,
        alias="RELAY_ADDRESS_LIMIT",
        ge=1,
        description="viewers that may be connected at once from one address (IPv6: from one /64); connections may be "
        "twice as many. Loopback and `RELAY_TRUSTED_PROXIES` stand for many and are not counted",
    )
    message_rate: float = Field(
        50.0,
        alias="RELAY_MESSAGE_RATE",
        gt=0,
        description="messages a second that a WebSocket may send; those of ten seconds at once",
    )
    idle_s: float = Field(
        75.0,
        alias="RELAY_IDLE_TIMEOUT",
        gt=0,
        description="seconds that a connection is kept without a request, or may take to send a request's head",
    )
    body_silence_s: float = Field(
        30.0,
        alias="RELAY_BODY_TIMEOUT",
        gt=0,
        description="seconds that a request's body may pause; besides, it has to bring 240 bytes a second on the whole",
    )
    start_rate: int = Field(
        1200,
        alias="RELAY_START_RATE",
        ge=1,
        description="tasks that one key may start or attach to in a minute, uploads to `/v1/files` included",
    )
    mint_rate: int = Field(
        6000, alias="RELAY_MINT_RATE", ge=1, description="viewer tokens that one key may mint in a minute"
    )
    cancel_rate: int = Field(
        60,
        alias="RELAY_CANCEL_RATE",
        ge=1,
        description="cancels that viewer tokens of one task, or of one tag, may ask for in a minute",
    )
    subscription_limit: int = Field(
        200, alias="RELAY_SUBSCRIPTION_LIMIT", ge=1, description="tasks and tags that one connection may subscribe to"
    )
    history_events: int = Field(
        10_000, alias="RELAY_HISTORY_EVENTS", ge=500, description="events kept of each task besides its state"
    )
    history_bytes: int = Field(
        16 * 2**20,
        alias="RELAY_HISTORY_BYTES",
        ge=2**20,
        description="bytes of events kept of each task besides its state",
    )
    history_age_s: float = Field(
        30 * 86_400.0,
        alias="RELAY_HISTORY_AGE",
        ge=0,
        description="seconds after its end that a task is kept; then it is removed. 0: for ever",
    )
    store_limit_bytes: int = Field(
        10 * 2**30,
        alias="RELAY_STORE_LIMIT",
        ge=2**20,
        description="bytes that the store may take; beyond, the oldest tasks that have ended are removed",
    )
    request_timeout_s: float = Field(
        30.0, alias="RELAY_REQUEST_TIMEOUT", gt=0, description="seconds that an upstream call may take"
    )
    task_deadline_s: float = Field(
        86_400.0,
        alias="RELAY_TASK_DEADLINE",
        gt=0,
        description="seconds after which a task without an end is `lost`, once the platform's record was read again and"
        " has no end either",
    )
    silence_s: float = Field(
        60.0, alias="RELAY_SILENCE", gt=0, description="seconds without news, checked, that count as a stall"
    )
    hold_limit: int = Field(
        100, alias="RELAY_HOLD_LIMIT", ge=1, description="tasks that may wait for a place upstream; more are refused"
    )
    hold_s: float = Field(
        3600.0, alias="RELAY_HOLD_TIME", gt=0, description="seconds that a task may wait for a place upstream"
    )
    drain_s: float = Field(20.0, alias="RELAY_DRAIN", ge=0, description="seconds that shutting down may take")

    wiro_api_key: SecretStr | None = Field(None, alias="WIRO_API_KEY", description="the key of your Wiro project")
    wiro_api_secret: SecretStr | None = Field(
        None, alias="WIRO_API_SECRET", description="with it every call is signed; without, the key alone is sent"
    )
    wiro_api_url: Annotated[str, AfterValidator(checked_rest)] = Field(
        "https://api.wiro.ai/v1", alias="WIRO_API_URL", description="Wiro's REST address"
    )
    wiro_socket_url: Annotated[str, AfterValidator(checked_socket)] = Field(
        "wss://socket.wiro.ai/v1", alias="WIRO_SOCKET_URL", description="Wiro's socket address"
    )
    apikley_api_key: SecretStr | None = Field(
        None, alias="APIKLEY_API_KEY", description="the key of your Apikley account"
    )
    apikley_api_url: Annotated[str, AfterValidator(checked_rest)] = Field(
        "https://api.apikley.ru", alias="APIKLEY_API_URL", description="Apikley's address"
    )
    apikley_webhook_secret: SecretStr | None = Field(
        None, alias="APIKLEY_WEBHOOK_SECRET", description="with it a callback that Apikley did not sign is refused"
    )

    http_proxy: Annotated[Proxy | None, BeforeValidator(read_proxy)] = Field(
        None, alias="HTTP_PROXY", description="the egress proxy for platforms whose address is `http:` or `ws:`"
    )
    https_proxy: Annotated[Proxy | None, BeforeValidator(read_proxy)] = Field(
        None, alias="HTTPS_PROXY", description="the egress proxy for platforms whose address is `https:` or `wss:`"
    )
    no_proxy: tuple[str, ...] = Field(
        (),
        alias="NO_PROXY",
        description="comma-separated hosts, domains, addresses or networks that are reached without a proxy; `*`: all",
    )

    @field_validator("*", mode="before")
    @classmethod
    def _one_line(cls, value: object) -> object:
        """Trim what is set: a value that comes out of a file brings its line end along."""
        if not isinstance(value, str):
            return value
        if _CONTROL.search(value.strip()):
            raise ValueError("it holds a line end or another control character; write it in one line")
        return value.strip()

    @field_validator("api_keys", "allowed_origins", "trusted_proxies", "no_proxy", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = tuple(part.strip() for part in value.split(",") if part.strip())
        if any(_CONTROL.search(part) for part in parts):
            raise ValueError("it holds a line end or another control character; put commas between the values")
        return parts

    @field_validator("api_keys")
    @classmethod
    def _long_enough(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(key.get_secret_value()) < MIN_KEY_CHARS for key in keys):
            raise ValueError(f"each key needs at least {MIN_KEY_CHARS} characters")
        for key in keys:
            cls._fits_a_header(key)
        return keys

    @field_validator("allowed_origins")
    @classmethod
    def _as_browsers_send_them(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(normalized_origin(value) for value in values))

    @field_validator("frame_ancestors")
    @classmethod
    def _as_browsers_compare_them(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("it is empty; write 'none' if no page may embed")
        return normalized_sources(value)

    @field_validator("media_sources")
    @classmethod
    def _beside_our_own(cls, value: str) -> str:
        sources = normalized_sources(value, paths=True)
        if sources == "'none'":
            raise ValueError("'none' means nothing beside the relay's own files; leave the value empty for these alone")
        return sources

    @field_validator("token_secret")
    @classmethod
    def _strong_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value().encode()) < 32:  # RFC 7518 section 3.2
            raise ValueError("HS256 needs at least 32 characters")
        return secret

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            ip_network(value, strict=False)
        return values

    @field_validator("store")
    @classmethod
    def _known_store(cls, value: str) -> str:
        if value != "memory:" and not (value.startswith("sqlite:///") and len(value) > len("sqlite:///")):
            raise ValueError("use sqlite:///PATH or memory:")
        return value

    @field_validator(
        "wiro_api_key",
        "wiro_api_secret",
        "apikley_api_key",
        "apikley_webhook_secret",
        "public_url",
        "token_secret",
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return (value.strip() or None) if isinstance(value, str) else value

    @field_validator("wiro_api_key", "apikley_api_key")
    @classmethod
    def _fits_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not (key.get_secret_value().isascii() and key.get_secret_value().isprintable()):
            raise ValueError("it holds characters that no HTTP header can carry")
        return key

    @model_validator(mode="after")
    def _open_address_needs_keys(self) -> Self:
        if not self.api_keys and not self.loopback:
            raise ValueError(
                f"RELAY_HOST={self.host} is open to others, so RELAY_API_KEYS must be set "
                f"({MIN_KEY_CHARS} characters or more each)"
            )
        return self

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def proxies(self) -> Proxies:
        """The way to the platforms."""
        return Proxies(http=self.http_proxy, https=self.https_proxy, direct=self.no_proxy)

    @property
    def sqlite_path(self) -> Path | None:
        """Where the SQLite store is; null for a store in memory."""
        return None if self.store == "memory:" else Path(self.store.removeprefix("sqlite:///"))

    @property
    def spool_path(self) -> Path | None:
        """Where uploads lie until they are sent: beside the SQLite store; null: in a folder for the time being."""
        return None if self.sqlite_path is None else Path(f"{self.sqlite_path}.spool")


def load(environ: Mapping[str, str] | None = None, dotenv: Path | None = None) -> Config:
    """
    Read the settings.

    Args:
        environ: the environment; null is the process's own.
        dotenv: a file of `NAME=value` lines that the environment overrides; null is `.env` here, if it is there.

    Raises:
        ConfigError: one line for each setting that is wrong, or unknown.
    """
    known = {str(field.alias) for field in Config.model_fields.values()}
    given = variables(os.environ if environ is None else environ, dotenv or Path(".env"), known)
    unknown = sorted(name for name in given if name.startswith("RELAY_") and name not in known)
    wrong = [f"{name}: there is no such setting (the README lists them all)" for name in unknown]
    garbled = sorted(name for name, value in given.items() if name in known and _LONE_SURROGATE.search(value))
    wrong += [f"{name}: it holds bytes that are no UTF-8" for name in garbled]
    try:
        config = Config.model_validate({name: given[name] for name in given.keys() & known if name not in garbled})
    except ValidationError as error:
        wrong += [
            ": ".join([*(str(part) for part in problem["loc"][:1]), problem["msg"].removeprefix("Value error, ")])
            for problem in error.errors(include_url=False, include_input=False)
        ]
    if wrong:
        raise ConfigError("\n".join(wrong))
    return config

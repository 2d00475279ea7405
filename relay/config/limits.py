"""Settings that limit what one client, or all clients together, can use."""

from pydantic import ByteSize, Field

from relay.config.base import Group
from relay.config.units import PerMinute, PerSecond, Seconds


class Limits(Group):
    """Limits."""

    connection_limit: int = Field(
        10_000,
        alias="RELAY_CONNECTION_LIMIT",
        ge=1,
        description="Maximum number of connected viewers, plus 1000 connections reserved for API calls.",
    )
    address_limit: int = Field(
        1000,
        alias="RELAY_ADDRESS_LIMIT",
        ge=1,
        description="Maximum number of connected viewers per client address (IPv6: per /64 network). The maximum "
        "number of connections per address is twice as high. Loopback addresses and `RELAY_TRUSTED_PROXIES` are "
        "exempt.",
    )
    subscription_limit: int = Field(
        200,
        alias="RELAY_SUBSCRIPTION_LIMIT",
        ge=1,
        description="Maximum number of tasks and tags per connection.",
    )
    body_limit_bytes: ByteSize = Field(
        ByteSize(2 * 2**20), alias="RELAY_BODY_LIMIT", ge=1024, description="Maximum size of a JSON body."
    )
    file_limit_bytes: ByteSize = Field(
        ByteSize(100 * 2**20), alias="RELAY_FILE_LIMIT", ge=1, description="Maximum size of an uploaded file."
    )
    spool_limit_bytes: ByteSize = Field(
        ByteSize(2 * 2**30),
        alias="RELAY_SPOOL_LIMIT",
        ge=1,
        description="Maximum size of all uploaded files on disk that no platform has taken yet.",
    )
    idle_s: Seconds = Field(
        75.0,
        alias="RELAY_IDLE_TIMEOUT",
        gt=0,
        description="Maximum time that a connection may stay open without a request, or take to send a request's "
        "headers.",
    )
    body_silence_s: Seconds = Field(
        30.0,
        alias="RELAY_BODY_TIMEOUT",
        gt=0,
        description="Maximum pause within a request's body. On average, a body must also arrive at 240 bytes/s or "
        "faster.",
    )
    message_rate: PerSecond = Field(
        50.0,
        alias="RELAY_MESSAGE_RATE",
        gt=0,
        description="Frames that a client may send per WebSocket. Bursts of up to 10 s' worth are allowed.",
    )
    start_rate: PerMinute = Field(
        1200,
        alias="RELAY_START_RATE",
        ge=1,
        description="Tasks that one API key may start or attach to, uploads to `/v1/files` included. The start "
        "tokens of one tag have the same limit.",
    )
    start_address_rate: PerMinute = Field(
        30,
        alias="RELAY_START_ADDRESS_RATE",
        ge=1,
        description="Tasks that one client address may start with start tokens, whatever their tags (IPv6: per /64 "
        "network). Loopback addresses and `RELAY_TRUSTED_PROXIES` are exempt.",
    )
    mint_rate: PerMinute = Field(
        6000, alias="RELAY_MINT_RATE", ge=1, description="Viewer tokens that one API key may mint."
    )
    cancel_rate: PerMinute = Field(
        60,
        alias="RELAY_CANCEL_RATE",
        ge=1,
        description="Cancel requests that the viewer tokens of one task, or of one tag, may send.",
    )

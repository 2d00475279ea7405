"""
A Python client for the relay: starts tasks, uploads files, follows tasks to their end, and mints tokens.

`AsyncRelay` is for asyncio, `Relay` for everything else; both have the same methods. It needs the extra `client`.
"""

from relay.client.errors import APIError, TaskDeleted, TaskFailed
from relay.client.files import InputFiles
from relay.client.responses import Started, Token
from relay.client.webhooks import InvalidSignature, Webhook, verify_webhook

try:
    from relay.client.asynchronous import AsyncRelay
    from relay.client.synchronous import Relay
except ModuleNotFoundError as error:  # httpx and httpx-sse are an extra
    raise ModuleNotFoundError(
        f"relay.client needs the package {error.name}: pip install 'generation-relay[client]'", name=error.name
    ) from error

__all__ = [
    "APIError",
    "AsyncRelay",
    "InputFiles",
    "InvalidSignature",
    "Relay",
    "Started",
    "TaskDeleted",
    "TaskFailed",
    "Token",
    "Webhook",
    "verify_webhook",
]

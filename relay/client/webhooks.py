"""Webhooks at their receiver: the signature, and what they say."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
from pydantic import TypeAdapter

from relay.core.snapshot import Snapshot
from relay.errors import RelayError
from relay.net import webhook_signature


class InvalidSignature(RelayError):
    """A request is not a webhook of the relay, or it is too old. Answer it with 401."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook whose signature is valid."""

    id: str
    """The same for every attempt: process each id once."""
    type: str
    """Such as `task.done`."""
    timestamp: str
    data: Snapshot
    """The state of the task, without log and segments."""


_BODY: TypeAdapter[Webhook] = TypeAdapter(Webhook)


def verify_webhook(
    secret: str | Sequence[str], headers: Mapping[str, str], body: bytes, *, now: float | None = None
) -> Webhook:
    """
    Return the webhook that a request carries.

    Args:
        secret: `whsec_…`, as in RELAY_WEBHOOK_SECRET; several while it is rotated.
        headers: of the request, in any case.
        body: the body as it was received, byte for byte.
        now: unix seconds; by default, the time of this machine.

    Raises:
        InvalidSignature: the signature is missing or wrong, or older than five minutes.
        ValueError: the secret is malformed.
    """
    secrets = [secret] if isinstance(secret, str) else secret
    keys = [webhook_signature.read_secret(each) for each in secrets]
    named = {name.lower(): value for name, value in headers.items()}
    problem = webhook_signature.find_problem(keys, named, body, time.time() if now is None else now)
    if problem is not None:
        raise InvalidSignature(f"not a webhook of this relay: {problem}")
    return _BODY.validate_python({**orjson.loads(body), "id": named["webhook-id"]})

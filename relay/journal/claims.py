"""Idempotency keys in use, and what becomes of a task that is to be created."""

import math
from dataclasses import dataclass, field

from relay.core.spending import Exceeded


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An idempotency key in use. A request with the same key and the same digest refers to the same task."""

    key: str = field(repr=False)
    digest: str
    """The digest of the request body."""
    task: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """The outcome of `create`."""

    send_until_s: float = math.inf
    """Until when the run may be sent, as `relay.clock.uptime_s` counts. Later, another node may have taken it over."""
    winner: Claim | None = None
    """The claim that holds the key already, if any: then no task was created."""
    exceeded: Exceeded | None = None
    """The limit that does not allow the task, if any: then no task was created."""

"""The settings that apply to all tasks."""

from collections.abc import Callable
from dataclasses import dataclass, field

from relay.core.schedule import TimeLimits
from relay.tasks.admission import always


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long tasks may take, how many may be queued, and where platforms can call back."""

    time_limits: TimeLimits = field(default_factory=TimeLimits)
    queue_limit: int = 100
    """How many tasks of one provider may be queued while it is at capacity."""
    queue_limit_s: float = 3600.0
    """How long each of them may be queued."""
    cell: str | None = None
    """The prefix of the ids of new tasks and of their callback addresses."""
    public_url: str | None = None
    """Where platforms can reach the relay. Null: runs have no callback URL."""
    keeps_results: bool = False
    """Whether results are copied to an archive."""
    may_stream: Callable[[int], bool] = always
    """Returns whether one more stream may be opened, given how many are being opened; a task without one is polled."""

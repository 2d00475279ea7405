"""What the follower of one task needs."""

from collections.abc import Callable
from dataclasses import dataclass, field

from relay.core.history.tally import Tally
from relay.core.schedule import TimeLimits
from relay.core.snapshot import Snapshot
from relay.core.upstream import Run
from relay.files.spool import Spool
from relay.journal.base import Journal, StoredTask
from relay.providers.base import Provider
from relay.tasks.admission import Admission
from relay.tasks.counts import TaskCounts
from relay.webhooks.webhooks import Webhooks


def ignore(_task: StoredTask, _snapshot: Snapshot) -> None:
    """Do nothing at the end of a task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContext:
    """A task, what is sent to start it, and the parts of the relay that its follower needs."""

    stored: StoredTask
    run: Run
    provider: Provider
    journal: Journal
    spool: Spool
    admission: Admission
    """Shared by all tasks of the provider."""
    time_limits: TimeLimits
    queue_limit_s: float
    """How long the task may be queued."""
    keeps_results: bool
    """Whether its results are to be copied to an archive."""
    clock: Callable[[], float]
    """Returns unix seconds and never jumps."""
    wall_clock: Callable[[], float]
    """Returns unix seconds as the machine's clock has them, which may jump."""
    tallied: Callable[[Tally], None]
    """Called with the tally of the task, after the commit that ended it."""
    ended: Callable[[StoredTask, Snapshot], None] = ignore
    """Called with the task and its last state when its end has been committed."""
    counts: TaskCounts = field(default_factory=TaskCounts)
    """Of all tasks."""
    webhooks: Webhooks | None = None
    """Makes the webhooks about the task; null to send none."""

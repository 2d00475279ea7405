"""Short leases and searches, so that a node that has stopped is replaced within seconds."""

from collections.abc import Callable
from datetime import timedelta

from relay.journal.postgres import beat, jobs, node, writer
from relay.tasks import permit, search

LEASE_S = 4.0
"""Long enough that a busy machine rarely ends one."""
SEND_S = LEASE_S / 2


def shorten(patch: Callable[[object, str, object], None] = setattr) -> None:
    """Replace the times of this process by ones in the same proportions; `patch` is like `setattr`."""
    for module in (beat, node, writer):
        patch(module, "LEASE", timedelta(seconds=LEASE_S))
    patch(node, "LEASE_S", LEASE_S)
    patch(node, "MARGIN_S", 0.3 * LEASE_S)
    patch(beat, "BEAT_S", 0.2 * LEASE_S)
    patch(jobs, "SEND_S", SEND_S)
    patch(permit, "SEND_WITHIN_S", SEND_S)
    patch(search, "SEARCH_AFTER_S", (0.0, 0.25, 0.5, 1.0, 1.5))

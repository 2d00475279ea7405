"""The limits on viewers: in total, and per client address."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from relay import log
from relay.hub.close_codes import DRAINING, TOO_MANY, Close
from relay.web.http.client_address import client_address
from relay.web.http.connection_counts import ConnectionCounts, counted_address
from relay.web.http.context import context

_log = log.get("web")


class Slot:
    """The place of one viewer."""

    __slots__ = ("_counts", "address")

    def __init__(self, counts: ConnectionCounts, address: str | None) -> None:
        self._counts: ConnectionCounts | None = counts
        self.address = address
        """The address that it counts for; null for a trusted proxy."""

    def free(self) -> None:
        """Make room for another viewer. Idempotent."""
        if self._counts is not None:
            self._counts.remove(self.address)
            self._counts = None


def take_slot(request: web.Request) -> Slot | Close:
    """Take a slot for a viewer, or return the reason why it is refused."""
    parts = context(request)
    if parts.tasks.draining:
        parts.counts.viewers_refused["draining",] += 1
        return DRAINING
    proxies = parts.config.trusted_proxies
    client = client_address(request, proxies)
    address = counted_address(client, proxies)
    has_files = parts.gate.has_room()
    if has_files and parts.viewers.add(address):
        return Slot(parts.viewers, address)
    parts.counts.viewers_refused["limit" if has_files else "no_files",] += 1
    if not parts.refused_log.take(parts.clock()):
        _log.warning("viewers.refused", client_address=client, viewers=parts.viewers.total)
    return TOO_MANY


@contextmanager
def viewer_slot(request: web.Request) -> Iterator[Close | None]:
    """Hold a slot while the block runs: yield None, or the reason why there is none."""
    slot = take_slot(request)
    if isinstance(slot, Close):
        yield slot
        return
    try:
        yield None
    finally:
        slot.free()

"""The limits on viewers: in total, and per client address."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from relay import log
from relay.hub.close_codes import DRAINING, TOO_MANY, Close
from relay.web.http.client_address import client_address
from relay.web.http.connection_counts import counted_address
from relay.web.http.context import context

_log = log.get("web")


@contextmanager
def viewer_slot(request: web.Request) -> Iterator[Close | None]:
    """Hold a viewer slot while the block runs. Yield None, or the reason why the viewer is refused."""
    parts = context(request)
    if parts.tasks.draining:
        yield DRAINING
        return
    proxies = parts.config.trusted_proxies
    client = client_address(request, proxies)
    address = counted_address(client, proxies)
    if not parts.gate.has_room() or not parts.viewers.add(address):
        if not parts.refused_log.take(parts.clock()):
            _log.warning("viewers.refused", client_address=client, viewers=parts.viewers.total)
        yield TOO_MANY
        return
    try:
        yield None
    finally:
        parts.viewers.remove(address)

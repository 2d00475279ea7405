"""A viewer's place: taken for as long as it watches, if there is room for one more, and for one more of its address."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from relay import log
from relay.hub.viewer import DRAINING, TOO_MANY, Close
from relay.web.http.client_address import peer
from relay.web.http.connection_counts import counted_as
from relay.web.http.context import context

_log = log.get("web")


@contextmanager
def place(request: web.Request) -> Iterator[Close | None]:
    """Take a place for as long as the block lasts. Gives null, or why there is none."""
    parts = context(request)
    if parts.draining:
        yield DRAINING
        return
    proxies = parts.config.trusted_proxies
    address = peer(request, proxies)
    who = counted_as(address, proxies)
    if not parts.gate.has_room() or not parts.viewers.enter(who):
        if not parts.complaints.take(parts.clock()):
            _log.warning("viewers.refused", peer=address, viewers=parts.viewers.size)
        yield TOO_MANY
        return
    try:
        yield None
    finally:
        parts.viewers.leave(who)

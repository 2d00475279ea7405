"""Options of TCP connections, so that the relay notices slow and vanished clients."""

import asyncio
import socket

UNSENT_BYTES = 16 * 1024
"""The kernel buffers no more unsent data than this. By default it buffers megabytes before a viewer looks slow."""

UNACKNOWLEDGED_MS = 60_000
"""The kernel closes a connection whose data has not been acknowledged for this long."""


def tune(transport: asyncio.BaseTransport) -> None:
    """Make a slow client noticeable early. Options that the operating system lacks are skipped."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return
    for name, value in (("TCP_NOTSENT_LOWAT", UNSENT_BYTES), ("TCP_NODELAY", 1)):
        if (option := getattr(socket, name, None)) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)

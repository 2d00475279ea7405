"""What a viewer's TCP connection is told before anything is streamed over it, and what every connection has."""

import asyncio
import socket

UNSENT_BYTES = 16 * 1024
"""The kernel takes no more than this unsent: without it it swallows megabytes before a slow viewer shows."""

PEER_GONE_MS = 60_000
"""Sent but unacknowledged for so long, and the peer is gone, whatever its address still says."""


def tune(transport: asyncio.BaseTransport) -> None:
    """Make a slow peer show. Where the platform lacks an option, it shows later."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return
    for name, value in (("TCP_NOTSENT_LOWAT", UNSENT_BYTES), ("TCP_NODELAY", 1)):
        if (option := getattr(socket, name, None)) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)

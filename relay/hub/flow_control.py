"""
Hears from a transport when more waits in its write buffer than its mark.

A protocol in front of the one that is there: all that comes in goes on to that. Asking each viewer's buffer at every
event costs a twentieth of the event.
"""

import asyncio
from collections.abc import Callable


class Flow(asyncio.Protocol):
    """Passes everything on, and calls `filled` when the transport has taken more than its mark."""

    __slots__ = ("_filled", "_inner")

    def __init__(self, inner: asyncio.Protocol, filled: Callable[[], None]) -> None:
        self._inner = inner
        self._filled = filled

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()
        self._filled()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

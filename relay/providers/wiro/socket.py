"""
Follow a task on Wiro's socket, with one connection per task.

The socket needs no API key: the task's token alone grants control over the task, so it never appears in a log line or
an error. Wiro does not replay frames and does not answer an invalid token, so the caller must also read the record.
Source: https://wiro.ai/docs/markdown/full-documentation.md (WebSocket).
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from relay import __version__, log
from relay.core.signals import Signal
from relay.core.upstream import UpstreamTask
from relay.errors import UpstreamUnavailable
from relay.net.proxy import Proxy
from relay.providers.tls import tls_failure
from relay.providers.wiro.frames import Frame, FrameError, parse

FRAME_LIMIT_BYTES = 16 * 2**20
"""The default of 1 MiB is too small for a long answer, which each chunk repeats. A larger frame ends the stream."""

_OPEN_LIMIT_S = 10.0
_CLOSE_LIMIT_S = 2.0
_PING_INTERVAL_S = 30.0
"""Wiro pings every 30 s too, but only the pings of the relay detect a dead connection."""
_PING_LIMIT_S = 20.0

_log = log.get("wiro.socket")


class _Connect(connect):
    """Connect without following redirects, because the target of a redirect would receive the task's token."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


@asynccontextmanager
async def follow(url: str, task: UpstreamTask, proxy: Proxy | None = None) -> AsyncIterator[AsyncIterator[Signal]]:
    """
    Subscribe to a task; the iterator ends when the connection closes, for any reason.

    Args:
        url: the URL of the socket.
        task: the task, with its token.
        proxy: the proxy to connect through; null for a direct connection.

    Raises:
        UpstreamUnavailable: on entering, if the task has no token or the socket could not be opened.
    """
    if not task.socket_token:
        raise UpstreamUnavailable("Wiro returned no socket token for this task, so it cannot be followed live.")
    try:
        connection = await _Connect(
            url,
            compression=None,  # 14 KiB instead of 48 KiB per idle connection
            max_size=FRAME_LIMIT_BYTES,
            open_timeout=_OPEN_LIMIT_S,
            close_timeout=_CLOSE_LIMIT_S,
            ping_interval=_PING_INTERVAL_S,
            ping_timeout=_PING_LIMIT_S,
            proxy=None if proxy is None else proxy.url,
            user_agent_header=f"relay/{__version__}",
        )
    except (OSError, WebSocketException) as error:
        route = "" if proxy is None else f" through the proxy {proxy}"
        reason = tls_failure(error) or type(error).__name__
        raise UpstreamUnavailable(f"Wiro's socket could not be opened{route} ({reason}).") from error
    async with connection:
        try:
            await connection.send(orjson.dumps({"type": "task_info", "tasktoken": task.socket_token}).decode())
        except ConnectionClosed as error:
            raise UpstreamUnavailable("Wiro's socket closed before the subscription was sent.") from error
        async with aclosing(_signals(connection, task)) as signals:
            yield signals


async def _signals(connection: ClientConnection, task: UpstreamTask) -> AsyncGenerator[Signal, None]:
    logged: set[str] = set()
    try:
        async for raw in connection:
            try:
                frame = parse(raw)
            except FrameError as error:
                _log_once(logged, error.reason, task)
                continue
            if not _belongs_to(frame, task):
                continue
            if not frame.known:
                _log_once(logged, "unknown type", task)
            for signal in frame.signals:
                yield signal
    except ConnectionClosed:
        return


def _belongs_to(frame: Frame, task: UpstreamTask) -> bool:
    """Return whether a frame is about the task; one without an ID is, because a connection serves one task."""
    if frame.token is not None:
        return frame.token == task.socket_token
    return frame.upstream_id is None or task.upstream_id is None or frame.upstream_id == task.upstream_id


def _log_once(logged: set[str], reason: str, task: UpstreamTask) -> None:
    """Log why a frame was skipped, once per reason; never log its content."""
    if reason not in logged:
        logged.add(reason)
        _log.warning("frame.skipped", reason=reason, upstream_id=task.upstream_id)

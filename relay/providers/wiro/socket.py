"""
Wiro's task socket: one connection for each task, frames in, signals out.

The socket wants no key: the task's token is the power over the task, so it is in no log line and no error. Nothing is
replayed and a wrong token is met with silence, so whoever follows reads the detail beside it.
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
"""websockets' own 1 MiB is too little for a long answer said again with every chunk. A longer frame ends the stream."""

_OPEN_LIMIT_S = 10.0
_CLOSE_LIMIT_S = 2.0
_PING_INTERVAL_S = 30.0
"""Wiro pings every 30 s too, but only our own ping tells us that the other side is gone."""
_PING_LIMIT_S = 20.0

_log = log.get("wiro.socket")


class _Connect(connect):
    """websockets' own, but that no redirect is followed: whoever it leads to would be told the task's token."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


@asynccontextmanager
async def follow(url: str, task: UpstreamTask, proxy: Proxy | None = None) -> AsyncIterator[AsyncIterator[Signal]]:
    """
    Subscribe to a task; the iterator ends when the connection does, whatever the reason.

    Args:
        url: where the socket is.
        task: the task, with its token.
        proxy: through which the socket is opened; null: directly.

    Raises:
        UpstreamUnavailable: on entering: there is no token, or the socket could not be opened.
    """
    if not task.socket_token:
        raise UpstreamUnavailable("Wiro gave no socket token for this task: it cannot be followed live.")
    try:
        connection = await _Connect(
            url,
            compression=None,  # 14 KiB an idle connection instead of 48 KiB
            max_size=FRAME_LIMIT_BYTES,
            open_timeout=_OPEN_LIMIT_S,
            close_timeout=_CLOSE_LIMIT_S,
            ping_interval=_PING_INTERVAL_S,
            ping_timeout=_PING_LIMIT_S,
            proxy=None if proxy is None else proxy.url,
            user_agent_header=f"relay/{__version__}",
        )
    except (OSError, WebSocketException) as error:
        way = "" if proxy is None else f" through the proxy {proxy}"
        why = tls_failure(error) or type(error).__name__
        raise UpstreamUnavailable(f"Wiro's socket could not be opened{way} ({why}).") from error
    async with connection:
        try:
            await connection.send(orjson.dumps({"type": "task_info", "tasktoken": task.socket_token}).decode())
        except ConnectionClosed as error:
            raise UpstreamUnavailable("Wiro's socket closed before it took the subscription.") from error
        async with aclosing(_signals(connection, task)) as signals:
            yield signals


async def _signals(connection: ClientConnection, task: UpstreamTask) -> AsyncGenerator[Signal, None]:
    told: set[str] = set()
    try:
        async for raw in connection:
            try:
                frame = parse(raw)
            except FrameError as error:
                _tell_once(told, error.reason, task)
                continue
            if not _is_ours(frame, task):
                continue
            if not frame.known:
                _tell_once(told, "unknown type", task)
            for signal in frame.signals:
                yield signal
    except ConnectionClosed:
        return


def _is_ours(frame: Frame, task: UpstreamTask) -> bool:
    """One connection carries one task, so a frame that names nobody is ours."""
    if frame.token is not None:
        return frame.token == task.socket_token
    return frame.upstream_id is None or task.upstream_id is None or frame.upstream_id == task.upstream_id


def _tell_once(told: set[str], reason: str, task: UpstreamTask) -> None:
    """Log a frame that was passed over: what is wrong with it, never what was in it."""
    if reason not in told:
        told.add(reason)
        _log.warning("frame.skipped", reason=reason, upstream_id=task.upstream_id)

"""`GET /metrics`, with an API key, and without one on a separate port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import hdrs, web

from relay import log
from relay.backoff import Bucket
from relay.errors import ConfigError
from relay.web.http.acceptor import Acceptor, bind
from relay.web.http.connection_gate import LOG_LINES_PER_S
from relay.web.http.context import CONTEXT, Context, context
from relay.web.http.cors import COMMON_HEADERS
from relay.web.http.credentials import require_key

_log = log.get("web")


async def metrics(request: web.Request) -> web.Response:
    """Serve `GET /metrics` to a caller with an API key."""
    require_key(request)
    return await _expose(request)


async def _expose(request: web.Request) -> web.Response:
    body, content_type = context(request).metrics.expose(request.headers.get(hdrs.ACCEPT, ""))
    headers = {hdrs.CONTENT_TYPE: content_type, hdrs.CACHE_CONTROL: "no-store", **COMMON_HEADERS}
    return web.Response(body=body, headers=headers)


@asynccontextmanager
async def listening(parts: Context) -> AsyncIterator[None]:
    """
    Serve `GET /metrics` without a key on a separate port while the block runs, if the settings name one.

    Raises:
        ConfigError: the address is not available.
    """
    host, port = parts.config.host, parts.config.metrics_port
    if port is None:
        yield
        return
    clock = asyncio.get_running_loop().time
    failures = Bucket(1, LOG_LINES_PER_S, clock())

    def log_error(error: OSError) -> None:
        if not failures.take(clock()):
            _log.error("connections.accept_failed", port=port, error=str(error))

    app = web.Application()
    app[CONTEXT] = parts
    app.router.add_get("/metrics", _expose)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        if runner.server is None:
            raise AssertionError("the runner has no server after its setup")
        try:
            sockets = await bind(host, port)
        except OSError as error:
            raise ConfigError(f"RELAY_METRICS_PORT: cannot listen on {host}:{port}: {error}") from error
        acceptors = [Acceptor(sock, runner.server, log_error) for sock in sockets]
        try:
            yield
        finally:
            for acceptor in acceptors:
                acceptor.close()
    finally:
        await runner.cleanup()

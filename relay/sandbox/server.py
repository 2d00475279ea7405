"""The HTTP server of a sandbox: both platforms, their files and the control API on one port."""

from contextlib import AsyncExitStack
from typing import Final

from aiohttp import web

from relay import log
from relay.errors import ConfigError
from relay.sandbox.apikley import platform as apikley_platform
from relay.sandbox.apikley.platform import Apikley
from relay.sandbox.control import Control
from relay.sandbox.receiver import Receiver
from relay.sandbox.recording.apikley import RecordedApikley
from relay.sandbox.recording.lines import Recording
from relay.sandbox.recording.playback import Playback
from relay.sandbox.recording.wiro import RecordedWiro
from relay.sandbox.shared.context import Context
from relay.sandbox.wiro import platform as wiro_platform
from relay.sandbox.wiro.middleware import not_found
from relay.sandbox.wiro.platform import Wiro

HOST: Final = "127.0.0.1"
"""The host in the addresses of files: a browser on this machine loads them."""

_MAX_BODY_BYTES: Final = 16 * 1024 * 1024
_log = log.get("sandbox")


class Server:
    """
    Serves both platforms.

    Args:
        context: the sandbox.
        wiro: the simulated Wiro.
        apikley: the simulated Apikley.
        recording: answers calls in place of the platforms; None for none.
    """

    def __init__(self, context: Context, wiro: Wiro, apikley: Apikley, recording: Recording | None) -> None:
        self.origin = ""
        """The address of the server, once it listens."""
        self._context = context
        self._wiro = wiro
        self._apikley = apikley
        self._playback = None if recording is None else Playback(recording, context, wiro.socket)
        self._stack = AsyncExitStack()

    async def start(self, host: str, port: int) -> None:
        """
        Listen on a port of an address; 0 picks a free one. The addresses of files are those of the loopback interface.

        Raises:
            ConfigError: the port is not available.
        """
        runner = web.AppRunner(self._app(), handler_cancellation=True, shutdown_timeout=1.0, access_log=None)
        self._stack.enter_context(self._wiro.files)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        self._stack.push_async_callback(self._apikley.close)
        self._stack.push_async_callback(self._wiro.close)
        self._stack.callback(self._context.closing.set)
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await self._stack.aclose()
            raise ConfigError(f"sandbox: cannot listen on {host}:{port}: {error.strerror}") from error
        self.origin = f"http://{HOST}:{runner.addresses[0][1]}"
        if self._playback is not None:
            self._playback.open(self.origin)
            self._stack.push_async_callback(self._playback.close)
        _log.info("sandbox.started", origin=self.origin)

    async def stop(self) -> None:
        """Close all connections and stop all tasks."""
        await self._stack.aclose()
        _log.info("sandbox.stopped")

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        if self._playback is None:
            self._wiro.add_routes(app, wiro_platform.Interceptor())
            self._apikley.add_routes(app, apikley_platform.Interceptor())
        else:
            self._wiro.add_routes(app, RecordedWiro(self._playback, self._wiro))
            self._apikley.add_routes(app, RecordedApikley(self._playback, self._apikley))
        Control(self._wiro.tasks, self._context).add_routes(app)
        Receiver().add_routes(app)
        app.router.add_route("*", "/{path:.*}", not_found)
        return app

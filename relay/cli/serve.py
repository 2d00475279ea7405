"""`relay serve`: run the relay until a signal stops it, reload settings on SIGHUP, and log more on SIGUSR1."""

import asyncio
import gc
import os
import socket
from collections.abc import Sequence
from functools import partial
from typing import Literal

from relay import config, log
from relay.app import Running, running
from relay.cli.output import discard_stdout_if_broken, say
from relay.cli.reload import reload
from relay.cli.signals import run
from relay.cli.systemd import ServiceManager, check_keys, inherited_sockets
from relay.config import Config
from relay.environment import service_links
from relay.parts import make_providers

_Orders = asyncio.Queue[Literal["reload", "toggle debug"]]
"""What signals request."""

_log = log.get("relay")


def run_relay() -> bool:
    """
    Run the relay.

    Returns:
        Whether it was interrupted with Ctrl-C.

    Raises:
        ConfigError: a setting is wrong, or the store or the address is not available.
    """
    settings = config.load()
    log.configure(settings.log_format, settings.log_level)
    if ignored := service_links(os.environ):
        _log.debug("settings.ignored", names=ignored, reason="Kubernetes sets them for a Service called relay")
    sockets, manager = inherited_sockets(os.environ), ServiceManager(os.environ)
    check_keys(settings, sockets)
    orders: _Orders = asyncio.Queue()
    return run(
        _serve(settings, sockets, manager, orders),
        reload=partial(orders.put_nowait, "reload"),
        toggle_debug=partial(orders.put_nowait, "toggle debug"),
    )


async def _serve(settings: Config, sockets: Sequence[socket.socket], manager: ServiceManager, orders: _Orders) -> None:
    async with manager.watched(), running(settings, sockets) as relay:
        _tune_garbage_collector()
        try:
            _print_startup(relay, settings)
        except OSError as error:  # for example a full disk; the relay serves anyway
            if not discard_stdout_if_broken():
                raise
            _log.warning("stdout.write_failed", reason=error.strerror)
        with manager.serving():
            while True:
                match await orders.get():
                    case "reload":
                        manager.reloading()
                        await reload(relay)
                        manager.ready()
                    case "toggle debug":
                        level = log.toggle_debug(relay.context.config.log_level)
                        _log.warning("log.level_changed", log_level=level, reason="SIGUSR1")


def _print_startup(relay: Running, settings: Config) -> None:
    """Print the URL of the relay, the generated key if there is one, and whether platform credentials are missing."""
    say(f"relay listens on {relay.url}")
    if relay.made_key:
        say(f"API key (generated for this store, because RELAY_API_KEYS is not set): {relay.api_key}")
        say(f"Dashboard (this link works once, within 10 minutes): {relay.login_link()}")
    if not make_providers(settings):
        say("No platform has credentials: set WIRO_API_KEY or APIKLEY_API_KEY to start tasks.")


def _tune_garbage_collector() -> None:
    """
    Exclude all existing objects from garbage collection, and make full collections rare.

    With thousands of viewers, a full collection stops the event loop for a tenth of a second and finds almost nothing,
    because reference counting has already freed the garbage.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 5, 50)

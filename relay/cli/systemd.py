"""
Talk to a service manager: take the sockets that it listens on, and report the state of the relay to it.

The protocols are those of sd_listen_fds(3) and sd_notify(3), which other service managers speak too:
https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator, MutableMapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from ipaddress import ip_address
from typing import Final

from relay import log
from relay.config import Config
from relay.errors import ConfigError

_FIRST_DESCRIPTOR: Final = 3

_log = log.get("relay")


def inherited_sockets(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """
    Return the listening sockets that the service manager passed to this process; none if it passed none.

    The variables are removed, so that no child process takes them for its own.

    Raises:
        ConfigError: a descriptor is not a listening TCP socket.
    """
    pid, count, _ = (environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    return [_listening(_FIRST_DESCRIPTOR + index) for index in range(int(count))]


def _listening(descriptor: int) -> socket.socket:
    try:
        sock = socket.socket(fileno=descriptor)
        accepts = bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError as error:
        raise ConfigError(f"LISTEN_FDS: descriptor {descriptor} is not a socket: {error.strerror}") from error
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or not accepts:
        sock.detach()  # it is not the relay's
        raise ConfigError(
            f"LISTEN_FDS: descriptor {descriptor} is not a listening TCP socket; use ListenStream=ADDRESS:PORT and "
            "Accept=no in the socket unit"
        )
    sock.set_inheritable(False)
    sock.setblocking(False)
    return sock


def check_keys(settings: Config, sockets: Sequence[socket.socket]) -> None:
    """
    Check that API keys are set if other machines can reach the sockets, as `Config` does for `RELAY_HOST`.

    Raises:
        ConfigError: they are not.
    """
    for sock in sockets:
        address = sock.getsockname()[0]
        if not settings.api_keys and not ip_address(address).is_loopback:
            raise ConfigError(
                f"LISTEN_FDS: the socket of the service manager at {address} is reachable from other machines, so "
                "RELAY_API_KEYS must be set"
            )


class ServiceManager:
    """Sends messages to the service manager that started this process, if there is one."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        """Take the address and the watchdog's interval from `environ`, so that no child process uses them."""
        self._address = environ.pop("NOTIFY_SOCKET", "")
        pid, interval_us = environ.pop("WATCHDOG_PID", ""), environ.pop("WATCHDOG_USEC", "")
        supervised = interval_us.isdecimal() and pid in ("", str(os.getpid()))
        self._watchdog_s = int(interval_us) / 1e6 if supervised else None
        """The longest time between two messages before the process is restarted. None: it is not watched."""

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Report during the block that the event loop responds, twice per interval of the watchdog."""
        task = asyncio.create_task(self._keep_alive(self._watchdog_s)) if self._watchdog_s is not None else None
        try:
            yield
        finally:
            if task is not None:
                task.cancel()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Report that the relay accepts requests during the block, and shuts down after it."""
        self.ready()
        try:
            yield
        finally:
            self._send("STOPPING=1")

    def ready(self) -> None:
        """Report that the relay accepts requests."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Report that the relay reads its settings again. `ready` ends this state."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    async def _keep_alive(self, interval_s: float) -> None:
        while True:
            self._send("WATCHDOG=1")
            await asyncio.sleep(interval_s / 2)

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the zero byte of an abstract address.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto(message.encode(), address)
        except OSError as error:
            _log.warning("service_manager.notify_failed", error=str(error))

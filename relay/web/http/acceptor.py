"""
Accept connections, even when the process has run out of file descriptors.

In that state, asyncio's own accept loop calls `accept` as many times as its backlog is long, logs a traceback and sets
a timer each time (`_accept_connection` in https://github.com/python/cpython/blob/main/Lib/asyncio/selector_events.py).

The acceptor here keeps one spare descriptor. When none is free, it uses the spare one to accept the client and
disconnect it.
"""

import asyncio
import os
import socket
from collections.abc import Callable

from relay.web.http.file_descriptors import EXHAUSTED
from relay.web.http.tcp import UNACKNOWLEDGED_MS

BACKLOG = 1024
"""Number of connections that may wait to be accepted. After a restart, all viewers reconnect at once."""

BATCH = 16
"""Number of connections to accept before other work gets its turn."""

PAUSE_S = 1.0
"""Pause after an error that another attempt would only repeat."""


async def bind(host: str, port: int) -> list[socket.socket]:
    """
    Return listening sockets, one for each address of `host`.

    Raises:
        OSError: an address is not available.
    """
    # asyncio resolves and binds. Its server would accept by itself, so the sockets are duplicated and it is closed.
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, host, port, reuse_address=True, start_serving=False)
    sockets = [sock.dup() for sock in server.sockets]
    server.close()
    for sock in sockets:
        sock.listen(BACKLOG)
    return sockets


def prepare(sock: socket.socket) -> None:
    """Set the options that the connections of a listening socket need."""
    sock.setblocking(False)
    if (option := getattr(socket, "TCP_USER_TIMEOUT", None)) is not None:
        # Accepted connections inherit this: the kernel closes them when the client stops acknowledging data.
        sock.setsockopt(socket.IPPROTO_TCP, option, UNACKNOWLEDGED_MS)


class Acceptor:
    """Accept the connections of one listening socket until closed."""

    def __init__(
        self, sock: socket.socket, make: Callable[[], asyncio.BaseProtocol], on_error: Callable[[OSError], None]
    ) -> None:
        """
        Args:
            sock: listening and non-blocking. `close` closes it.
            make: returns the protocol of a new connection.
            on_error: is called when a connection cannot be accepted.
        """
        self._sock = sock
        self._make = make
        self._on_error = on_error
        self._loop = asyncio.get_running_loop()
        self._spare: int | None = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._pause: asyncio.TimerHandle | None = None
        self._connecting: set[asyncio.Task[object]] = set()
        self._resume()

    def close(self) -> None:
        """Stop accepting. Connections that were accepted stay open. Idempotent."""
        if self._sock.fileno() < 0:
            return
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._sock)
        self._sock.close()
        if self._spare is not None:
            os.close(self._spare)

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        for _ in range(BATCH):
            try:
                accepted, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._on_error(error)
                if error.errno not in EXHAUSTED or not self._disconnect_one():
                    # The socket stays readable: without a pause, the event loop would do nothing else.
                    self._loop.remove_reader(self._sock)
                    self._pause = self._loop.call_later(PAUSE_S, self._resume)
                    return
            else:
                accepted.setblocking(False)
                self._connect(accepted)

    def _connect(self, accepted: socket.socket) -> None:
        task: asyncio.Task[object] = self._loop.create_task(self._loop.connect_accepted_socket(self._make, accepted))
        self._connecting.add(task)
        task.add_done_callback(self._connected)

    def _connected(self, task: asyncio.Task[object]) -> None:
        self._connecting.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, OSError):  # the client has disconnected already
            self._on_error(error)
        elif error is not None:
            self._loop.call_exception_handler({"message": "a connection could not be set up", "exception": error})

    def _disconnect_one(self) -> bool:
        """Accept a connection on the spare descriptor and close it. Return whether a spare is available again."""
        if self._spare is None:
            return self._open_spare()
        os.close(self._spare)
        self._spare = None
        try:
            accepted, _ = self._sock.accept()
            accepted.close()
        except OSError:  # another thread took the descriptor, or the client has disconnected
            pass
        return self._open_spare()

    def _open_spare(self) -> bool:
        try:
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._spare = None
        return self._spare is not None

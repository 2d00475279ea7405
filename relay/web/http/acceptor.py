"""
Accepts connections. asyncio's own loop does not survive a process that has run out of file descriptors: it tries as
often as its backlog is long, logs a traceback each time, and sets as many timers (CPython,
`BaseSelectorEventLoop._accept_connection`).

Here a client that cannot be served is disconnected at once, with the help of a descriptor that is kept for that.
"""

import asyncio
import os
import socket
from collections.abc import Callable

from relay.web.http.file_descriptors import EXHAUSTED
from relay.web.http.tcp import PEER_GONE_MS

BACKLOG = 1024
"""How many connections may wait to be accepted: after a restart all viewers come at once."""

AT_ONCE = 16
"""How many are accepted before other work has its turn."""

PAUSE_S = 1.0
"""After an error that accepting again would only repeat."""


async def bound(host: str, port: int) -> list[socket.socket]:
    """
    Return listening sockets, one for each address of `host`.

    Raises:
        OSError: an address cannot be had.
    """
    # asyncio resolves and binds; the sockets outlive its server as copies, because that one would accept by itself.
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, host, port, reuse_address=True, start_serving=False)
    sockets = [sock.dup() for sock in server.sockets]
    server.close()
    for sock in sockets:
        sock.setblocking(False)
        if (option := getattr(socket, "TCP_USER_TIMEOUT", None)) is not None:
            # Connections inherit it: a peer that has vanished, or takes nothing, is cut off.
            sock.setsockopt(socket.IPPROTO_TCP, option, PEER_GONE_MS)
        sock.listen(BACKLOG)
    return sockets


class Acceptor:
    """Accepts the connections of one listening socket until it is closed."""

    def __init__(
        self, sock: socket.socket, make: Callable[[], asyncio.BaseProtocol], failed: Callable[[OSError], None]
    ) -> None:
        """
        Args:
            sock: listening and non-blocking; it is closed with this.
            make: makes the protocol of one connection.
            failed: is told when a connection cannot be accepted.
        """
        self._sock = sock
        self._make = make
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._spare: int | None = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._pause: asyncio.TimerHandle | None = None
        self._welcoming: set[asyncio.Task[object]] = set()
        self._resume()

    def close(self) -> None:
        """Accept no more; those that were accepted stay."""
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
        for _ in range(AT_ONCE):
            try:
                accepted, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._failed(error)
                if error.errno not in EXHAUSTED or not self._disconnect_one():
                    # The socket stays readable: without a pause the loop would do nothing else.
                    self._loop.remove_reader(self._sock)
                    self._pause = self._loop.call_later(PAUSE_S, self._resume)
                    return
            else:
                accepted.setblocking(False)
                self._welcome(accepted)

    def _welcome(self, accepted: socket.socket) -> None:
        task: asyncio.Task[object] = self._loop.create_task(self._loop.connect_accepted_socket(self._make, accepted))
        self._welcoming.add(task)
        task.add_done_callback(self._welcomed)

    def _welcomed(self, task: asyncio.Task[object]) -> None:
        self._welcoming.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, OSError):  # the client has left already
            self._failed(error)
        elif error is not None:
            self._loop.call_exception_handler({"message": "a connection could not be made", "exception": error})

    def _disconnect_one(self) -> bool:
        """Accept a connection on the spare descriptor and close it; say whether that was possible."""
        if self._spare is None:
            return self._take_spare()
        os.close(self._spare)
        self._spare = None
        try:
            accepted, _ = self._sock.accept()
            accepted.close()
        except OSError:  # another thread was faster, or the client has left
            pass
        return self._take_spare()

    def _take_spare(self) -> bool:
        try:
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._spare = None
        return self._spare is not None

"""
Starts the `relay` command as a process that does not have to import the relay.

The import takes half a second of processor time, more than most commands need for the rest. One process per worker has
imported it and forks for each command. `Command` has those attributes of an asyncio process that tests use.
"""

import asyncio
import gc
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

_REQUEST_BYTES = 100_000
_NUMBER = struct.Struct("i")


class Command:
    """A running command."""

    def __init__(self, pid: int, code: asyncio.StreamReader, *output: asyncio.StreamReader | None) -> None:
        self.pid = pid
        self.stdout, self.stderr = output
        self.returncode: int | None = None
        self._watched = asyncio.create_task(self._watch(code))

    async def _watch(self, code: asyncio.StreamReader) -> int:
        (self.returncode,) = _NUMBER.unpack(await code.read())
        return self.returncode

    async def wait(self) -> int:
        """Wait for the end and return the exit code; it is negative after a signal."""
        return await asyncio.shield(self._watched)

    async def communicate(self) -> tuple[bytes, bytes]:
        """Wait for the end and return the output that was not read."""
        out, err = await asyncio.gather(_rest(self.stdout), _rest(self.stderr))
        await self.wait()
        return out, err

    def send_signal(self, sent: signal.Signals) -> None:
        """Send a signal unless the command has ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):  # it has ended, and the code is on its way
                os.kill(self.pid, sent)

    def kill(self) -> None:
        """Send SIGKILL unless the command has ended."""
        self.send_signal(signal.SIGKILL)


async def _rest(stream: asyncio.StreamReader | None) -> bytes:
    return await stream.read() if stream else b""


class Preloaded:
    """The process that has imported the relay."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """Start the process; stop it at the end of the block."""
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        fd = there.fileno()
        with subprocess.Popen([sys.executable, "-m", __name__, str(fd)], pass_fds=[fd]), here:
            there.close()
            yield cls(here)

    async def start(
        self, arguments: Sequence[str], *, folder: Path, env: Mapping[str, str], stdout: int, stderr: int
    ) -> Command:
        """Run `relay` with these arguments. `stdout` and `stderr` are descriptors or `asyncio.subprocess.PIPE`."""
        pipes = [os.pipe() if place == asyncio.subprocess.PIPE else None for place in (stdout, stderr)]
        places = [pipe[1] if pipe else place for pipe, place in zip(pipes, (stdout, stderr), strict=True)]
        code, ended = os.pipe()
        request = json.dumps({"arguments": arguments, "folder": str(folder), "env": dict(env)}).encode()
        socket.send_fds(self._control, [request], [*places, ended])
        (pid,) = _NUMBER.unpack(self._control.recv(_NUMBER.size))
        for fd in (ended, *(pipe[1] for pipe in pipes if pipe)):
            os.close(fd)
        return Command(pid, await _reader(code), *[await _reader(pipe[0]) if pipe else None for pipe in pipes])


async def _reader(fd: int) -> asyncio.StreamReader:
    stream = asyncio.StreamReader()
    pipe = os.fdopen(fd, "rb", 0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
    return stream


def _serve(control: socket.socket) -> tuple[bytes, list[int]] | None:
    """
    Fork for each request, and report exit codes, until the other end is closed.

    Returns:
        In a forked process, its request and descriptors.
    """
    ended: dict[int, int] = {}
    waking, woken = socket.socketpair()
    with control, waking, woken, selectors.DefaultSelector() as selector:
        waking.setblocking(False)
        signal.set_wakeup_fd(waking.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        selector.register(control, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            if woken in [key.fileobj for key, _ in selector.select()]:
                woken.recv(4096)
                _report(ended)
                continue
            request, fds, _, _ = socket.recv_fds(control, _REQUEST_BYTES, 3)
            if not request:
                return None
            if (pid := os.fork()) == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored if nohup runs the tests
                return request, fds
            *output, ended[pid] = fds
            for fd in output:
                os.close(fd)
            control.send(_NUMBER.pack(pid))


def _report(ended: dict[int, int]) -> None:
    while ended:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with suppress(BrokenPipeError), os.fdopen(ended.pop(pid), "wb", 0) as pipe:  # nothing waits for it any more
            pipe.write(_NUMBER.pack(os.waitstatus_to_exitcode(status)))


def _run(request: bytes, fds: list[int]) -> None:
    """Run the command in this process, with its folder, settings and output."""
    wanted = json.loads(request)
    *output, ended = fds
    for fd, place in zip(output, (1, 2), strict=True):
        os.dup2(fd, place)
        os.close(fd)
    os.close(ended)
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    sys.path[0] = wanted["folder"]
    sys.argv[:] = ["relay", *wanted["arguments"]]
    from relay.cli.main import main

    main()


if __name__ == "__main__":
    import relay.cli.check
    import relay.cli.serve  # noqa: F401 -- loads everything that most commands use

    gc.freeze()  # a collection in a forked process would copy the memory of all modules
    if forked := _serve(socket.socket(fileno=int(sys.argv[1]))):
        _run(*forked)

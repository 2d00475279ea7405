"""A service manager for tests: it listens on a socket, and starts `relay serve` with it, as systemd does."""

import asyncio
import re
import signal
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from tests.shell import PATIENCE_S, inherited_environment

_START = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.executable, [sys.executable, "-m", "relay", "serve"])
"""


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Service:
    """A relay on a socket that stays open between its processes."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self._folder = folder
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._socket = self._stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096))
        self._stack.push_async_callback(self.kill)
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def start(self) -> None:
        """Start a process and wait until it serves."""
        descriptor = self._socket.fileno()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _START, str(descriptor)),
            cwd=self._folder,
            env=inherited_environment() | self._settings,
            pass_fds=(descriptor,),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        await self.logged(r"relay\.started")

    async def logged(self, pattern: str) -> None:
        """Wait until the process logs a line that matches."""
        assert self._process is not None
        assert self._process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            async for line in self._process.stderr:
                if re.search(pattern, line.decode()):
                    return
        raise AssertionError(f"ended without logging {pattern}")

    def stop(self) -> None:
        """Ask the process to shut down."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """Wait for the end of the process and return its exit code."""
        assert self._process is not None
        async with asyncio.timeout(PATIENCE_S):
            await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode

    async def kill(self) -> None:
        """Kill the process if it runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.communicate()
